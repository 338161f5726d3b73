//! A key hands over to another: a statement that both sign, and a catalog
//! that the new one signs from then on.
//!
//! The order is certificates, statement, catalog. A reader of any catalog
//! finds what leads to the key that signed it; what a crash leaves between is
//! a statement that no catalog needs yet, and doing it again completes it.

use crate::catalog::{self, CatalogError, Signing};
use crate::certificates::{self, CertificatesError};
use crate::store::{FILE_MODE, Store, StoreError};
use hatchery_image::durable::{self, DurableError};
use hatchery_image::keyring::KeyringError;
use hatchery_image::layout::SUCCESSIONS;
use hatchery_image::signer::{Signer, SignerError};
use hatchery_image::succession::{
    PAYLOAD_TYPE, SUCCESSIONS_MAX, Succession, SuccessionError, Successions,
};
use hatchery_image::{Catalog, Fingerprint, Keyring};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Why a key does not hand over.
#[derive(Debug, thiserror::Error)]
pub enum SucceedError {
    /// Both are one key.
    #[error("{0} cannot hand over to itself")]
    Same(Fingerprint),
    /// The store failed.
    #[error("cannot read the list of keys")]
    Store(#[source] StoreError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(CatalogError),
    /// The published list is damaged, or full.
    #[error("cannot add to the list of keys {path}")]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SuccessionError,
    },
    /// The old key has handed over to another one.
    #[error("{from} has handed over to {to} already; hand over from that key")]
    Already {
        /// The old key.
        from: Fingerprint,
        /// Its heir.
        to: Fingerprint,
    },
    /// A key that has handed over once cannot come back.
    #[error("{0} has handed over to another key before, so importers would not take it back")]
    Back(Fingerprint),
    /// GnuPG refused.
    #[error("cannot sign the statement with both keys")]
    Signer(#[source] SignerError),
    /// GnuPG's own certificate cannot be read.
    #[error("the certificate of {key} cannot be read")]
    Certificate {
        /// The key.
        key: Fingerprint,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// The certificates cannot be published.
    #[error(transparent)]
    Certificates(CertificatesError),
    /// It could not be switched.
    #[error("cannot write the list of keys")]
    Write(#[source] DurableError),
}

/// What handing over came to.
#[derive(Clone, Debug)]
pub struct Succeeded {
    /// The statement.
    pub succession: Succession,
    /// The catalog, as the new key signed it.
    pub catalog: Catalog,
}

/// Hands over from the key `old`, which may sign the present catalog, to the
/// key `new`. The catalog is signed by the new one and lists the old no more.
///
/// # Errors
/// The old key may not sign the catalog or has handed over to another, or a
/// step failed; the catalog is then still the old one.
pub fn succeed(
    store: &Store,
    old: &Signer,
    new: &Signer,
    signing: &Signing,
) -> Result<Succeeded, SucceedError> {
    if old.fingerprint() == new.fingerprint() {
        return Err(SucceedError::Same(old.fingerprint().clone()));
    }
    let _lock = store
        .lock()
        .map_err(|e| SucceedError::Catalog(CatalogError::Store(e)))?;
    let present = present(store, old, new, signing)?;
    let mut certificates = certificate(old)?;
    certificates.extend(certificate(new)?);
    certificates::publish(store, &certificates, &certificates.fingerprints())
        .map_err(SucceedError::Certificates)?;
    let succession = state(store, old, new, signing.now)?;
    let mut catalog = present;
    catalog.keys.retain(|key| key != old.fingerprint());
    let catalog = catalog::sign(store, catalog, new, signing).map_err(SucceedError::Catalog)?;
    Ok(Succeeded {
        succession,
        catalog,
    })
}

/// The catalog that is handed over.
fn present(
    store: &Store,
    old: &Signer,
    new: &Signer,
    signing: &Signing,
) -> Result<Catalog, SucceedError> {
    let mut signing = signing.clone();
    // A hand-over that was done before is done again without harm.
    signing.trusted.extend(certificate(new)?);
    match catalog::load(store, old, &signing) {
        Ok(Some(catalog)) => Ok(catalog),
        Ok(None) => Err(SucceedError::Catalog(CatalogError::None {
            path: store.catalog(),
        })),
        Err(error) => Err(SucceedError::Catalog(error)),
    }
}

/// Adds the statement to the list; one that is there already is kept.
fn state(
    store: &Store,
    old: &Signer,
    new: &Signer,
    now: Timestamp,
) -> Result<Succession, SucceedError> {
    let path = store.root().join(SUCCESSIONS);
    let of_list = |source| SucceedError::List {
        path: path.clone(),
        source,
    };
    let bytes = store.read(Path::new(SUCCESSIONS), SUCCESSIONS_MAX);
    let mut list = match bytes.map_err(SucceedError::Store)? {
        Some(bytes) => Successions::parse(&bytes).map_err(of_list)?,
        None => Successions::default(),
    };
    let known = list.unverified().map_err(of_list)?;
    let (from, to) = (old.fingerprint(), new.fingerprint());
    if let Some(before) = known.iter().find(|step| step.from == *from) {
        if before.to == *to {
            return Ok(before.clone());
        }
        return Err(SucceedError::Already {
            from: from.clone(),
            to: before.to.clone(),
        });
    }
    if known.iter().any(|step| step.from == *to) {
        return Err(SucceedError::Back(to.clone()));
    }
    let succession = Succession {
        repository: store.repository().to_owned(),
        number: known.last().map_or(0, |step| step.number) + 1,
        created: Timestamp::from_second(now.as_second()).unwrap_or(now),
        from: from.clone(),
        to: to.clone(),
    };
    let payload = serde_json::to_vec_pretty(&succession).expect("a statement is plain JSON");
    let sealed = Signer::seal_together(&[old, new], PAYLOAD_TYPE, &payload);
    list.push(&sealed.map_err(SucceedError::Signer)?)
        .map_err(of_list)?;
    durable::write(&path, &list.to_bytes(), FILE_MODE).map_err(SucceedError::Write)?;
    Ok(succession)
}

fn certificate(signer: &Signer) -> Result<Keyring, SucceedError> {
    let bytes = signer.public_key().map_err(SucceedError::Signer)?;
    Keyring::parse(&bytes).map_err(|source| SucceedError::Certificate {
        key: signer.fingerprint().clone(),
        source,
    })
}
