//! The catalog of a store, as its publisher sees it: read and verified,
//! changed, signed anew and switched in one step.
//!
//! What is signed here was verified here: a catalog that none of the
//! publisher's keys signed is not carried on, since whoever can write to the
//! store could have put anything into it. The lock of the store is held by
//! the callers.

use crate::certificates::{self, CertificatesError};
use crate::store::{CATALOG, FILE_MODE, Store, StoreError};
use hatchery_image::catalog::{CATALOG_MAX, Catalog, EXPIRES_AFTER_DAYS, PAYLOAD_TYPE};
use hatchery_image::durable::{self, DurableError};
use hatchery_image::envelope::ENVELOPE_MAX;
use hatchery_image::keyring::KeyringError;
use hatchery_image::signer::{Signer, SignerError};
use hatchery_image::{Fingerprint, Keyring};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Most signatures of a catalog whose keys are looked at.
const SIGNERS_MAX: usize = 64;

/// How a catalog is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// When.
    pub now: Timestamp,
    /// For how long it is good.
    pub expires_after: SignedDuration,
    /// Certificates, besides the signer's own, whose signature on the present
    /// catalog and on images is trusted: those of other publishers.
    pub trusted: Keyring,
    /// Take over a catalog that does not list the signer's key, or that no
    /// trusted key signed. Everything in it is then signed as it stands.
    pub adopt: bool,
}

impl Signing {
    /// The usual way: 30 days, nobody but the signer.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            expires_after: SignedDuration::from_hours(24 * EXPIRES_AFTER_DAYS),
            trusted: Keyring::default(),
            adopt: false,
        }
    }

    /// The signer's certificate and the trusted ones.
    pub(crate) fn keyring(&self, signer: &Signer) -> Result<Keyring, CatalogError> {
        let certificate = signer.public_key().map_err(CatalogError::Signer)?;
        let mut keyring = Keyring::parse(&certificate).map_err(CatalogError::Certificate)?;
        keyring.extend(self.trusted.clone());
        Ok(keyring)
    }
}

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

type Result<T, E = CatalogError> = std::result::Result<T, E>;

/// Signs the catalog again with a new time and expiry; returns it.
///
/// # Errors
/// There is none, it is not trusted, or it cannot be signed; the old one is
/// then still there.
pub fn refresh(store: &Store, signer: &Signer, signing: &Signing) -> Result<Catalog> {
    let _lock = store.lock().map_err(CatalogError::Store)?;
    let Some(catalog) = load(store, signer, signing)? else {
        return Err(CatalogError::None {
            path: store.catalog(),
        });
    };
    sign(store, catalog, signer, signing)
}

/// The present catalog, verified, if there is one; the signer may sign it.
pub(crate) fn load(store: &Store, signer: &Signer, signing: &Signing) -> Result<Option<Catalog>> {
    let path = store.catalog();
    let limit = ENVELOPE_MAX as u64;
    let bytes = store.read(Path::new(CATALOG), limit);
    let Some(bytes) = bytes.map_err(CatalogError::Store)? else {
        return Ok(None);
    };
    let keyring = signing.keyring(signer)?;
    let payload = match keyring.verify_envelope(&bytes, PAYLOAD_TYPE, signing.now) {
        Ok(verified) => verified.into_inner(),
        Err(_) if signing.adopt => {
            unverified_payload(&bytes).ok_or(CatalogError::Envelope { path: path.clone() })?
        }
        Err(source) => return Err(CatalogError::Untrusted { path, source }),
    };
    let catalog: Catalog = match serde_json::from_slice(&payload) {
        Ok(catalog) => catalog,
        Err(source) => return Err(CatalogError::Payload { path, source }),
    };
    if catalog.repository != store.repository() {
        return Err(CatalogError::Repository {
            path,
            found: catalog.repository,
            expected: store.repository().to_owned(),
        });
    }
    may_sign(&catalog, signer.fingerprint(), signing)?;
    Ok(Some(catalog))
}

/// The payload of an envelope of a catalog, whoever signed it.
pub(crate) fn unverified_payload(bytes: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let envelope: hatchery_image::envelope::Envelope = serde_json::from_slice(bytes).ok()?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return None;
    }
    base64::engine::general_purpose::STANDARD
        .decode(envelope.payload)
        .ok()
}

/// Whose signatures an envelope says it has, unverified, at most
/// [`SIGNERS_MAX`] of them.
pub(crate) fn claimed_signers(bytes: &[u8]) -> Vec<Fingerprint> {
    #[derive(serde::Deserialize)]
    struct Signed {
        signatures: Vec<Signature>,
    }
    #[derive(serde::Deserialize)]
    struct Signature {
        keyid: String,
    }
    let signed = serde_json::from_slice(bytes);
    let signatures = signed.map_or(Vec::new(), |signed: Signed| signed.signatures);
    let ids = signatures.iter().take(SIGNERS_MAX);
    ids.filter_map(|signature| signature.keyid.parse().ok())
        .collect()
}

fn may_sign(catalog: &Catalog, signer: &Fingerprint, signing: &Signing) -> Result<()> {
    if !catalog.keys.contains(signer) && !signing.adopt {
        return Err(CatalogError::NotListed {
            signer: signer.clone(),
            keys: catalog.keys.clone(),
        });
    }
    if signing.now < catalog.created {
        return Err(CatalogError::Clock {
            created: catalog.created,
            now: signing.now,
        });
    }
    Ok(())
}

/// A catalog that lists nothing yet and was never signed.
pub(crate) fn empty(repository: &str) -> Catalog {
    Catalog {
        repository: repository.to_owned(),
        version: 0,
        created: Timestamp::UNIX_EPOCH,
        expires: Timestamp::UNIX_EPOCH,
        keys: Vec::new(),
        images: BTreeMap::new(),
    }
}

/// Signs a catalog as the next one and switches to it.
pub(crate) fn sign(
    store: &Store,
    catalog: Catalog,
    signer: &Signer,
    signing: &Signing,
) -> Result<Catalog> {
    let catalog = next(catalog, signer.fingerprint(), signing)?;
    let mut payload = serde_json::to_vec_pretty(&catalog).map_err(CatalogError::Json)?;
    payload.push(b'\n');
    if payload.len() as u64 > CATALOG_MAX {
        return Err(CatalogError::TooLarge {
            size: payload.len(),
        });
    }
    let sealed = signer
        .seal(PAYLOAD_TYPE, &payload)
        .map_err(CatalogError::Signer)?;
    // Before the catalog: whoever reads the new one may need a new subkey.
    certificates::publish(store, &signing.keyring(signer)?, &catalog.keys)
        .map_err(CatalogError::Certificates)?;
    durable::write(&store.catalog(), &sealed, FILE_MODE).map_err(CatalogError::Write)?;
    Ok(catalog)
}

/// The next version of a catalog, by this signer. Times are whole seconds.
fn next(mut catalog: Catalog, signer: &Fingerprint, signing: &Signing) -> Result<Catalog> {
    let failed = || CatalogError::Expiry {
        now: signing.now,
        after: signing.expires_after,
    };
    let created = Timestamp::from_second(signing.now.as_second()).map_err(|_| failed())?;
    catalog.expires = created
        .checked_add(signing.expires_after)
        .map_err(|_| failed())?;
    if catalog.expires <= created {
        return Err(failed());
    }
    // Truncation must not take it before the present one.
    catalog.created = created.max(catalog.created);
    catalog.version += 1;
    if !catalog.keys.contains(signer) {
        catalog.keys.push(signer.clone());
        catalog.keys.sort();
    }
    Ok(catalog)
}

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<&str> = keys.iter().map(Fingerprint::as_str).collect();
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: char) -> Fingerprint {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn at(text: &str) -> Signing {
        Signing::new(text.parse().unwrap())
    }

    #[test]
    fn the_next_one_is_newer_and_keeps_its_keys() {
        let first = next(empty("r"), &key('B'), &at("2026-11-22T10:00:00.7Z")).unwrap();
        assert_eq!(first.version, 1);
        assert_eq!(first.created.to_string(), "2026-11-22T10:00:00Z");
        assert_eq!(first.expires.to_string(), "2026-12-22T10:00:00Z");
        assert_eq!(first.keys, [key('B')]);
        let second = next(first, &key('A'), &at("2026-11-23T10:00:00Z")).unwrap();
        assert_eq!(second.version, 2);
        assert_eq!(second.keys, [key('A'), key('B')]);
    }

    #[test]
    fn a_catalog_that_is_born_expired_is_refused() {
        for after in [
            SignedDuration::ZERO,
            SignedDuration::from_secs(-1),
            SignedDuration::MAX,
        ] {
            let mut signing = at("2026-11-22T10:00:00Z");
            signing.expires_after = after;
            let result = next(empty("r"), &key('A'), &signing);
            assert!(
                matches!(result, Err(CatalogError::Expiry { .. })),
                "{after:?}"
            );
        }
    }

    #[test]
    fn only_a_listed_key_signs_and_only_forward_in_time() {
        let catalog = next(empty("r"), &key('A'), &at("2026-11-22T10:00:00Z")).unwrap();
        let later = at("2026-11-22T10:00:01Z");
        assert!(may_sign(&catalog, &key('A'), &later).is_ok());
        assert!(matches!(
            may_sign(&catalog, &key('B'), &later),
            Err(CatalogError::NotListed { .. })
        ));
        let adopting = Signing {
            adopt: true,
            ..later
        };
        assert!(may_sign(&catalog, &key('B'), &adopting).is_ok());
        assert!(matches!(
            may_sign(&catalog, &key('A'), &at("2026-11-22T09:59:59Z")),
            Err(CatalogError::Clock { .. })
        ));
    }
}
