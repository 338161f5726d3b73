//! What pages need of the store and take time to read: packages of manifests,
//! and certificates. Each is read once while many ask, and remembered up to
//! fixed limits.

use super::packages::Packages;
use crate::faults;
use crate::holdings::{Holdings, HoldingsError, Identity, Opened};
use crate::inventory::HeldVersion;
use hatchery_image::keyring::Certificate;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX};
use hatchery_image::{Keyring, Manifest, Sha256};
use jiff::Timestamp;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes of packages that are remembered. A desktop of 5,000 packages
/// takes about half a megabyte.
const PACKAGES_TOTAL: usize = 16 << 20;

/// The certificates of `keys.pgp` as they stood at a time.
#[derive(Debug)]
struct KnownCertificates {
    /// Which file they are from.
    identity: Identity,
    /// Empty where it could not be read.
    keyring: Keyring,
    /// Whether one counts depends on it.
    now: Timestamp,
    certificates: Arc<Vec<Certificate>>,
}

impl KnownCertificates {
    fn new(identity: Identity, keyring: Keyring, now: Timestamp) -> Self {
        Self {
            identity,
            now,
            certificates: Arc::new(keyring.certificates(now)),
            keyring,
        }
    }
}

/// What is remembered for pages.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By the digest of their manifest, last used first.
    packages: Mutex<VecDeque<(Sha256, Arc<Packages>)>>,
    certificates: Mutex<Option<KnownCertificates>>,
}

impl Memory {
    /// The packages of a version; none if its manifest is not there any more.
    pub(super) fn packages(
        &self,
        holdings: &Holdings,
        version: &HeldVersion,
    ) -> Result<Option<Arc<Packages>>, HoldingsError> {
        // Held while one is read: however many are asked for, the memory that
        // parsing takes is that of one manifest.
        let mut known = lock(&self.packages);
        let at = known.iter().position(|(of, _)| *of == version.manifest);
        if let Some(found) = at.and_then(|at| known.remove(at)) {
            let packages = Arc::clone(&found.1);
            known.push_front(found);
            return Ok(Some(packages));
        }
        let bytes = holdings.manifest(&version.image, version.architecture, &version.version)?;
        let Some(bytes) = bytes.filter(|bytes| Sha256::of(bytes) == version.manifest) else {
            return Ok(None);
        };
        // It could be read when the inventory was.
        let Ok(manifest) = Manifest::parse(&bytes) else {
            return Ok(None);
        };
        let packages = Arc::new(Packages::of(manifest.packages));
        known.push_front((version.manifest, Arc::clone(&packages)));
        let mut total = 0;
        known.retain(|(_, packages)| {
            let more = total + packages.weight();
            let fits = more <= PACKAGES_TOTAL;
            total = if fits { more } else { total };
            fits
        });
        Ok(Some(packages))
    }

    /// The published certificates, at a time; none where there is none that
    /// can be read.
    pub(super) fn certificates(
        &self,
        holdings: &Holdings,
        now: Timestamp,
    ) -> Result<Arc<Vec<Certificate>>, HoldingsError> {
        let Some(opened) = holdings.open(Path::new(CERTIFICATES))? else {
            return Ok(Arc::default());
        };
        let mut slot = lock(&self.certificates);
        let before = slot.take().filter(|k| k.identity == opened.identity);
        let known = match before {
            Some(before) if before.now == now => before,
            Some(before) => KnownCertificates::new(before.identity, before.keyring, now),
            None => match keyring(holdings, &opened) {
                Some(keyring) => KnownCertificates::new(opened.identity, keyring, now),
                None => return Ok(Arc::default()),
            },
        };
        let certificates = Arc::clone(&known.certificates);
        *slot = Some(known);
        Ok(certificates)
    }
}

/// The certificates of a file, which are none where it is damaged; nothing where
/// it cannot be read now.
fn keyring(holdings: &Holdings, opened: &Opened) -> Option<Keyring> {
    let bytes = holdings.read(Path::new(CERTIFICATES), opened, CERTIFICATES_MAX);
    let (why, keyring) = match bytes.map(|bytes| Keyring::parse(&bytes)) {
        Ok(Ok(keyring)) => return Some(keyring),
        Ok(Err(error)) => (faults::with_causes(&error), Some(Keyring::default())),
        Err(error) => {
            let damaged = (!error.may_pass()).then(Keyring::default);
            (faults::with_causes(&error), damaged)
        }
    };
    faults::tell(&format!(
        "the published certificates cannot be read; pages show fingerprints alone: {why}"
    ));
    keyring
}

/// What is behind these locks is whole or not there, whoever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
