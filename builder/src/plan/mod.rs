//! What is going to be installed, exactly: the result of resolving a recipe,
//! whatever family its distribution belongs to.
//!
//! A [`Plan`] names every package by digest, in the order in which packages
//! are installed; [`lock`] is the same thing as a text that is kept beside a
//! recipe. Nothing here touches the network or a disk.

mod drift;
mod lock;
mod name;
mod signature;
mod table;

pub use drift::Drift;
pub(crate) use lock::is_word;
pub use lock::{LOCK_MAX, Lock, LockError};
pub use name::{InvalidPackageName, PackageName};
pub use signature::{InvalidSignature, SIGNATURE_MAX, Signature};
pub use table::{Row, Totals};

use hatchery_image::{Architecture, Fingerprint, RelativePath, Sha256};
use hatchery_transfer::{Location, Request};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Largest package that is downloaded, in bytes. The largest of Debian 13 has
/// 1.4 GB.
pub const PACKAGE_MAX: u64 = 16 << 30;

/// Connections at once: enough to hide the latency of a far mirror, few
/// enough to be a good guest there.
pub const DOWNLOADS: usize = 8;

/// Everything that is going to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What was asked for.
    pub wanted: Wanted,
    /// Newest date of the repositories, in seconds since 1970: nothing inside
    /// the image is younger.
    pub source_date_epoch: i64,
    /// Where packages come from.
    pub repositories: Vec<PlannedRepository>,
    /// The packages, in the order of installation.
    pub packages: Vec<PlannedPackage>,
}

/// What a recipe asks for, as far as it decides which packages are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `ID` of its os-release, such as `debian`.
    pub distribution: String,
    /// Release, such as `trixie`; for Arch Linux `rolling`, or the day of a
    /// snapshot.
    pub release: String,
    /// Architecture.
    pub architecture: Architecture,
    /// Which base set, such as `minbase`; what it means is the family's
    /// business. Empty where a family has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Whether recommended packages were asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recommends: bool,
    /// The packages that were named, sorted.
    pub packages: Vec<String>,
    /// Patterns of packages and groups that are not to be installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The repositories, in the order of the recipe.
    pub repositories: Vec<WantedRepository>,
}

/// A repository as a recipe names it. Mirrors are left out: they decide how
/// bytes arrive, not which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedRepository {
    /// Suite or name, such as `trixie-security`.
    pub suite: String,
    /// Components, such as `main`; none where a family has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
}

/// A repository as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRepository {
    /// Suite or name, such as `trixie-security`.
    pub suite: String,
    /// Components that were read.
    pub components: Vec<String>,
    /// Where it lies; the first one is tried first.
    pub locations: Vec<Location>,
    /// When its index was made.
    pub date: Timestamp,
    /// Primary fingerprint of the key that signed it; none where only the
    /// packages are signed.
    pub signer: Option<Fingerprint>,
    /// The indexes that packages were taken from.
    pub indexes: Vec<PlannedIndex>,
}

/// One index of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedIndex {
    /// Path beneath the repository's location.
    pub path: RelativePath,
    /// Its digest.
    pub sha256: Sha256,
}

/// One package, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPackage {
    /// Name.
    pub name: PackageName,
    /// Version, in the family's spelling.
    pub version: String,
    /// Architecture, in the family's spelling: `amd64`, `all`, `x86_64`.
    pub architecture: String,
    /// Name of the source package, if another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Length of the package file in bytes.
    pub size: u64,
    /// Bytes that it takes when installed, as its maintainer says.
    pub installed_size: u64,
    /// Digest of the package file.
    pub sha256: Sha256,
    /// Path beneath the repository's location.
    pub path: RelativePath,
    /// Index into the plan's repositories.
    pub repository: usize,
    /// Whether the recipe named it, rather than a dependency or the variant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named: bool,
    /// Whether the distribution calls it essential.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// Licences, where the index says them; Arch's are SPDX expressions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
    /// The package's own signature, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

impl Plan {
    /// What to download, in the order of `packages`.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.packages
            .iter()
            .map(|package| Request {
                locations: self
                    .repositories
                    .get(package.repository)
                    .map_or_else(Vec::new, |r| r.locations.clone()),
                path: package.path.to_string(),
                sha256: Some(package.sha256),
                size: Some(package.size),
                limit: PACKAGE_MAX,
            })
            .collect()
    }
}
