//! The catalog of a store, as its publisher sees it: read and verified,
//! changed, signed anew and switched in one step.
//!
//! What is signed here was verified here: a catalog that none of the
//! publisher's keys signed is not carried on, since whoever can write to the
//! store could have put anything into it. The lock of the store is held by
//! the callers.

mod error;
mod signing;
mod unverified;

pub use error::CatalogError;
pub use signing::Signing;
pub(crate) use unverified::{claimed_signers, unverified_payload};

use crate::certificates;
use crate::store::{CATALOG, FILE_MODE, Store};
use error::Result;
use hatchery_image::Fingerprint;
use hatchery_image::catalog::{CATALOG_MAX, Catalog, PAYLOAD_TYPE};
use hatchery_image::durable;
use hatchery_image::envelope::ENVELOPE_MAX;
use hatchery_image::signer::Signer;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

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
