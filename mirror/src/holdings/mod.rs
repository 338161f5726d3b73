//! What a store holds, as the server sees it: where channels point, and the
//! digest of every file, remembered between requests.
//!
//! Digests of images come from the version's `SHA256SUMS`, so nothing large
//! is ever read to answer a request; those of the catalog, of `SHA256SUMS`
//! and of its signature are computed once for each identity (device, inode,
//! size and times) of the file. A file that `SHA256SUMS` does not list is not
//! there. The catalog is read for its channels without checking its signature:
//! the server holds no key, and its clients trust nothing else than that
//! signature. What other protocols show is made from the inventory, which is
//! read once for each catalog.
//!
//! Everything here blocks on the disk.

mod catalog;
mod error;
mod found;
mod opened;
mod shared;
mod version;

pub(crate) use catalog::CatalogFacts;
pub(crate) use error::HoldingsError;
pub(crate) use found::{Content, Data, Found};
pub(crate) use opened::{Identity, Opened};
pub(crate) use shared::SharedFiles;

use crate::conditional::Validators;
use crate::content::media_type;
use crate::inventory::{HeldVersion, Inventory};
use crate::page;
use crate::protocols::{hub, oci, streams};
use crate::store::{CATALOG, Store, version_path};
use crate::target::{ImageFile, Route};
use bytes::Bytes;
use catalog::KnownCatalog;
use error::Result;
use hatchery_image::files::manifest_name;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX, SUCCESSIONS};
use hatchery_image::manifest::MANIFEST_MAX;
use hatchery_image::succession::SUCCESSIONS_MAX;
use hatchery_image::{Architecture, ImageName, Sha256, Version};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use version::KnownVersion;

/// File name of the digests.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// File name of the signature of the digests.
pub(crate) const SIGNATURE: &str = "SHA256SUMS.gpg";

/// What is escaped in a location: all but the unreserved characters.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What was made from a catalog, and from which one.
type Known<T> = (Identity, Arc<T>);

/// A store and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Holdings {
    store: Store,
    catalog: Mutex<Option<Arc<KnownCatalog>>>,
    /// Held by whoever reads a new catalog.
    reading: Mutex<()>,
    inventory: Mutex<Option<Known<Inventory>>>,
    versions: Mutex<HashMap<PathBuf, Arc<KnownVersion>>>,
    fingerprints: streams::Fingerprints,
    oci: oci::Shelf,
    pages: page::Memory,
}

impl Holdings {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            catalog: Mutex::default(),
            reading: Mutex::default(),
            inventory: Mutex::default(),
            versions: Mutex::default(),
            fingerprints: streams::Fingerprints::default(),
            oci: oci::Shelf::default(),
            pages: page::Memory::default(),
        }
    }

    /// What a route leads to, now.
    pub(crate) fn find(&self, route: &Route) -> Result<Found> {
        match route {
            Route::Catalog => self.find_catalog(),
            Route::Certificates => self.find_beside(CERTIFICATES, CERTIFICATES_MAX),
            Route::Successions => self.find_beside(SUCCESSIONS, SUCCESSIONS_MAX),
            Route::File(wanted) => self.find_file(wanted),
            Route::Hub(wanted) => hub::find(self, wanted),
            Route::Streams(wanted) => streams::find(self, wanted),
            Route::Oci(wanted) => oci::find(self, wanted),
            Route::Page(wanted) => page::find(self, wanted),
        }
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of images' fingerprints.
    pub(crate) fn fingerprints(&self) -> &streams::Fingerprints {
        &self.fingerprints
    }

    /// What is offered to OCI clients.
    pub(crate) fn oci(&self) -> &oci::Shelf {
        &self.oci
    }

    /// What is remembered for pages.
    pub(crate) fn pages(&self) -> &page::Memory {
        &self.pages
    }

    /// All that the catalog lists.
    pub(crate) fn inventory(&self) -> Result<Arc<Inventory>> {
        let Some(catalog) = self.known_catalog()? else {
            return Ok(Arc::default());
        };
        // Held while it is read: ten thousand clients that ask about a new
        // catalog read each manifest once.
        let mut known = lock(&self.inventory);
        if let Some((_, inventory)) = known.as_ref().filter(|k| k.0 == catalog.identity) {
            return Ok(Arc::clone(inventory));
        }
        let before = known.as_ref().map(|(_, before)| Arc::clone(before));
        let before = before.unwrap_or_default();
        let inventory = Inventory::read(catalog.catalog.as_ref(), &before, |name, on, version| {
            self.manifest(name, on, version)
        })?;
        let inventory = Arc::new(inventory);
        *known = Some((catalog.identity, Arc::clone(&inventory)));
        Ok(inventory)
    }

    /// The bytes of a version's manifest, whatever they are.
    pub(crate) fn manifest(
        &self,
        image: &ImageName,
        architecture: Architecture,
        version: &Version,
    ) -> Result<Option<Bytes>> {
        let directory = version_path(image, architecture, version.as_str());
        let path = directory.join(manifest_name(image));
        let opened = self.open(&path)?;
        let read = opened.map(|opened| self.read(&path, &opened, MANIFEST_MAX));
        read.transpose()
    }

    /// A file of a version.
    pub(crate) fn file_of(&self, version: &HeldVersion, file: &str) -> Result<Option<Content>> {
        let at = version.version.as_str();
        let directory = version_path(&version.image, version.architecture, at);
        self.content(&directory, file)
    }

    /// Something made from the inventory just now, last modified with the
    /// catalog.
    pub(crate) fn made(&self, media_type: &'static str, bytes: Vec<u8>) -> Result<Content> {
        Ok(Content::of(media_type, bytes, self.modified()?))
    }

    /// When the catalog was written.
    pub(crate) fn modified(&self) -> Result<SystemTime> {
        Ok(self.known_catalog()?.map_or(UNIX_EPOCH, |k| k.modified))
    }

    fn find_catalog(&self) -> Result<Found> {
        let Some(known) = self.known_catalog()? else {
            return Ok(Found::Nothing);
        };
        Ok(Found::Content(Content {
            media_type: media_type(CATALOG).into(),
            length: known.bytes.len() as u64,
            validators: Validators::new(known.digest.to_string(), known.modified),
            immutable: false,
            headers: Vec::new(),
            data: Data::Memory(known.bytes.clone()),
        }))
    }

    /// A small file beside the catalog.
    fn find_beside(&self, name: &str, limit: u64) -> Result<Found> {
        let path = Path::new(name);
        let Some(opened) = self.open(path)? else {
            return Ok(Found::Nothing);
        };
        let bytes = self.read(path, &opened, limit)?;
        let digest = Sha256::of(&bytes);
        Ok(Found::Content(Content {
            media_type: media_type(name).into(),
            length: bytes.len() as u64,
            validators: Validators::new(digest.to_string(), opened.modified),
            immutable: false,
            headers: Vec::new(),
            data: Data::Memory(bytes),
        }))
    }

    fn find_file(&self, wanted: &ImageFile) -> Result<Found> {
        if is_sidecar_digest(wanted.file.as_str()) {
            return Ok(Found::Nothing);
        }
        let pointed = self.pointed(wanted)?;
        let at = pointed.as_ref().unwrap_or(&wanted.at);
        let directory = version_path(&wanted.image, wanted.architecture, at.as_str());
        let Some(content) = self.content(&directory, wanted.file.as_str())? else {
            return Ok(Found::Nothing);
        };
        Ok(match pointed {
            Some(version) => Found::Elsewhere(location(&version, wanted.file.as_str())),
            None => Found::Content(content),
        })
    }

    /// The version that a channel points at, if `wanted` names a channel.
    fn pointed(&self, wanted: &ImageFile) -> Result<Option<Version>> {
        let (Some(known), Some(channel)) = (self.known_catalog()?, wanted.channel()) else {
            return Ok(None);
        };
        Ok(known
            .catalog
            .as_ref()
            .and_then(|catalog| catalog.images.get(&wanted.image))
            .and_then(|by_architecture| by_architecture.get(&wanted.architecture))
            .and_then(|listing| listing.channels.get(&channel))
            .cloned())
    }
}

/// Where a file of another version is, relative to the one of this version.
fn location(version: &Version, file: &str) -> String {
    format!("../{version}/{}", utf8_percent_encode(file, ESCAPED))
}

/// Names that systemd's pull takes for the digest of one file. Whatever their
/// content, they would be believed instead of a good `SHA256SUMS`.
fn is_sidecar_digest(name: &str) -> bool {
    name.contains(".sha256")
}

/// What is behind these locks is replaced whole, so a panic elsewhere cannot
/// have left it half-written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
