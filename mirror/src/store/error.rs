//! Why a store cannot be used.

use super::repository::{FORMAT, REPOSITORY};
use hatchery_image::durable::DurableError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something about its root failed.
    #[error("cannot {doing} the store {path}")]
    Root {
        /// What was being done, such as `open`.
        doing: &'static str,
        /// The store's root.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder is no store.
    #[error("{path} is not a store: it holds no {REPOSITORY}")]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds other things.
    #[error("{path} is not empty and not a store; name a new folder for the store")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The identity cannot be understood.
    #[error("{path} cannot be read as a repository's identity")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program made the store.
    #[error(
        "{path} has format {format}, and this program reads up to {FORMAT}; a newer hatchery is needed"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// A file or folder of it could not be written.
    #[error("cannot write to the store")]
    Write(#[source] DurableError),
    /// A file of it could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

pub(super) type Result<T> = std::result::Result<T, StoreError>;

pub(super) fn failed(doing: &'static str, root: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = root.to_owned();
    move |source| StoreError::Root {
        doing,
        path,
        source,
    }
}
