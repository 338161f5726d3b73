//! How libraries report what they are doing, and learn that they should stop.
//!
//! One small callback type. `cli/` turns events into bars, lines or JSON;
//! libraries never print. The same value carries the wish to stop (Ctrl-C):
//! long loops ask [`Progress::check`] and unwind, so that staging is removed
//! by the same code that removes it after an error.

use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A named step of the straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Fetching and verifying indexes, resolving packages.
    Resolve,
    /// Downloading packages or an archive; in bytes.
    Download,
    /// Unpacking packages or an archive; in bytes.
    Unpack,
    /// Maintainer scripts; in packages where known.
    Configure,
    /// Applying the recipe's settings.
    Settings,
    /// Looking for what must not be in an image.
    Lint,
    /// Packing the archive; in bytes of the tree.
    Pack,
    /// Signing.
    Sign,
    /// Putting an image into a store.
    Publish,
    /// Verifying catalog, manifest and digests.
    Verify,
    /// Setting the disk limit.
    Limit,
    /// A machine's network, and what of the host it gets.
    Network,
    /// Booting and checking a machine.
    Boot,
    /// Removing a machine or what was left of one.
    Remove,
}

/// What a count counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Packages, files or steps.
    Items,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A stage began; `total` when it is known beforehand.
    Begin {
        /// Which.
        stage: Stage,
        /// How much there is to do.
        total: Option<u64>,
        /// In what.
        unit: Unit,
    },
    /// Some of it is done.
    Advance {
        /// Which.
        stage: Stage,
        /// How much more than before.
        by: u64,
    },
    /// A line about it that a user may want to read.
    Message {
        /// Which.
        stage: Stage,
        /// One line.
        text: String,
    },
    /// Something that is not an error but that a user should know.
    Warning {
        /// One line.
        text: String,
    },
    /// A stage is over.
    End {
        /// Which.
        stage: Stage,
    },
}

/// The user asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted; what had been begun was removed")]
pub struct Interrupted;

/// Where events go, and whether to go on. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Progress {
    report: Arc<dyn Fn(Event) + Send + Sync>,
    stop: Arc<AtomicBool>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Reports to `report`.
    pub fn new(report: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            report: Arc::new(report),
            stop: Arc::default(),
        }
    }

    /// Reports to nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// The flag that a signal handler sets to stop the work.
    #[must_use]
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Interrupted`] once the stop flag is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.stop.load(Ordering::Relaxed) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }

    /// Begins a stage; it ends when the returned value is dropped.
    pub fn begin(&self, stage: Stage, total: Option<u64>, unit: Unit) -> Running {
        (self.report)(Event::Begin { stage, total, unit });
        Running {
            progress: self.clone(),
            stage,
        }
    }

    /// Says a line about a stage.
    pub fn message(&self, stage: Stage, text: impl Into<String>) {
        (self.report)(Event::Message {
            stage,
            text: text.into(),
        });
    }

    /// Warns.
    pub fn warn(&self, text: impl Into<String>) {
        (self.report)(Event::Warning { text: text.into() });
    }
}

/// A stage under way. Shared by threads through a reference.
#[derive(Debug)]
pub struct Running {
    progress: Progress,
    stage: Stage,
}

impl Running {
    /// `by` more of it is done.
    pub fn advance(&self, by: u64) {
        (self.progress.report)(Event::Advance {
            stage: self.stage,
            by,
        });
    }

    /// Says a line about it.
    pub fn message(&self, text: impl Into<String>) {
        self.progress.message(self.stage, text);
    }

    /// See [`Progress::check`].
    ///
    /// # Errors
    /// [`Interrupted`] once the stop flag is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.progress.check()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        (self.progress.report)(Event::End { stage: self.stage });
    }
}
