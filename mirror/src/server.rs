//! The server: a listening socket, its connections, and their end.
//!
//! hyper and tokio, no framework: there are two kinds of paths. Knows nothing
//! of HTTP beyond `connection`; asks the store for nothing but the catalog's
//! expiry, of which it warns.

use crate::access::AccessLog;
use crate::activity::Patience;
use crate::body::Budget;
use crate::connection::{self, Reception};
use crate::expiry;
use crate::holdings::Holdings;
use crate::respond::Desk;
use crate::store::Store;
use jiff::Timestamp;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections open at once unless the options say otherwise.
pub const CONNECTIONS: usize = 16_384;
/// How long a stopping server waits for answers under way, unless the options
/// say otherwise.
pub const DRAIN: Duration = Duration::from_secs(30);
/// Connections that the kernel keeps for the server until it takes them.
const BACKLOG: i32 = 4096;
/// Files that the process holds open besides its connections: what is being
/// sent, each file once.
const SPARE_FILES: u64 = 512;
/// How long to wait when the system has no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a server behaves.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections open at once; further ones wait. At least 1.
    pub connections: usize,
    /// What clients may take their time for.
    pub patience: Patience,
    /// How long to wait for answers under way when stopping.
    pub drain: Duration,
    /// Where the access log goes.
    pub access: AccessLog,
    /// What time it is, for warnings of the catalog's expiry.
    pub now: fn() -> Timestamp,
}

impl Options {
    /// The usual behaviour, without an access log.
    #[must_use]
    pub fn new(listen: SocketAddr, now: fn() -> Timestamp) -> Self {
        Self {
            listen,
            connections: CONNECTIONS,
            patience: Patience::default(),
            drain: DRAIN,
            access: Arc::new(|_| ()),
            now,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The runtime did not start.
    #[error("cannot start the server's threads")]
    Runtime(#[source] io::Error),
}

/// A server that listens, and serves once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    holdings: Arc<Holdings>,
    options: Options,
    stop: watch::Sender<bool>,
}

/// Stops a server. Cheap to clone; dropping it stops nothing.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Takes no more connections, lets answers under way finish within the
    /// drain time, then ends. May be called more than once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Listens. Clients can connect from now on, and are served when it runs.
    ///
    /// # Errors
    /// The address cannot be taken.
    pub fn bind(store: Store, options: Options) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen {
            address: options.listen,
            source,
        };
        let listener = listen(options.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            holdings: Arc::new(Holdings::new(store)),
            options,
            stop: watch::Sender::new(false),
        })
    }

    /// Where it listens, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        Stop(self.stop.clone())
    }

    /// Serves until it is stopped. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The runtime does not take the socket.
    pub async fn run(self) -> Result<(), ServerError> {
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(|source| {
            ServerError::Listen {
                address: self.address,
                source,
            }
        })?;
        let connections = affordable(self.options.connections.max(1));
        let reception = Arc::new(Reception {
            desk: Desk {
                holdings: Arc::clone(&self.holdings),
                budget: Arc::new(Budget::default()),
            },
            access: self.options.access,
            patience: self.options.patience,
            slots: Arc::new(Semaphore::new(connections)),
            connections,
            protocol: connection::protocol(&self.options.patience),
        });
        let mut stop = self.stop.subscribe();
        let mut tasks = JoinSet::new();
        let expiry = tokio::spawn(expiry::watch(self.holdings, self.options.now));
        loop {
            tokio::select! {
                (stream, remote, permit) = accept(&listener, &reception.slots) => {
                    let (reception, stop) = (Arc::clone(&reception), self.stop.subscribe());
                    tasks.spawn(async move {
                        connection::serve(stream, remote, reception, stop).await;
                        drop(permit);
                    });
                }
                Some(_) = tasks.join_next() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        drop(listener);
        expiry.abort();
        drain(tasks, self.options.drain).await;
        Ok(())
    }

    /// Serves until it is stopped, with a runtime of its own.
    ///
    /// # Errors
    /// The runtime does not start.
    pub fn run_blocking(self) -> Result<(), ServerError> {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("mirror")
            .build()
            .map_err(ServerError::Runtime)?
            .block_on(self.run())
    }

    /// Serves on a thread of its own until the returned value is dropped.
    #[must_use]
    pub fn spawn(self) -> Running {
        let (address, stop) = (self.address, self.stop_handle());
        let thread = std::thread::spawn(move || self.run_blocking());
        Running {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

/// A server that runs on a thread of its own.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Stop,
    thread: Option<std::thread::JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// Those of [`Server::run_blocking`].
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ServerError> {
        self.stop.stop();
        match self.thread.take().map(std::thread::JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.stop();
            // A panic of that thread has been reported by it.
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// The next connection and its slot; waits while all slots are taken.
async fn accept(
    listener: &tokio::net::TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => return (stream, remote, permit),
            Err(error) => {
                // A client that is gone already is nobody's problem.
                if error.kind() != io::ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Waits for the connections that are left, then cuts them.
async fn drain(mut tasks: JoinSet<()>, limit: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "connections were cut while stopping"
        );
        tasks.shutdown().await;
    }
}

/// How many connections the limit of open files allows, after it was raised
/// as far as needed and possible.
fn affordable(connections: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = connections as u64 + SPARE_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return connections;
    }
    // The hard limit gives way to root alone.
    let hard = limit.maximum.map(|maximum| maximum.max(needed));
    let possible = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    for (current, maximum) in [(needed, hard), (possible, limit.maximum)] {
        let raised = Rlimit {
            current: Some(current),
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    if files >= needed {
        return connections;
    }
    let fewer = files.saturating_sub(SPARE_FILES).max(1);
    tracing::warn!(
        wanted = connections,
        possible = fewer,
        "the limit of open files allows fewer connections"
    );
    usize::try_from(fewer).unwrap_or(connections)
}
