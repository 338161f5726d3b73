//! The client: connections, time-outs, and which servers have not been
//! reachable lately.

use crate::TransferError;
use crate::error::{Attempt, Failure, Stop};
use crate::watch::Watch;
use crate::web::Web;
use crate::{Location, Request};
use hatchery_image::RelativePath;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Longest wait for a connection: as long as a SYN is sent four times.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Longest time in which fewer than [`STALL_BYTES`] may arrive; apt's too.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Bytes that must arrive in each [`Settings::stall`], so that a server that
/// sends one now and then is not waited for for ever.
pub(crate) const STALL_BYTES: u64 = 1024;

/// Pauses before all locations whose failure may pass are tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];

/// How patient a client is, and what it may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest time in which (next to) nothing may arrive.
    pub stall: Duration,
    /// Pauses before locations whose failure may pass are tried again.
    pub pauses: Vec<Duration>,
    /// Ask no web server at all.
    pub offline: bool,
    /// Use the proxy that `http_proxy` and its kin name, as curl and apt do.
    pub system_proxy: bool,
    /// Who moves the bytes.
    pub driver: Driver,
}

/// Who moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Threads of the client's own: for several transfers at once.
    Threads,
    /// The thread that calls: for one transfer after another. Nothing is
    /// handed from thread to thread, which on a busy host costs more time
    /// than the transfer itself.
    Caller,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: CONNECT_MAX,
            stall: STALL_MAX,
            pauses: PAUSES.to_vec(),
            offline: false,
            system_proxy: true,
            driver: Driver::Threads,
        }
    }
}

/// Fetches. Cheap to clone; its verbs block the calling thread, so they must
/// not be called on a thread of an asynchronous runtime.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) web: Web,
    pub(crate) settings: Settings,
    /// Servers that could not be reached; they are asked last.
    unreachable: Mutex<HashSet<String>>,
    runtime: Option<Runtime>,
}

impl Client {
    /// A client with pooled connections and the usual patience.
    ///
    /// # Errors
    /// TLS or the runtime cannot be set up.
    pub fn new() -> Result<Self, TransferError> {
        Self::with(Settings::default())
    }

    /// A client with other settings.
    ///
    /// # Errors
    /// TLS or the runtime cannot be set up.
    pub fn with(settings: Settings) -> Result<Self, TransferError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread has just installed one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = match settings.driver {
            Driver::Threads => tokio::runtime::Builder::new_multi_thread(),
            Driver::Caller => tokio::runtime::Builder::new_current_thread(),
        };
        let runtime = builder
            .worker_threads(2)
            .thread_name("transfer")
            .enable_all()
            .build()
            .map_err(|source| TransferError::Setup {
                what: "threads",
                source: source.into(),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                web: Web::new(&settings),
                settings,
                unreachable: Mutex::default(),
                runtime: Some(runtime),
            }),
        })
    }

    /// Tries `once` at each location in turn, and again after a pause where
    /// the failure may pass.
    pub(crate) fn in_turn<T>(
        &self,
        request: &Request,
        watch: Watch<'_>,
        mut once: impl FnMut(&Location, &RelativePath) -> Result<T, Stop>,
    ) -> Result<T, TransferError> {
        let path = request.check()?;
        let mut attempts = Vec::new();
        let mut open: Vec<&Location> = self.inner.reachable_first(&request.locations);
        for round in 0..=self.inner.settings.pauses.len() {
            if let Some(pause) = round.checked_sub(1) {
                watch.pause(self.inner.settings.pauses[pause])?;
            }
            let mut again = Vec::new();
            for location in open {
                watch.check()?;
                match once(location, &path) {
                    Ok(value) => {
                        self.inner.note(location, true);
                        return Ok(value);
                    }
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Here(failure)) => {
                        let near = matches!(failure, Failure::Connect(_) | Failure::Stalled(_));
                        self.inner.note(location, !near);
                        if failure.is_transient() {
                            again.push(location);
                        }
                        let address = location.describe(&path);
                        // One line a location: the last thing it said.
                        attempts.retain(|a: &Attempt| a.address != address);
                        attempts.push(Attempt { address, failure });
                    }
                }
            }
            open = again;
            if open.is_empty() {
                break;
            }
        }
        Err(TransferError::Everywhere {
            path: request.path.clone(),
            attempts,
        })
    }
}

impl Inner {
    /// Runs a future to its end on the calling thread.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime
            .as_ref()
            .expect("the runtime is there until the last client is dropped")
            .block_on(future)
    }

    fn reachable_first<'a>(&self, locations: &'a [Location]) -> Vec<&'a Location> {
        let unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = locations.iter().collect();
        // A stable sort: otherwise the caller's order stands.
        sorted.sort_by_key(|l| server(l).is_some_and(|s| unreachable.contains(&s)));
        sorted
    }

    fn note(&self, location: &Location, reachable: bool) {
        let Some(server) = server(location) else {
            return;
        };
        let mut unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if reachable {
            unreachable.remove(&server);
        } else {
            unreachable.insert(server);
        }
    }
}

fn server(location: &Location) -> Option<String> {
    match location {
        Location::Http(url) => Some(url.origin().ascii_serialization()),
        Location::Folder(_) => None,
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Otherwise dropping the last client on a thread of another runtime
        // would panic.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}
