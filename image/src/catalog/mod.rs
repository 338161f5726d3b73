//! `catalog.json`: the one signed file that says what a repository holds.
//!
//! The payload of an envelope ([`crate::envelope`]) of type [`PAYLOAD_TYPE`].
//! Nothing that it does not list is used. `version` only grows; an older one,
//! or another one of the same version, is refused by importers that saw it
//! ([`Seen`]).
//!
//! TUF's roles were looked at: targets, snapshot and timestamp in one file,
//! because a mirror can replace one file in one step and has served mismatched
//! pairs for years where there were two.

mod error;
mod lookup;
mod seen;
#[cfg(test)]
mod tests;
mod unique;

pub use error::CatalogError;
pub use lookup::{LookupError, Resolved, Selector};
pub use seen::{Seen, SeenError};

use crate::keyring::{CLOCK_TOLERANCE, KeyringError};
use crate::{Architecture, Channel, Fingerprint, ImageName, Keyring, Sha256, Verified, Version};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// DSSE payload type of a catalog.
pub const PAYLOAD_TYPE: &str = "application/vnd.hatchery.catalog.v1+json";

/// Largest catalog that is read, in bytes of the payload.
pub const CATALOG_MAX: u64 = 16 << 20;

/// How long a catalog is good for unless its publisher says otherwise.
pub const EXPIRES_AFTER_DAYS: i64 = 30;

/// Longest id of a repository, in bytes; a UUID has 36.
pub const REPOSITORY_MAX: usize = 64;

/// What to do with a catalog that has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Refuse it: a mirror may be holding newer ones back.
    Refuse,
    /// Take it, as an air-gapped site must. Everything else is still checked.
    Accept,
}

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
    #[serde(deserialize_with = "unique::nested")]
    pub images: BTreeMap<ImageName, BTreeMap<Architecture, Listing>>,
}

/// The versions of one image for one architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Where each channel points.
    #[serde(deserialize_with = "unique::map")]
    pub channels: BTreeMap<Channel, Version>,
    /// The versions.
    #[serde(deserialize_with = "unique::map")]
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

impl Catalog {
    /// Opens `catalog.json`: a good signature by a key of the keyring that the
    /// catalog itself lists, created before `now` and not expired.
    ///
    /// That it is not older than one seen before is for [`Seen`] to say.
    ///
    /// # Errors
    /// The first of these that does not hold; a wrong clock has its own.
    pub fn open(
        bytes: &[u8],
        keyring: &Keyring,
        now: Timestamp,
        stale: Stale,
    ) -> Result<Verified<Self>, CatalogError> {
        let verify = |keyring: &Keyring| {
            keyring
                .verify_envelope(bytes, PAYLOAD_TYPE, now)
                .map_err(untrusted)
        };
        let mut catalog = verify(keyring)?.try_map(read)?;
        if !catalog.keys.contains(catalog.signer()) {
            // Of several signatures the first good one need not be the one of
            // a listed key.
            let listed = keyring.only(&catalog.keys);
            let Ok(other) = verify(&listed) else {
                return Err(CatalogError::SignerNotListed {
                    signer: catalog.signer().clone(),
                    keys: catalog.keys.clone(),
                });
            };
            catalog = other.try_map(read)?;
        }
        catalog.check_times(now, stale)?;
        Ok(catalog)
    }

    fn check_times(&self, now: Timestamp, stale: Stale) -> Result<(), CatalogError> {
        let (created, expires) = (self.created, self.expires);
        if created.duration_since(now) > tolerance() {
            return Err(CatalogError::ClockBefore { created, now });
        }
        if expires <= created {
            return Err(CatalogError::NeverGood { created, expires });
        }
        if expires <= now && stale == Stale::Refuse {
            return Err(CatalogError::Expired { expires, now });
        }
        Ok(())
    }
}

fn tolerance() -> SignedDuration {
    SignedDuration::try_from(CLOCK_TOLERANCE).unwrap_or_default()
}

fn untrusted(error: KeyringError) -> CatalogError {
    match error {
        KeyringError::ClockBeforeSignature { signed, now, .. } => CatalogError::ClockBefore {
            created: signed,
            now,
        },
        error => CatalogError::Untrusted(error),
    }
}

fn read(payload: Vec<u8>) -> Result<Catalog, CatalogError> {
    if payload.len() as u64 > CATALOG_MAX {
        return Err(CatalogError::TooLarge(payload.len()));
    }
    let catalog: Catalog = serde_json::from_slice(&payload).map_err(CatalogError::Json)?;
    // Importers name a file after it.
    let id = &catalog.repository;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if id.is_empty() || id.len() > REPOSITORY_MAX || !id.bytes().all(plain) {
        return Err(CatalogError::Repository(id.chars().take(80).collect()));
    }
    Ok(catalog)
}
