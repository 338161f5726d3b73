//! `keys.pgp`: the certificates of the keys that sign the catalog, published
//! beside it, so that a host learns of new subkeys, later expiries and
//! revocations of a key that it has pinned, and finds the one whose
//! fingerprint it was told.
//!
//! Nobody trusts a key because it is there. What was published of a key is
//! never taken back: certificates only grow, because a revocation that went
//! missing would be a key that came back.

use crate::store::{FILE_MODE, Store, StoreError};
use hatchery_image::durable::{self, DurableError};
use hatchery_image::keyring::KeyringError;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX};
use hatchery_image::{Fingerprint, Keyring};
use std::path::{Path, PathBuf};

/// Why certificates are not published.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The store failed.
    #[error("cannot read the published certificates")]
    Store(#[source] StoreError),
    /// They are damaged.
    #[error("{path} is damaged; restore it, so that no revocation in it is lost")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// They have grown too large.
    #[error("the certificates would have {0} bytes, and importers read up to {CERTIFICATES_MAX}")]
    TooLarge(usize),
    /// They cannot be written.
    #[error("cannot write the published certificates")]
    Write(#[source] DurableError),
}

/// The certificates that are published; none if there are none yet.
pub(crate) fn published(store: &Store) -> Result<Keyring, CertificatesError> {
    let bytes = store
        .read(Path::new(CERTIFICATES), CERTIFICATES_MAX)
        .map_err(CertificatesError::Store)?;
    match bytes {
        None => Ok(Keyring::default()),
        Some(bytes) => Keyring::parse(&bytes).map_err(|source| CertificatesError::Damaged {
            path: store.root().join(CERTIFICATES),
            source,
        }),
    }
}

/// Adds the certificates of `keys`, and what is new of those that are
/// published: the revocation of a key that does not sign any more is for the
/// hosts that still trust it. The lock of the store is held by the caller.
pub(crate) fn publish(
    store: &Store,
    certificates: &Keyring,
    keys: &[Fingerprint],
) -> Result<(), CertificatesError> {
    let published = published(store)?;
    let before = published.to_bytes();
    let mut all = published.renewed(certificates);
    all.extend(certificates.only(keys));
    let bytes = all.to_bytes();
    if bytes == before {
        return Ok(());
    }
    if bytes.len() as u64 > CERTIFICATES_MAX {
        return Err(CertificatesError::TooLarge(bytes.len()));
    }
    durable::write(&store.root().join(CERTIFICATES), &bytes, FILE_MODE)
        .map_err(CertificatesError::Write)
}
