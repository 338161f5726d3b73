//! Why an entry could not be created. Every variant names the entry.

pub use crate::shown::bytes as shown;

use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// An entry that was refused, or a step that failed.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The root itself.
    #[error("cannot open the directory {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `..`, an absolute path where none may be, a NUL.
    #[error("{}: refused, the path {what}", shown(path))]
    BadPath {
        /// The entry.
        path: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A part of the path is a symbolic link, or no directory at all.
    #[error(
        "{}: refused, its path leads through a symbolic link or something that is no directory",
        shown(path)
    )]
    ThroughLink {
        /// The entry.
        path: Vec<u8>,
    },
    /// A hard link whose target is not there, or not beneath the root.
    #[error(
        "{}: refused, it is a hard link to {}, which {what}",
        shown(path),
        shown(target)
    )]
    BadTarget {
        /// The entry.
        path: Vec<u8>,
        /// Where it points.
        target: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something is there that must not be replaced.
    #[error("{}: refused, {what} is already there", shown(path))]
    Exists {
        /// The entry.
        path: Vec<u8>,
        /// What is there.
        what: &'static str,
    },
    /// More parents were missing than [`super::parents::IMPLIED_MAX`].
    #[error(
        "{}: refused, more than {max} directories have no entry of their own",
        shown(path)
    )]
    TooManyImplied {
        /// The entry.
        path: Vec<u8>,
        /// The limit.
        max: u64,
    },
    /// The places of a file's data overlap or lie outside it.
    #[error("{}: refused, the map of its holes is inconsistent", shown(path))]
    BadExtents {
        /// The entry.
        path: Vec<u8>,
    },
    /// An owner that no system has (4294967295 means "leave as it is").
    #[error("{}: refused, its owner is not a valid number", shown(path))]
    BadOwner {
        /// The entry.
        path: Vec<u8>,
    },
    /// The kernel lets no one but the real root make devices.
    #[error(
        "{}: a device can only be made by root outside of user namespaces",
        shown(path)
    )]
    DeviceNotPermitted {
        /// The entry.
        path: Vec<u8>,
    },
    /// The data ended early.
    #[error("{}: its data ends after {got} of {expected} bytes", shown(path))]
    Short {
        /// The entry.
        path: Vec<u8>,
        /// Bytes announced.
        expected: u64,
        /// Bytes received.
        got: u64,
    },
    /// The data could not be read from where it comes.
    #[error("{}: its data cannot be read", shown(path))]
    Body {
        /// The entry.
        path: Vec<u8>,
        /// What the reader said.
        #[source]
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {doing} {}", shown(path))]
    System {
        /// What was being done, such as `create`.
        doing: &'static str,
        /// The entry.
        path: Vec<u8>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// For `map_err` after a system call on an entry.
pub(crate) fn system<'a>(
    doing: &'static str,
    path: &'a [u8],
) -> impl FnOnce(Errno) -> PlaceError + 'a {
    move |errno| PlaceError::System {
        doing,
        path: path.to_vec(),
        source: errno.into(),
    }
}
