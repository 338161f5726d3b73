//! Why a catalog cannot be signed.

use crate::certificates::CertificatesError;
use crate::store::StoreError;
use hatchery_image::Fingerprint;
use hatchery_image::catalog::CATALOG_MAX;
use hatchery_image::durable::DurableError;
use hatchery_image::keyring::KeyringError;
use hatchery_image::signer::SignerError;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;

/// Why a catalog cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The store failed.
    #[error("cannot read the catalog")]
    Store(#[source] StoreError),
    /// There is none.
    #[error("{path} does not exist; publish an image first")]
    None {
        /// Where it would be.
        path: PathBuf,
    },
    /// No trusted key signed it.
    #[error(
        "the present catalog {path} has no signature by a trusted key, so nothing in it is signed again"
    )]
    Untrusted {
        /// The catalog.
        path: PathBuf,
        /// What is wrong with its signatures.
        #[source]
        source: KeyringError,
    },
    /// Its payload cannot be understood.
    #[error("the present catalog {path} cannot be understood")]
    Payload {
        /// The catalog.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Its envelope cannot be understood.
    #[error("the present catalog {path} is not an envelope of a catalog")]
    Envelope {
        /// The catalog.
        path: PathBuf,
    },
    /// It belongs elsewhere.
    #[error(
        "the present catalog {path} is that of repository {found}, and this store is {expected}"
    )]
    Repository {
        /// The catalog.
        path: PathBuf,
        /// The id in it.
        found: String,
        /// The store's id.
        expected: String,
    },
    /// The signer is none of its keys.
    #[error("key {signer} is not among the keys of the present catalog ({}); sign with one of these, or adopt the new key", list(.keys))]
    NotListed {
        /// The signer's primary fingerprint.
        signer: Fingerprint,
        /// Those that may sign.
        keys: Vec<Fingerprint>,
    },
    /// The clock is wrong now, or was.
    #[error(
        "the present catalog was signed at {created}, and it is {now} now; set the clock right, because importers refuse what is from the future"
    )]
    Clock {
        /// When the present one was signed.
        created: Timestamp,
        /// The time that was passed in.
        now: Timestamp,
    },
    /// The expiry lies outside of what can be written.
    #[error("a catalog cannot expire {after:?} after {now}")]
    Expiry {
        /// The time that was passed in.
        now: Timestamp,
        /// The span that was asked for.
        after: SignedDuration,
    },
    /// It has grown too large.
    #[error("the catalog would have {size} bytes, and importers read up to {CATALOG_MAX}")]
    TooLarge {
        /// Its length in bytes.
        size: usize,
    },
    /// It could not be written as JSON.
    #[error("cannot write the catalog as JSON")]
    Json(#[source] serde_json::Error),
    /// GnuPG refused.
    #[error("cannot sign the catalog")]
    Signer(#[source] SignerError),
    /// GnuPG's own certificate cannot be read.
    #[error("the signer's certificate cannot be read")]
    Certificate(#[source] KeyringError),
    /// The published certificates cannot be read, or be written.
    #[error("cannot publish the certificates of the keys that sign the catalog")]
    Certificates(#[source] CertificatesError),
    /// It could not be switched.
    #[error("cannot switch to the new catalog")]
    Write(#[source] DurableError),
}

pub(super) type Result<T, E = CatalogError> = std::result::Result<T, E>;

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<&str> = keys.iter().map(Fingerprint::as_str).collect();
    keys.join(", ")
}
