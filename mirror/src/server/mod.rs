//! The server: its listeners, what may be changed while it runs, and its end.
//!
//! hyper and tokio, no framework: `target` reads the few kinds of paths. Knows nothing
//! of HTTP beyond `connection`; asks the store for nothing but the catalog's
//! expiry, of which it warns.
//!
//! A change (`Control::reload`) is made whole or not at all: what cannot be
//! listened on, or whose TLS files cannot be read, leaves everything as it
//! was. A listener that stays keeps its socket and its connections; those that
//! are open keep the limits that they began with.

mod address;
mod bind;
mod control;
mod crew;
mod door;
mod listener;
mod open;
mod options;
mod running;
mod slots;
mod tls;

pub use address::{Address, InvalidAddress, Remote};
pub use bind::ListenError;
pub use control::{Control, ReloadError};
pub use options::{CONNECTIONS, DRAIN, HANDSHAKE, Listener, Options};
pub use running::Running;
pub(crate) use slots::Slots;
pub use tls::{TlsError, TlsFiles};

use crate::expiry;
use crate::holdings::Holdings;
use crate::store::Store;
use bind::Bound;
use control::Command;
use crew::Crew;
use open::Open;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

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
        let bound = options.listeners.iter().map(bind::bind);
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

    /// Serves until it is stopped. Needs a tokio runtime with I/O and time, on
    /// which it waits for connections; they are served by threads of its own.
    ///
    /// # Errors
    /// The threads do not start, or a runtime does not take a socket.
    pub async fn run(self) -> Result<(), ServerError> {
        let crew = tokio::task::spawn_blocking(Crew::new).await;
        let crew = crew.map_err(io::Error::other).flatten();
        let crew = crew.map_err(ServerError::Runtime)?;
        let expiry = expiry::watch(Arc::clone(&self.holdings), self.options.now);
        let expiry = tokio::spawn(expiry);
        let mut open = Open::new(crew, self.holdings, &self.options);
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
        tokio::runtime::Builder::new_current_thread()
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

fn first_tcp(addresses: &[Address]) -> SocketAddr {
    let tcp = addresses.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    });
    tcp.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}
