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

use crate::catalog::{claimed_signers, unverified_payload};
use crate::conditional::Validators;
use crate::content::media_type;
use crate::inventory::{HeldVersion, Inventory};
use crate::page;
use crate::protocols::{hub, oci, streams};
use crate::store::{self, CATALOG, Store, version_path};
use crate::target::{ImageFile, Route};
use bytes::Bytes;
use hatchery_image::Catalog;
use hatchery_image::envelope::ENVELOPE_MAX;
use hatchery_image::files::manifest_name;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX, SUCCESSIONS};
use hatchery_image::manifest::MANIFEST_MAX;
use hatchery_image::succession::SUCCESSIONS_MAX;
use hatchery_image::sums::{SUMS_MAX, Sums};
use hatchery_image::{Architecture, Fingerprint, ImageName, Sha256, Version};
use hyper::http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

/// File name of the digests.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// File name of the signature of the digests.
pub(crate) const SIGNATURE: &str = "SHA256SUMS.gpg";

/// Files up to this many bytes are read at once, and answered from memory.
const SMALL: u64 = 64 << 10;
/// Largest signature that is served, in bytes. An OpenPGP one has a few hundred.
const SIGNATURE_MAX: u64 = 64 << 10;
/// Most versions whose digests are remembered. Each takes about 1 KiB.
const VERSIONS_MAX: usize = 4096;

/// What is escaped in a location: all but the unreserved characters.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a file of the store could not be looked at. For the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldingsError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a list of digests")]
    Sums {
        path: PathBuf,
        #[source]
        source: hatchery_image::sums::InvalidSums,
    },
    #[error("{path} is not UTF-8")]
    Text { path: PathBuf },
    #[error("cannot make an image's metadata for incus")]
    Metadata(#[source] io::Error),
    #[error("cannot make a page")]
    Page(#[source] askama::Error),
}

type Result<T> = std::result::Result<T, HoldingsError>;

/// What a route leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// Content to send.
    Content(Content),
    /// Content to send that soon is another, though the catalog is the same:
    /// for nobody to keep.
    Provisional(Content),
    /// The same file of the version that a channel points at: where it is,
    /// relative to what was asked for.
    Elsewhere(String),
    /// Nothing.
    Nothing,
    /// Nothing either, and what that means in OCI's words. It may be there
    /// soon, though the catalog is the same.
    Refused(oci::Complaint),
}

impl Found {
    /// Provisional content, older by its date than whatever it will be.
    pub(crate) fn provisional(mut content: Content) -> Self {
        content.validators = content.validators.dated(UNIX_EPOCH);
        Self::Provisional(content)
    }
}

/// Content that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: Cow<'static, str>,
    /// Length in bytes.
    pub(crate) length: u64,
    pub(crate) validators: Validators,
    /// Whether this path will never hold other content.
    pub(crate) immutable: bool,
    /// Headers beyond those that all content has.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) data: Data,
}

impl Content {
    /// Something made just now.
    pub(crate) fn of(media_type: &'static str, bytes: Vec<u8>, modified: SystemTime) -> Self {
        Self {
            media_type: media_type.into(),
            length: bytes.len() as u64,
            validators: Validators::new(Sha256::of(&bytes).to_string(), modified),
            immutable: false,
            headers: Vec::new(),
            data: Data::Memory(bytes.into()),
        }
    }
}

/// Where content comes from.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Memory(Bytes),
    File(Arc<File>),
}

/// What tells that a file is still the one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

/// A file that was opened, and what the system says about it.
struct Opened {
    file: File,
    identity: Identity,
    modified: SystemTime,
}

/// A catalog that was read, and what it says.
#[derive(Debug)]
struct KnownCatalog {
    identity: Identity,
    bytes: Bytes,
    digest: Sha256,
    modified: SystemTime,
    /// `None` when it could not be understood.
    catalog: Option<Catalog>,
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

/// The digests of a version.
#[derive(Debug)]
struct KnownVersion {
    identity: Identity,
    sums: Sums,
    bytes: Bytes,
    digest: Sha256,
    modified: SystemTime,
    /// Large files that are being sent, by name: ten thousand downloads of
    /// one archive take one descriptor.
    open: Mutex<HashMap<String, (Identity, Weak<File>)>>,
}

impl KnownVersion {
    /// The file itself, or the same one that others read already.
    fn share(&self, name: &str, opened: Opened) -> Arc<File> {
        let mut open = lock(&self.open);
        if let Some((identity, file)) = open.get(name)
            && *identity == opened.identity
            && let Some(file) = file.upgrade()
        {
            return file;
        }
        let file = Arc::new(opened.file);
        open.insert(name.to_owned(), (opened.identity, Arc::downgrade(&file)));
        file
    }
}

/// What was made from a catalog, and from which one.
type Known<T> = (Identity, Arc<T>);

/// A store and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Holdings {
    store: Store,
    catalog: Mutex<Option<Arc<KnownCatalog>>>,
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

    /// Which file the catalog is now. Quick enough for any thread: nothing is
    /// opened.
    pub(crate) fn catalog_identity(&self) -> Option<Identity> {
        let stat = self.store.stat(CATALOG).ok()?;
        Some(Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }

    /// The store itself.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is known of images' fingerprints.
    pub(crate) fn fingerprints(&self) -> &streams::Fingerprints {
        &self.fingerprints
    }

    /// What is remembered for pages.
    pub(crate) fn pages(&self) -> &page::Memory {
        &self.pages
    }

    /// What is offered to OCI clients.
    pub(crate) fn oci(&self) -> &oci::Shelf {
        &self.oci
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

    fn content(&self, directory: &Path, name: &str) -> Result<Option<Content>> {
        let Some(known) = self.known_version(directory)? else {
            return Ok(None);
        };
        let content = |length, digest: Sha256, modified, data| Content {
            media_type: media_type(name).into(),
            length,
            validators: Validators::new(digest.to_string(), modified),
            immutable: true,
            headers: Vec::new(),
            data,
        };
        if name == SUMS {
            let data = Data::Memory(known.bytes.clone());
            let length = known.bytes.len() as u64;
            return Ok(Some(content(length, known.digest, known.modified, data)));
        }
        let listed = known.sums.get(name);
        if listed.is_none() && name != SIGNATURE {
            return Ok(None);
        }
        let Some((name, opened)) = self.open_listed(directory, &known, name)? else {
            return Ok(None);
        };
        let path = directory.join(name);
        let (length, modified) = (opened.identity.size, opened.modified);
        let (digest, data) = match listed {
            Some(digest) if length > SMALL => (digest, Data::File(known.share(name, opened))),
            Some(digest) => (digest, Data::Memory(self.read(&path, &opened, SMALL)?)),
            None => {
                let bytes = self.read(&path, &opened, SIGNATURE_MAX)?;
                (Sha256::of(&bytes), Data::Memory(bytes))
            }
        };
        let length = match &data {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::File(_) => length,
        };
        Ok(Some(content(length, digest, modified, data)))
    }

    /// A listed file, or the one of the same digest for which its name is only
    /// another (such as `image.tar.xz`); and the name under which it lies there.
    fn open_listed<'k>(
        &self,
        directory: &Path,
        known: &'k KnownVersion,
        name: &'k str,
    ) -> Result<Option<(&'k str, Opened)>> {
        let digest = known.sums.get(name);
        let same = known
            .sums
            .iter()
            .filter(|(n, d)| Some(*d) == digest && *n != name);
        for name in std::iter::once(name).chain(same.map(|(n, _)| n)) {
            if let Some(opened) = self.open(&directory.join(name))? {
                return Ok(Some((name, opened)));
            }
        }
        Ok(None)
    }

    /// The catalog, read again only when the file is another one.
    fn known_catalog(&self) -> Result<Option<Arc<KnownCatalog>>> {
        let path = Path::new(CATALOG);
        let Some(opened) = self.open(path)? else {
            return Ok(None);
        };
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

    /// The digests of a version, read again only when the file is another one.
    fn known_version(&self, directory: &Path) -> Result<Option<Arc<KnownVersion>>> {
        let path = directory.join(SUMS);
        let Some(opened) = self.open(&path)? else {
            return Ok(None);
        };
        let known = lock(&self.versions).get(directory).cloned();
        if let Some(known) = known.filter(|k| k.identity == opened.identity) {
            return Ok(Some(known));
        }
        let bytes = self.read(&path, &opened, SUMS_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| HoldingsError::Text {
            path: self.store.root().join(&path),
        })?;
        let sums = Sums::parse(text).map_err(|source| HoldingsError::Sums {
            path: self.store.root().join(&path),
            source,
        })?;
        let known = Arc::new(KnownVersion {
            identity: opened.identity,
            sums,
            digest: Sha256::of(&bytes),
            bytes,
            modified: opened.modified,
            open: Mutex::default(),
        });
        let mut versions = lock(&self.versions);
        if versions.len() >= VERSIONS_MAX {
            versions.clear();
        }
        versions.insert(directory.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }

    fn open(&self, path: &Path) -> Result<Option<Opened>> {
        let failed = |source| HoldingsError::Read {
            path: self.store.root().join(path),
            source,
        };
        let Some(file) = self.store.open_file(path).map_err(failed)? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(failed)?;
        Ok(Some(Opened {
            file,
            identity: Identity {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            modified: metadata.modified().map_err(failed)?,
        }))
    }

    fn read(&self, path: &Path, opened: &Opened, limit: u64) -> Result<Bytes> {
        store::read_limited(&opened.file, limit)
            .map(Bytes::from)
            .map_err(|source| HoldingsError::Read {
                path: self.store.root().join(path),
                source,
            })
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

/// What a catalog says, whoever signed it.
fn understand(bytes: &[u8]) -> Option<Catalog> {
    serde_json::from_slice(&unverified_payload(bytes)?).ok()
}

/// What is behind these locks is replaced whole, so a panic elsewhere cannot
/// have left it half-written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
