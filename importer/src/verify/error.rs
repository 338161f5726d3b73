//! Why a machine could not be verified.

use crate::exchange::ExchangeError;
use crate::machines::MachinesError;
use crate::tables::TablesError;
use hatchery_image::MachineName;
use hatchery_image::archive::ArchiveError;
use std::io;
use std::path::PathBuf;

/// Why a machine could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// There is no tree.
    #[error("there is no machine {path}")]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Somebody else made it.
    #[error("{name} was not imported by hatchery, so there is nothing to compare it with")]
    NotImported {
        /// The machine.
        name: MachineName,
    },
    /// It was imported before such things were remembered.
    #[error(
        "nothing is remembered of the image of {name}; \
         import it again, and what is imported from now on can be verified"
    )]
    Forgotten {
        /// The machine.
        name: MachineName,
    },
    /// Its archive says nothing of itself, and it was imported by a program
    /// that made no list, or would have become too long a one.
    #[error(
        "{image} has no archive with a table of contents (it has no .tar.zst), and no list was \
         made when it was imported; import it again, and it can be verified unless that warns"
    )]
    NoTable {
        /// The image.
        image: String,
    },
    /// Another generation took its place.
    #[error("{name} was replaced or removed while it was verified; verify it again")]
    Replaced {
        /// The machine.
        name: MachineName,
    },
    /// What was begun with it cannot be read.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// What is remembered cannot be used.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// A file that the import wrote cannot be read.
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
    /// Tree and image cannot be compared.
    #[error("the machine cannot be compared with its image")]
    Compare(#[source] ArchiveError),
}
