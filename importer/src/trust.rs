//! Whose word counts for the catalog of a mirror.
//!
//! Pinned are primary fingerprints. The mirror is asked each time what is newer
//! about them, also when a pinned key, as this host knows it, signed the
//! catalog: the key may have been revoked since. Four things may come of it: a
//! pinned key was revoked, and counts no more; it has a newer subkey or a later
//! expiry (it then is merged, and nothing that was known of it is lost); it has
//! handed over to the one that signed; or nothing, and the first answer
//! stands. A mirror that has no certificates, or bad ones, does not change the
//! answer. A fingerprint that the user was told (`--trust`) counts alone.
//!
//! Only what a key says of itself is taken. None of it is kept before a
//! catalog was verified with it, when [`crate::repository`] keeps it; but a
//! revocation, which only makes this host stricter, is kept at once, because
//! no catalog may ever be verified after it, and counts for the mirrors that
//! are asked next.

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
    /// The certificates beside its catalog, if it has good ones.
    fn published(&self) -> Option<Keyring> {
        let published = self.certificates();
        if let Err(error) = &published {
            tracing::debug!(%error, "nothing is learnt of keys from this mirror");
        }
        published.ok()
    }

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

/// Opens a mirror's `catalog.json`. A revocation that the mirror has of a
/// pinned key is kept, and is in the keyring of `repository` from then on.
pub(crate) fn open(
    repository: &mut Repository,
    bytes: &[u8],
    mirror: &Mirror<'_>,
    now: Timestamp,
) -> Result<Opened, Refused> {
    let stale = repository.stale;
    let open = |keyring: &Keyring| Catalog::open(bytes, keyring, now, stale);
    if !repository.trust.is_empty() {
        return told(repository, mirror, open);
    }
    let first = match open(&repository.keyring) {
        Err(error) if !is_of_the_key(&error) => return Err(Refused::Catalog(error)),
        first => first,
    };
    let Some(published) = mirror.published() else {
        return first.map(known).map_err(Refused::Catalog);
    };
    let pinned = repository.keyring.renewed(&published);
    take_back(repository, &pinned, mirror.progress)?;
    match open(&pinned) {
        Ok(catalog) => Ok(Opened {
            learnt: news(repository, &pinned, &catalog),
            catalog,
            steps: Vec::new(),
        }),
        Err(error) => succeeded(&pinned, published, mirror, now, open, error),
    }
}

/// A catalog of which nothing new was learnt.
fn known(catalog: Verified<Catalog>) -> Opened {
    Opened {
        catalog,
        learnt: Keyring::default(),
        steps: Vec::new(),
    }
}

/// What is to be kept of the key that signed.
fn news(repository: &Repository, keyring: &Keyring, catalog: &Verified<Catalog>) -> Keyring {
    let signer = keyring.only(std::slice::from_ref(catalog.signer()));
    signer.newer_than(&repository.keyring)
}

/// Keeps the revocations in `renewed` of which this host knew nothing, and says
/// so.
fn take_back(
    repository: &mut Repository,
    renewed: &Keyring,
    progress: &Progress,
) -> Result<(), Refused> {
    let revoked = renewed.revoked_since(&repository.keyring);
    if revoked.is_empty() {
        return Ok(());
    }
    // First of all it counts: the next mirror may still have the old one.
    repository.keyring = repository.keyring.renewed(&revoked);
    for key in revoked.fingerprints() {
        tracing::warn!(%key, "a revocation was learnt");
        progress.warn(format!(
            "the mirror shows a revocation of key {key}, or of a subkey, that the key itself \
             signed: what was revoked counts no more on this host"
        ));
    }
    match &repository.keys {
        Some(folder) => revoked
            .save_to_directory(folder)
            .map(drop)
            .map_err(Refused::Revocation),
        None => Ok(()),
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
    repository: &mut Repository,
    mirror: &Mirror<'_>,
    open: impl Fn(&Keyring) -> Result<Verified<Catalog>, CatalogError>,
) -> Result<Opened, Refused> {
    let wanted = repository.trust.clone();
    let published = mirror.certificates()?;
    let pinned = repository.keyring.only(&wanted).renewed(&published);
    take_back(repository, &pinned, mirror.progress)?;
    let mut keyring = published.only(&wanted).own_words();
    keyring.extend(pinned);
    if keyring.is_empty() {
        return Err(Refused::OtherKeys {
            wanted,
            found: published.fingerprints(),
        });
    }
    let catalog = open(&keyring).map_err(Refused::Catalog)?;
    Ok(Opened {
        learnt: news(repository, &keyring, &catalog),
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
        learnt: all.only(std::slice::from_ref(catalog.signer())).own_words(),
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
