//! Why something could not be collected.

use crate::exchange::ExchangeError;
use crate::hold::HoldError;
use crate::machines::MachinesError;
use crate::record::RecordError;
use crate::tables::TablesError;
use hatchery_image::durable::DurableError;
use hatchery_image::progress::Interrupted;
use hatchery_transfer::TransferError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// The state folder cannot be locked.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// A record cannot be read, so that nobody knows what is needed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is kept, or what was begun, cannot be read or mended.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// What is remembered of an image cannot be removed.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// What a killed process left cannot be removed.
    #[error("cannot remove what a killed process left")]
    Staging(#[source] DurableError),
    /// The cache cannot be read or changed.
    #[error("cannot clean up the cache of downloads")]
    Cache(#[source] TransferError),
    /// A step on a tree failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The user asked to stop.
    #[error("collecting was stopped")]
    Interrupted(#[source] Interrupted),
}

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GcError {
    let path = path.to_owned();
    move |source| GcError::Failed {
        doing,
        path,
        source,
    }
}
