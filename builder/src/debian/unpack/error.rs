//! Why packages cannot be unpacked.

use crate::debian::deb::DebError;
use crate::handover::Gone;
use hatchery_image::place::PlaceError;
use hatchery_image::progress::Interrupted;
use std::io;
use std::path::PathBuf;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The file is no package that can be used.
    #[error("cannot unpack the package {package}")]
    Deb {
        /// Its name in the plan.
        package: String,
        /// Why.
        #[source]
        source: DebError,
    },
    /// The file is another package than planned.
    #[error("the package that was to be {planned} says that it is {found}")]
    Other {
        /// Name, version and architecture in the plan.
        planned: String,
        /// The same, as the file says.
        found: String,
    },
    /// The contents cannot be decompressed, or are no tar archive.
    #[error("cannot read the contents of the package {package}")]
    Read {
        /// Its name.
        package: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// The contents break a limit or a rule.
    #[error("the package {package} has {what} ({path})")]
    Content {
        /// Its name.
        package: String,
        /// What is wrong.
        what: &'static str,
        /// Where.
        path: String,
    },
    /// A file, link or device could not be made.
    #[error("cannot unpack the package {package}")]
    Place {
        /// Its name.
        package: String,
        /// What failed.
        #[source]
        source: PlaceError,
    },
    /// Two packages have the same file, and neither replaces the other's.
    #[error(
        "the packages {first} and {second} both have the file {path}, and neither says that it \
         replaces the other's"
    )]
    Conflict {
        /// A package.
        first: String,
        /// Another.
        second: String,
        /// The path.
        path: String,
    },
    /// A path is a directory in one package, and something else in another.
    #[error(
        "{path} of the package {package} is in the way of {other}, or the other way round: one is a directory"
    )]
    Kind {
        /// A package.
        package: String,
        /// Another.
        other: String,
        /// The path.
        path: String,
    },
    /// What was unpacked cannot be moved into the tree.
    #[error("cannot {doing} {path} of the package {package} in the tree")]
    Merge {
        /// Its name.
        package: String,
        /// Such as `move`.
        doing: &'static str,
        /// Which path.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A package was never handed over.
    #[error("the package {0} was not unpacked")]
    Missing(String),
    /// The tree or the database cannot be written.
    #[error("cannot {doing} {path}")]
    System {
        /// Such as `make`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// dpkg's database cannot be written.
    #[error("cannot write dpkg's database")]
    Database(#[source] PlaceError),
    /// A directory's attributes cannot be set.
    #[error("cannot finish the unpacked tree")]
    Finish(#[source] PlaceError),
    /// Another thread failed; its error is the one to show.
    #[error("unpacking was stopped")]
    Stopped,
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<Gone> for UnpackError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Stopped => Self::Stopped,
            Gone::Interrupted(stop) => Self::Interrupted(stop),
        }
    }
}

/// A path for people.
pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", hatchery_image::shown::bytes(path))
}
