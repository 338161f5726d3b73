//! Whose word counts for the catalog of a mirror.
//!
//! Pinned are primary fingerprints. When no pinned key, as this host knows it,
//! signed the catalog, the mirror is asked what is newer, and three things may
//! come of it: a pinned key has a newer subkey or a later expiry (it then is
//! merged, and nothing that was known of it is lost); a pinned key has handed
//! over to the one that signed; or nothing, and the first reason stands. A
//! fingerprint that the user was told (`--trust`) counts alone.
//!
//! Nothing of what a mirror says about keys is kept before a catalog was
//! verified with it; [`crate::repository`] keeps it.

use crate::repository::{Refused, Repository};
use hatchery_image::catalog::{Catalog, CatalogError};
use hatchery_image::keyring::KeyringError;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX, SUCCESSIONS};
use hatchery_image::progress::Progress;
use hatchery_image::succession::{SUCCESSIONS_MAX, Succession, SuccessionError, Successions};
use hatchery_image::{Fingerprint, Keyring, Verified};
use hatchery_transfer::{Client, Location, Request, TransferError};
use jiff::Timestamp;

/// A catalog that is to be believed, and what was learnt of its signer.
pub(crate) struct Opened {
    pub(crate) catalog: Verified<Catalog>,
    /// Certificates that this host does not have yet, or not like this.
    pub(crate) learnt: Keyring,
    /// How a pinned key handed over to the signer.
    pub(crate) steps: Vec<Verified<Succession>>,
}

/// A mirror that is asked.
pub(crate) struct Mirror<'a> {
    pub(crate) location: &'a Location,
    pub(crate) client: &'a Client,
    pub(crate) progress: &'a Progress,
}

impl Mirror<'_> {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, TransferError> {
        let request = Request {
            locations: vec![self.location.clone()],
            path: path.to_owned(),
            sha256: None,
            size: None,
            limit,
        };
        self.client.get(&request, self.progress)
    }

    /// The certificates that lie beside its catalog. None of them is trusted.
    pub(crate) fn certificates(&self) -> Result<Keyring, Refused> {
        let bytes = self
            .get(CERTIFICATES, CERTIFICATES_MAX)
            .map_err(|source| Refused::NoCertificates(Box::new(source)))?;
        Keyring::parse(&bytes).map_err(Refused::Certificates)
    }

    /// Its list of keys that handed over, if it has one.
    fn successions(&self) -> Result<Option<Successions>, Refused> {
        match self.get(SUCCESSIONS, SUCCESSIONS_MAX) {
            Ok(bytes) => Successions::parse(&bytes)
                .map(Some)
                .map_err(Refused::Succession),
            Err(_) => Ok(None),
        }
    }
}

/// Opens a mirror's `catalog.json`.
pub(crate) fn open(
    repository: &Repository,
    bytes: &[u8],
    mirror: &Mirror<'_>,
    now: Timestamp,
) -> Result<Opened, Refused> {
    let open = |keyring: &Keyring| Catalog::open(bytes, keyring, now, repository.stale);
    if !repository.trust.is_empty() {
        return told(repository, mirror, open);
    }
    let error = match open(&repository.keyring) {
        Ok(catalog) => {
            return Ok(Opened {
                catalog,
                learnt: Keyring::default(),
                steps: Vec::new(),
            });
        }
        Err(error) if is_of_the_key(&error) => error,
        Err(error) => return Err(Refused::Catalog(error)),
    };
    let Ok(published) = mirror.certificates() else {
        return Err(Refused::Catalog(error));
    };
    let pinned = repository.keyring.renewed(&published);
    match open(&pinned) {
        Ok(catalog) => Ok(Opened {
            learnt: pinned.only(std::slice::from_ref(catalog.signer())),
            catalog,
            steps: Vec::new(),
        }),
        Err(error) => succeeded(&pinned, published, mirror, now, open, error),
    }
}

/// Whether another key, or a newer certificate, may make it good.
fn is_of_the_key(error: &CatalogError) -> bool {
    matches!(
        error,
        CatalogError::Untrusted(KeyringError::Untrusted(_)) | CatalogError::SignerNotListed { .. }
    )
}

/// With the keys whose fingerprints the user was told, and no other.
fn told(
    repository: &Repository,
    mirror: &Mirror<'_>,
    open: impl Fn(&Keyring) -> Result<Verified<Catalog>, CatalogError>,
) -> Result<Opened, Refused> {
    let wanted = &repository.trust;
    let published = mirror.certificates()?;
    let mut keyring = repository.keyring.only(wanted);
    keyring.extend(published.only(wanted));
    if keyring.is_empty() {
        return Err(Refused::OtherKeys {
            wanted: wanted.clone(),
            found: published.fingerprints(),
        });
    }
    let catalog = open(&keyring).map_err(Refused::Catalog)?;
    Ok(Opened {
        learnt: keyring.only(std::slice::from_ref(catalog.signer())),
        catalog,
        steps: Vec::new(),
    })
}

/// With a key that a pinned one handed over to.
fn succeeded(
    pinned: &Keyring,
    published: Keyring,
    mirror: &Mirror<'_>,
    now: Timestamp,
    open: impl Fn(&Keyring) -> Result<Verified<Catalog>, CatalogError>,
    error: CatalogError,
) -> Result<Opened, Refused> {
    let Some(list) = mirror.successions()? else {
        return Err(Refused::Catalog(error));
    };
    let mut all = pinned.clone();
    all.extend(published);
    let steps = list
        .follow(&pinned.fingerprints(), &all, now)
        .map_err(Refused::Succession)?;
    let Some(last) = steps.last() else {
        return Err(Refused::Catalog(error));
    };
    let catalog = open(&all.only(&heirs(&steps))).map_err(|error| match error {
        error if is_of_the_key(&error) => Refused::Succession(SuccessionError::Elsewhere {
            to: last.to.clone(),
        }),
        error => Refused::Catalog(error),
    })?;
    let elsewhere = |step: &&Verified<Succession>| step.repository != catalog.repository;
    if let Some(step) = steps.iter().find(elsewhere) {
        let error = step.of_another_repository(&catalog.repository);
        return Err(Refused::Succession(error));
    }
    Ok(Opened {
        learnt: all.only(std::slice::from_ref(catalog.signer())),
        catalog,
        steps,
    })
}

/// The keys that the statements lead to and that have not handed over again.
fn heirs(steps: &[Verified<Succession>]) -> Vec<Fingerprint> {
    let is_last = |key: &Fingerprint| steps.iter().all(|step| step.from != *key);
    let heirs = steps.iter().map(|step| &step.to);
    heirs.filter(|key| is_last(key)).cloned().collect()
}
