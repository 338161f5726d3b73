//! Why the store could not be looked at.

use std::io;
use std::path::PathBuf;

/// Why a file of the store could not be looked at. For the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldingsError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a list of digests")]
    Sums {
        path: PathBuf,
        #[source]
        source: hatchery_image::sums::InvalidSums,
    },
    #[error("{path} is not UTF-8")]
    Text { path: PathBuf },
    #[error("cannot make an image's metadata for incus")]
    Metadata(#[source] io::Error),
    #[error("cannot make a page")]
    Page(#[source] askama::Error),
}

impl HoldingsError {
    /// Whether a file that was opened could not be read now, and may be later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() != io::ErrorKind::FileTooLarge)
    }
}

pub(crate) type Result<T> = std::result::Result<T, HoldingsError>;
