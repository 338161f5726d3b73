//! Publishing: an image's files become a version of the store, and the
//! catalog says so afterwards.
//!
//! The order is files, then catalog, each switched in one step. A reader of
//! any catalog finds its files; what a crash leaves between the two is a
//! version that no catalog lists, and publishing again completes it.

use crate::catalog::{self, CatalogError, Signing};
use crate::store::{DIRECTORY_MODE, FILE_MODE, Store, StoreError};
use hatchery_image::catalog::{Catalog, ManifestReference};
use hatchery_image::durable::{DurableError, Existing, Staging};
use hatchery_image::files::{ImageFiles, ImageFilesError};
use hatchery_image::keyring::{KeyringError, Policy};
use hatchery_image::progress::{Interrupted, Running, Stage, Unit};
use hatchery_image::signer::Signer;
use hatchery_image::{Architecture, Channel, ImageName, Manifest, Progress, Sha256, Version};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes that are copied between two looks at whether to go on.
const COPIED_AT_ONCE: u64 = 16 << 20;

/// What publishing came to.
#[derive(Clone, Debug)]
pub struct Published {
    /// Where the version lies.
    pub directory: PathBuf,
    /// Whether its files were there already, the same.
    pub files_were_there: bool,
    /// Whether the catalog was signed anew; otherwise it said all this already.
    pub catalog_changed: bool,
    /// The catalog as it is now.
    pub catalog: Catalog,
}

/// Why an image was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store failed.
    #[error("cannot publish {name} {version}")]
    Store {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// What failed.
        #[source]
        source: StoreError,
    },
    /// The catalog failed.
    #[error("cannot list {name} {version} in the catalog")]
    Catalog {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// What failed.
        #[source]
        source: CatalogError,
    },
    /// One name for a version and a channel.
    #[error("{name} would have a version and a channel of the same name, {text}")]
    Ambiguous {
        /// The image.
        name: ImageName,
        /// The name of both.
        text: String,
    },
    /// Versions never change.
    #[error(
        "{name} {version} is in the store {directory} with other content; versions never change, so give the new image a new version"
    )]
    Taken {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// Where it lies.
        directory: PathBuf,
    },
    /// What lies in the store is damaged.
    #[error("{directory} holds a damaged version; restore it, or remove it and publish again")]
    Damaged {
        /// Where it lies.
        directory: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ImageFilesError,
    },
    /// The copy is not what was opened.
    #[error("{directory} was changed while it was being published")]
    Changed {
        /// The image's folder.
        directory: PathBuf,
        /// What is wrong with the copy, where the copy alone tells.
        #[source]
        source: Option<ImageFilesError>,
    },
    /// Stock clients would refuse it.
    #[error("the signature {path} is not by a trusted key, and clients would refuse the image")]
    Signature {
        /// The signature.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// A file could not be read or copied.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The files could not be switched live.
    #[error("cannot write to the store")]
    Write(#[source] DurableError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

type Result<T> = std::result::Result<T, PublishError>;

/// Publishes an image, points `channels` at it, and signs the catalog. To
/// publish the same files again is no error and changes nothing, except that
/// the channels are pointed at them.
///
/// # Errors
/// The version is there with other content, the catalog is not the signer's,
/// the image's own signature is not trusted, or a step failed; the catalog is
/// then still the old one.
pub fn publish(
    store: &Store,
    image: &ImageFiles,
    channels: &BTreeSet<Channel>,
    signer: &Signer,
    signing: &Signing,
    progress: &Progress,
) -> Result<Published> {
    let manifest = image.manifest();
    let _lock = store.lock().map_err(in_store(manifest))?;
    check_signature(image, signer, signing)?;
    let present = catalog::load(store, signer, signing).map_err(in_catalog(manifest))?;
    let mut catalog = present.unwrap_or_else(|| catalog::empty(store.repository()));
    check_names(&catalog, manifest, channels)?;
    let directory = store.version(&manifest.name, manifest.architecture, &manifest.version);
    check_listed(&catalog, image, &directory)?;
    let files_were_there = is_there(&directory, image)?;
    if !files_were_there {
        place(store, image, &directory, progress)?;
    }
    let catalog_changed = list(&mut catalog, image, channels, signing.now);
    if catalog_changed {
        catalog = catalog::sign(store, catalog, signer, signing).map_err(in_catalog(manifest))?;
    }
    Ok(Published {
        directory,
        files_were_there,
        catalog_changed,
        catalog,
    })
}

/// Stock clients trust SHA256SUMS by its signature alone.
fn check_signature(image: &ImageFiles, signer: &Signer, signing: &Signing) -> Result<()> {
    let read = |name: &str| {
        let path = image.directory().join(name);
        fs::read(&path).map_err(failed("read", &path))
    };
    let (sums, signature) = (read("SHA256SUMS")?, read("SHA256SUMS.gpg")?);
    signing
        .keyring(signer)
        .map_err(in_catalog(image.manifest()))?
        .verify_detached(sums, &signature, Policy::Standard, signing.now)
        .map(|_| ())
        .map_err(|source| PublishError::Signature {
            path: image.directory().join("SHA256SUMS.gpg"),
            source,
        })
}

/// Versions and channels share a place in paths, so no name may be both.
fn check_names(catalog: &Catalog, manifest: &Manifest, channels: &BTreeSet<Channel>) -> Result<()> {
    let listing = listing(catalog, &manifest.name, manifest.architecture);
    let known = listing.into_iter().flat_map(|l| l.versions.keys());
    let versions: BTreeSet<&str> = known
        .chain([&manifest.version])
        .map(Version::as_str)
        .collect();
    let known = listing.into_iter().flat_map(|l| l.channels.keys());
    match known
        .chain(channels)
        .find(|channel| versions.contains(channel.as_str()))
    {
        None => Ok(()),
        Some(channel) => Err(PublishError::Ambiguous {
            name: manifest.name.clone(),
            text: channel.to_string(),
        }),
    }
}

fn listing<'c>(
    catalog: &'c Catalog,
    name: &ImageName,
    architecture: Architecture,
) -> Option<&'c hatchery_image::catalog::Listing> {
    catalog.images.get(name)?.get(&architecture)
}

/// What the catalog ever said of a version stays so, even if its files went.
fn check_listed(catalog: &Catalog, image: &ImageFiles, directory: &Path) -> Result<()> {
    let manifest = image.manifest();
    let listed = listing(catalog, &manifest.name, manifest.architecture)
        .and_then(|listing| listing.versions.get(&manifest.version));
    match listed {
        Some(listed) if listed.sha256 != Sha256::of(image.manifest_bytes()) => {
            Err(taken(image, directory))
        }
        _ => Ok(()),
    }
}

fn taken(image: &ImageFiles, directory: &Path) -> PublishError {
    PublishError::Taken {
        name: image.manifest().name.clone(),
        version: image.manifest().version.clone(),
        directory: directory.to_owned(),
    }
}

/// Whether the version is in the store, whole and the same.
fn is_there(directory: &Path, image: &ImageFiles) -> Result<bool> {
    match directory.symlink_metadata() {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed("look at", directory)(e)),
    }
    let present = ImageFiles::open(directory).map_err(|source| PublishError::Damaged {
        directory: directory.to_owned(),
        source,
    })?;
    // The manifest holds the digests of all the rest.
    if present.manifest_bytes() == image.manifest_bytes() {
        return Ok(true);
    }
    Err(taken(image, directory))
}

/// Copies the files into staging, checks the copy, and switches it live.
fn place(store: &Store, image: &ImageFiles, directory: &Path, progress: &Progress) -> Result<()> {
    let manifest = image.manifest();
    let staging = Staging::new(store.root()).map_err(PublishError::Write)?;
    fs::set_permissions(staging.path(), Permissions::from_mode(DIRECTORY_MODE))
        .map_err(failed("set the mode of", staging.path()))?;
    let names = image.names();
    let sizes = names.iter().map(|name| size(&image.directory().join(name)));
    let total = sizes.sum::<Result<u64>>()?;
    let running = progress.begin(Stage::Publish, Some(total), Unit::Bytes);
    for name in &names {
        let (from, to) = (image.directory().join(name), staging.path().join(name));
        copy(&from, &to, &running)?;
    }
    check_copy(staging.path(), image)?;
    store
        .make_listing(&manifest.name, manifest.architecture)
        .map_err(in_store(manifest))?;
    staging
        .publish(directory, Existing::Keep)
        .map_err(PublishError::Write)
}

/// The copy is what is signed for, whatever happened to the original since it
/// was opened.
fn check_copy(copy: &Path, image: &ImageFiles) -> Result<()> {
    let changed = |source| PublishError::Changed {
        directory: image.directory().to_owned(),
        source,
    };
    let copied = ImageFiles::open(copy).map_err(|e| changed(Some(e)))?;
    if copied.manifest_bytes() == image.manifest_bytes() {
        Ok(())
    } else {
        Err(changed(None))
    }
}

/// Lists the version and points the channels at it; whether that is news.
fn list(
    catalog: &mut Catalog,
    image: &ImageFiles,
    channels: &BTreeSet<Channel>,
    now: Timestamp,
) -> bool {
    let manifest = image.manifest();
    let listing = catalog
        .images
        .entry(manifest.name.clone())
        .or_default()
        .entry(manifest.architecture)
        .or_default();
    let reference = ManifestReference {
        sha256: Sha256::of(image.manifest_bytes()),
        size: image.manifest_bytes().len() as u64,
        published: Timestamp::from_second(now.as_second()).unwrap_or(now),
    };
    let mut news = false;
    listing
        .versions
        .entry(manifest.version.clone())
        .or_insert_with(|| {
            news = true;
            reference
        });
    for channel in channels {
        let version = manifest.version.clone();
        let before = listing.channels.insert(channel.clone(), version);
        news |= before.as_ref() != Some(&manifest.version);
    }
    news
}

fn size(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata();
    Ok(metadata.map_err(failed("look at", path))?.len())
}

/// Copies a file: shares its blocks where the file system can, and leaves the
/// copying to the kernel where it cannot.
fn copy(from: &Path, to: &Path, running: &Running) -> Result<()> {
    let source = File::open(from).map_err(failed("read", from))?;
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(to)
        .map_err(failed("create", to))?;
    target
        .set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(failed("set the mode of", to))?;
    running.check().map_err(PublishError::Interrupted)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        running.advance(size(to)?);
        return Ok(());
    }
    loop {
        running.check().map_err(PublishError::Interrupted)?;
        let copied = io::copy(&mut (&source).take(COPIED_AT_ONCE), &mut &target)
            .map_err(failed("copy a file to", to))?;
        if copied == 0 {
            return Ok(());
        }
        running.advance(copied);
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    let path = path.to_owned();
    move |source| PublishError::File {
        doing,
        path,
        source,
    }
}

fn in_store(manifest: &Manifest) -> impl FnOnce(StoreError) -> PublishError {
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    move |source| PublishError::Store {
        name,
        version,
        source,
    }
}

fn in_catalog(manifest: &Manifest) -> impl FnOnce(CatalogError) -> PublishError {
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    move |source| PublishError::Catalog {
        name,
        version,
        source,
    }
}
