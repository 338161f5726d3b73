//! The server: its listeners, what may be changed while it runs, and its end.
//!
//! hyper and tokio, no framework: there are two kinds of paths. Knows nothing
//! of HTTP beyond `connection`; asks the store for nothing but the catalog's
//! expiry, of which it warns.
//!
//! A change (`Control::reload`) is made whole or not at all: what cannot be
//! listened on, or whose TLS files cannot be read, leaves everything as it
//! was. A listener that stays keeps its socket and its connections; those that
//! are open keep the limits that they began with.

mod address;
mod control;
mod listener;
mod options;
mod slots;
mod tls;

pub use address::{Address, InvalidAddress, Remote};
pub use control::{Control, ReloadError};
pub use listener::ListenError;
pub use options::{CONNECTIONS, DRAIN, HANDSHAKE, Listener, Options};
pub(crate) use slots::Slots;
pub use tls::{TlsError, TlsFiles};

use crate::body::Budget;
use crate::clients::{Guests, Pace};
use crate::connection::{self, Reception};
use crate::expiry;
use crate::holdings::Holdings;
use crate::metrics::Metrics;
use crate::respond::Desk;
use crate::store::Store;
use control::Command;
use listener::Bound;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How often the files of TLS and the table of clients are looked at.
const LOOK: Duration = Duration::from_secs(3);

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nobody can connect at one of the addresses.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is nowhere to listen.
    #[error("there is no address to listen on")]
    Nowhere,
    /// The runtime did not start.
    #[error("cannot start the server's threads")]
    Runtime(#[source] io::Error),
}

/// A server that listens, and serves once it runs.
#[derive(Debug)]
pub struct Server {
    bound: Vec<Bound>,
    addresses: Vec<Address>,
    holdings: Arc<Holdings>,
    options: Options,
    stop: watch::Sender<bool>,
    control: Control,
    commands: mpsc::UnboundedReceiver<Command>,
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
    /// An address cannot be taken, its TLS files cannot be used, or there is
    /// none.
    pub fn bind(store: Store, options: Options) -> Result<Self, ServerError> {
        let bound = options.listeners.iter().map(listener::bind);
        let bound = bound.collect::<Result<Vec<_>, _>>()?;
        if bound.is_empty() {
            return Err(ServerError::Nowhere);
        }
        let (control, commands) = Control::new();
        Ok(Self {
            addresses: bound.iter().map(|bound| bound.address.clone()).collect(),
            bound,
            holdings: Arc::new(Holdings::new(store)),
            options,
            stop: watch::Sender::new(false),
            control,
            commands,
        })
    }

    /// Where it listens, with the ports that it got, in the order of the
    /// options.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The first TCP address of these; `0.0.0.0:0` if there is none.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        first_tcp(&self.addresses)
    }

    /// What stops it.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        Stop(self.stop.clone())
    }

    /// What changes it while it runs.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Serves until it is stopped. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The runtime does not take a socket.
    pub async fn run(self) -> Result<(), ServerError> {
        let expiry = expiry::watch(Arc::clone(&self.holdings), self.options.now);
        let expiry = tokio::spawn(expiry);
        let reception = first_reception(self.holdings, &self.options);
        let mut open = Open {
            reception: watch::Sender::new(Arc::new(reception)),
            attended: Vec::new(),
            leaving: Vec::new(),
        };
        for bound in self.bound {
            open.attend(bound);
        }
        let (mut commands, mut stop) = (self.commands, self.stop.subscribe());
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                Some(command) = commands.recv() => open.obey(command),
                _ = look.tick() => open.look(),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        expiry.abort();
        open.close().await.map_err(ServerError::Runtime)
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
        let (addresses, control) = (self.addresses.clone(), self.control());
        let stop = self.stop_handle();
        let thread = std::thread::spawn(move || self.run_blocking());
        Running {
            addresses,
            stop,
            control,
            thread: Some(thread),
        }
    }
}

/// A server that runs on a thread of its own.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<Address>,
    stop: Stop,
    control: Control,
    thread: Option<std::thread::JoinHandle<Result<(), ServerError>>>,
}

impl Running {
    /// Where it listens, in the order of the options that it began with.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The first TCP address of these.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        first_tcp(&self.addresses)
    }

    /// What changes it.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
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

fn first_tcp(addresses: &[Address]) -> SocketAddr {
    let tcp = addresses.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    tcp.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn first_reception(holdings: Arc<Holdings>, options: &Options) -> Reception {
    let desk = Desk {
        holdings,
        budget: Arc::new(Budget::default()),
        ranges: options.ranges,
    };
    let slots = Slots::new(slots::affordable(options.connections.max(1)));
    let pace = Arc::new(Pace::new(options.per_client));
    let metrics = Arc::new(Metrics::new());
    reception(desk, slots, Guests::default(), pace, metrics, options)
}

/// What connections begin with after a change.
fn next_reception(before: &Reception, options: &Options) -> Reception {
    let desk = Desk {
        ranges: options.ranges,
        ..before.desk.clone()
    };
    let slots = before.slots.clone();
    slots.resize(slots::affordable(options.connections.max(1)));
    // Who asked too quickly before is not forgiven because a file changed.
    let pace = match *before.pace.limits() == options.per_client {
        true => Arc::clone(&before.pace),
        false => Arc::new(Pace::new(options.per_client)),
    };
    let (guests, metrics) = (before.guests.clone(), Arc::clone(&before.metrics));
    reception(desk, slots, guests, pace, metrics, options)
}

fn reception(
    desk: Desk,
    slots: Slots,
    guests: Guests,
    pace: Arc<Pace>,
    metrics: Arc<Metrics>,
    options: &Options,
) -> Reception {
    Reception {
        desk,
        access: Arc::clone(&options.access),
        metrics,
        lost_lines: options.lost_lines.clone(),
        patience: options.patience,
        handshake: options.handshake,
        drain: options.drain,
        slots,
        guests,
        pace,
        protocol: connection::protocol(&options.patience, options.head),
    }
}

/// A listener that is attended.
struct Attended {
    asked: Address,
    door: Arc<listener::Door>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

/// A server that runs.
struct Open {
    reception: watch::Sender<Arc<Reception>>,
    attended: Vec<Attended>,
    /// Listeners that were taken away, and still have connections.
    leaving: Vec<JoinHandle<io::Result<()>>>,
}

impl Open {
    fn attend(&mut self, bound: Bound) {
        let stop = watch::Sender::new(false);
        self.attended.push(Attended {
            asked: bound.asked.clone(),
            door: Arc::clone(&bound.door),
            task: tokio::spawn(listener::attend(
                bound,
                self.reception.subscribe(),
                stop.subscribe(),
            )),
            stop,
        });
    }

    fn obey(&mut self, command: Command) {
        match command {
            // Whoever asked may have gone.
            Command::Answer(answer) => drop(answer.send(())),
            Command::Reload(options, answer) => drop(answer.send(self.reload(&options))),
        }
    }

    /// Changes everything that the options say, or nothing.
    fn reload(&mut self, options: &Options) -> Result<(), ReloadError> {
        if options.listeners.is_empty() {
            return Err(ReloadError::Nowhere);
        }
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for listener in &options.listeners {
            let is_it = |(at, attended): &(usize, &Attended)| {
                attended.asked == listener.address && !kept.iter().any(|(k, _)| k == at)
            };
            match self.attended.iter().enumerate().find(is_it) {
                Some((at, attended)) => kept.push((at, attended.door.prepare(listener)?)),
                None => new.push(listener::bind(listener)?),
            }
        }
        // From here on nothing fails.
        let before = Arc::clone(&self.reception.borrow());
        let next = next_reception(&before, options);
        self.reception.send_replace(Arc::new(next));
        let attended = std::mem::take(&mut self.attended);
        for (at, attended) in attended.into_iter().enumerate() {
            match kept.iter().find(|(k, _)| *k == at) {
                Some((_, manner)) => {
                    attended.door.change(manner.clone());
                    self.attended.push(attended);
                }
                None => {
                    attended.stop.send_replace(true);
                    self.leaving.push(attended.task);
                }
            }
        }
        self.leaving.retain(|task| !task.is_finished());
        new.into_iter().for_each(|bound| self.attend(bound));
        Ok(())
    }

    /// Reads the files of TLS again where they are others, and forgets
    /// clients that have been quiet.
    fn look(&self) {
        self.reception.borrow().pace.clean();
        for tls in self.attended.iter().filter_map(|a| a.door.manner().tls) {
            tls.look();
        }
    }

    /// Lets everybody finish.
    async fn close(self) -> io::Result<()> {
        for attended in &self.attended {
            attended.stop.send_replace(true);
        }
        let tasks = self.attended.into_iter().map(|attended| attended.task);
        for task in tasks.chain(self.leaving) {
            task.await.map_err(io::Error::other)??;
        }
        Ok(())
    }
}
