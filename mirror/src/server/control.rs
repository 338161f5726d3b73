//! What changes a running server, from any thread.

use super::bind::ListenError;
use super::options::Options;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a running server is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Say something.
    Answer(oneshot::Sender<()>),
    /// Behave like this from now on.
    Reload(Box<Options>, oneshot::Sender<Result<(), ReloadError>>),
}

/// Why a server did not change. It goes on as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Nobody could connect at one of the new addresses.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There would be nowhere to listen.
    #[error("there is no address to listen on")]
    Nowhere,
    /// The server does not run, or no more.
    #[error("the server does not run")]
    Gone,
}

/// Changes a server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control(mpsc::UnboundedSender<Command>);

impl Control {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Makes a running server behave like this: listeners are added and taken
    /// away, files of TLS read again, and limits and the access log hold for
    /// connections from now on. Listeners are told apart by the address that
    /// they were asked for. Waits until it is done; not to be called from the
    /// server's own threads.
    ///
    /// # Errors
    /// A new listener cannot listen, or there would be none; nothing was
    /// changed then.
    pub fn reload(&self, options: Options) -> Result<(), ReloadError> {
        let (sender, receiver) = oneshot::channel();
        let command = Command::Reload(Box::new(options), sender);
        self.0.send(command).map_err(|_| ReloadError::Gone)?;
        receiver.blocking_recv().map_err(|_| ReloadError::Gone)?
    }

    /// Whether the server's threads answer within a time. Not to be called
    /// from these threads.
    #[must_use]
    pub fn answers(&self, within: Duration) -> bool {
        let (sender, mut receiver) = oneshot::channel();
        if self.0.send(Command::Answer(sender)).is_err() {
            return false;
        }
        let pause = Duration::from_millis(10);
        let mut left = within;
        loop {
            match receiver.try_recv() {
                Ok(()) => return true,
                Err(oneshot::error::TryRecvError::Closed) => return false,
                Err(oneshot::error::TryRecvError::Empty) if left.is_zero() => return false,
                Err(oneshot::error::TryRecvError::Empty) => {
                    std::thread::sleep(pause.min(left));
                    left = left.saturating_sub(pause);
                }
            }
        }
    }
}
