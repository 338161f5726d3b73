//! The catalog, read once for each identity of its file.

use super::error::Result;
use super::opened::Identity;
use super::{Holdings, lock};
use crate::catalog::{claimed_signers, unverified_payload};
use crate::store::CATALOG;
use bytes::Bytes;
use hatchery_image::envelope::ENVELOPE_MAX;
use hatchery_image::{Catalog, Fingerprint, Sha256};
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// A catalog that was read, and what it says.
#[derive(Debug)]
pub(super) struct KnownCatalog {
    pub(super) identity: Identity,
    pub(super) bytes: Bytes,
    pub(super) digest: Sha256,
    pub(super) modified: SystemTime,
    /// `None` when it could not be understood.
    pub(super) catalog: Option<Catalog>,
    /// Whose signatures it says it has.
    signers: Vec<Fingerprint>,
}

/// What a catalog says in a few numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatalogFacts {
    pub(crate) version: u64,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    /// Images, each architecture by itself.
    pub(crate) images: usize,
    pub(crate) versions: usize,
}

impl CatalogFacts {
    fn of(catalog: &Catalog) -> Self {
        let listings = || catalog.images.values().flat_map(|image| image.values());
        Self {
            version: catalog.version,
            created: catalog.created,
            expires: catalog.expires,
            images: listings().count(),
            versions: listings().map(|listing| listing.versions.len()).sum(),
        }
    }
}

impl Holdings {
    /// What the catalog says, if there is one that can be understood.
    pub(crate) fn catalog(&self) -> Result<Option<Catalog>> {
        Ok(self.known_catalog()?.and_then(|k| k.catalog.clone()))
    }

    /// Looks at the catalog and whose signatures it says it has, if there is
    /// one; at none if it cannot be understood.
    pub(crate) fn look<T>(
        &self,
        see: impl FnOnce(Option<&Catalog>, &[Fingerprint]) -> T,
    ) -> Result<Option<T>> {
        let known = self.known_catalog()?;
        Ok(known.map(|known| see(known.catalog.as_ref(), &known.signers)))
    }

    /// What the catalog says in a few numbers; none if it is not there or
    /// cannot be understood.
    pub(crate) fn catalog_facts(&self) -> Result<Option<CatalogFacts>> {
        let known = self.known_catalog()?;
        let catalog = known.as_ref().and_then(|known| known.catalog.as_ref());
        Ok(catalog.map(CatalogFacts::of))
    }

    /// The catalog, read again only when the file is another one.
    pub(super) fn known_catalog(&self) -> Result<Option<Arc<KnownCatalog>>> {
        let path = Path::new(CATALOG);
        let Some(opened) = self.open(path)? else {
            return Ok(None);
        };
        let known = lock(&self.catalog).clone();
        if let Some(known) = known.filter(|k| k.identity == opened.identity) {
            return Ok(Some(known));
        }
        // Those who ask meanwhile wait, so that it is read and parsed once.
        let _reading = lock(&self.reading);
        let known = lock(&self.catalog).clone();
        if let Some(known) = known.filter(|k| k.identity == opened.identity) {
            return Ok(Some(known));
        }
        let bytes = self.read(path, &opened, ENVELOPE_MAX as u64)?;
        let catalog = understand(&bytes);
        if catalog.is_none() {
            tracing::error!(
                path = %self.store.root().join(path).display(),
                "the catalog cannot be understood; channels lead nowhere"
            );
        }
        let known = Arc::new(KnownCatalog {
            identity: opened.identity,
            digest: Sha256::of(&bytes),
            signers: claimed_signers(&bytes),
            bytes,
            modified: opened.modified,
            catalog,
        });
        *lock(&self.catalog) = Some(Arc::clone(&known));
        Ok(Some(known))
    }
}

/// What a catalog says, whoever signed it.
fn understand(bytes: &[u8]) -> Option<Catalog> {
    serde_json::from_slice(&unverified_payload(bytes)?).ok()
}
