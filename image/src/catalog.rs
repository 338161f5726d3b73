//! `catalog.json`: the one signed file that says what a repository holds.
//!
//! The payload of an envelope ([`crate::envelope`]) of type [`PAYLOAD_TYPE`].
//! Nothing that it does not list is used. `version` only grows; an older one,
//! or another one of the same version, is refused by importers that saw it.

use crate::{Architecture, Channel, Fingerprint, ImageName, Sha256, Version};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// DSSE payload type of a catalog.
pub const PAYLOAD_TYPE: &str = "application/vnd.hatchery.catalog.v1+json";

/// Largest catalog that is read, in bytes.
pub const CATALOG_MAX: u64 = 16 << 20;

/// How long a catalog is good for unless its publisher says otherwise.
pub const EXPIRES_AFTER_DAYS: i64 = 30;

/// What a repository holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// The repository's id: a random UUID made with the store, by which
    /// importers remember what they saw of it.
    pub repository: String,
    /// Grows by at least one with each signature.
    pub version: u64,
    /// When it was signed.
    pub created: Timestamp,
    /// When it stops being good.
    pub expires: Timestamp,
    /// Primary fingerprints that may sign for this repository.
    pub keys: Vec<Fingerprint>,
    /// The images, by name and architecture.
    pub images: BTreeMap<ImageName, BTreeMap<Architecture, Listing>>,
}

/// The versions of one image for one architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Where each channel points.
    pub channels: BTreeMap<Channel, Version>,
    /// The versions.
    pub versions: BTreeMap<Version, ManifestReference>,
}

/// A manifest, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestReference {
    /// Digest of `NAME.manifest.json`.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// When the version was published.
    pub published: Timestamp,
}
