//! What can be wrong with the folder of an image.

use crate::durable::DurableError;
use crate::manifest::ManifestError;
use crate::progress::Interrupted;
use crate::sums::InvalidSums;
use std::io;
use std::path::PathBuf;

/// Why a folder is not an image, or was not made one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFilesError {
    /// A file is not there or cannot be read.
    #[error("cannot read {path} of the image")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A symbolic link, folder or device where a file is expected.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// A file that is read into memory is too long.
    #[error("{path} is longer than {max} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most that is read, in bytes.
        max: u64,
    },
    /// `SHA256SUMS` has another form.
    #[error("{path} cannot be used")]
    Sums {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: InvalidSums,
    },
    /// `SHA256SUMS` is not UTF-8.
    #[error("{0} is not text")]
    NotText(PathBuf),
    /// `SHA256SUMS` does not list exactly one `NAME.manifest.json`.
    #[error("{path} lists {found} files called NAME.manifest.json, not one")]
    NoManifest {
        /// `SHA256SUMS`.
        path: PathBuf,
        /// How many it lists.
        found: usize,
    },
    /// The manifest cannot be read.
    #[error("{path} cannot be used")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// A file is not called as it must be.
    #[error("the manifest calls a file {found:?}, and it must be called {expected:?}")]
    Name {
        /// What it is called.
        found: String,
        /// What it must be called.
        expected: String,
    },
    /// A manifest without archives.
    #[error("the manifest names no archive")]
    NoArchive,
    /// A manifest names a file twice.
    #[error("the manifest names {0:?} twice")]
    Twice(String),
    /// A file is not in `SHA256SUMS`, or only there.
    #[error("{name} is {} SHA256SUMS", if *.listed { "not of this image and yet in" } else { "missing in" })]
    Listing {
        /// The file.
        name: String,
        /// Whether it is listed.
        listed: bool,
    },
    /// A file has another length.
    #[error("{path} is {found} bytes long, not {expected}")]
    Size {
        /// The file.
        path: PathBuf,
        /// Length that the manifest gives.
        expected: u64,
        /// Its length.
        found: u64,
    },
    /// A file has another digest.
    #[error("{path} has another digest than {by} says")]
    Digest {
        /// The file.
        path: PathBuf,
        /// Who says.
        by: &'static str,
    },
    /// A file cannot be written.
    #[error("cannot write the image's files")]
    Write(#[source] DurableError),
    /// An old signature cannot be removed.
    #[error("cannot remove the old signature {path}")]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `SHA256SUMS` cannot be signed.
    #[cfg(feature = "sign")]
    #[error("cannot sign SHA256SUMS")]
    Sign(#[source] crate::signer::SignerError),
    /// The work was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
