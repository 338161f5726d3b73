//! One package file: `.pkg.tar.zst`, verified before anything in it is read.
//!
//! What a package says of itself is in `.PKGINFO` and `.MTREE`, members of
//! its tar like any other, which may come in any order. Formats: PKGINFO(5),
//! and mtree(5) as libarchive writes it.

mod digest;
mod mtree;
mod pkginfo;
mod reader;
mod stage;
mod staged;
mod verify;

pub(super) use digest::md5_of;
pub(super) use pkginfo::PkgInfo;
pub(super) use stage::Stager;
pub(super) use staged::{Attributes, Item, Kind, Metadata, Staged};
pub(super) use verify::{Proof, VerifiedPackage};

use hatchery_image::archive::ArchiveError;
use hatchery_image::keyring::KeyringError;
use hatchery_image::place::PlaceError;
use hatchery_image::progress::Interrupted;
use std::io;

/// Why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Its signature does not count.
    #[error("the package {package} is not signed by a trusted key")]
    Signature {
        /// Its name.
        package: String,
        /// Why not.
        #[source]
        source: KeyringError,
    },
    /// It has no signature, and must have one.
    #[error("the package {package} is not signed, and its repository must be")]
    Unsigned {
        /// Its name.
        package: String,
    },
    /// What is signed is not what the plan says.
    #[error("the file of the package {package} is not the one that was planned")]
    Changed {
        /// Its name.
        package: String,
    },
    /// The file is another package than planned.
    #[error("the package that was to be {planned} says that it is {found}")]
    Other {
        /// Name, version and architecture in the plan.
        planned: String,
        /// The same, as the file says.
        found: String,
    },
    /// The file cannot be read or decompressed.
    #[error("cannot read the package {package}")]
    Read {
        /// Its name.
        package: String,
        /// What was wrong.
        #[source]
        source: io::Error,
    },
    /// It is no tar that can be understood.
    #[error("cannot read the contents of the package {package}")]
    Tar {
        /// Its name.
        package: String,
        /// Why.
        #[source]
        source: ArchiveError,
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
}

/// Whether each part of a path is a plain name: no `.`, `..` or nothing, no
/// NUL, and no line end, which the database could not hold.
fn is_plain(path: &[u8]) -> bool {
    path.split(|b| *b == b'/').all(|part| {
        !matches!(part, b"" | b"." | b"..") && !part.contains(&0) && !part.contains(&b'\n')
    })
}

/// A path for people.
pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", hatchery_image::shown::bytes(path))
}
