//! A server on a thread of its own, for whoever goes on with something else.

use super::{Address, Control, ServerError, Stop, first_tcp};
use std::net::SocketAddr;
use std::thread::JoinHandle;

/// A server that runs on a thread of its own.
#[derive(Debug)]
pub struct Running {
    pub(super) addresses: Vec<Address>,
    pub(super) stop: Stop,
    pub(super) control: Control,
    pub(super) thread: Option<JoinHandle<Result<(), ServerError>>>,
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
        match self.thread.take().map(JoinHandle::join) {
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
