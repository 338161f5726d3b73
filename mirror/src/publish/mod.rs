//! Publishing: an image's files become a version of the store, and the
//! catalog says so afterwards.
//!
//! The order is files, then catalog, each switched in one step. A reader of
//! any catalog finds its files; what a crash leaves between the two is a
//! version that no catalog lists, and publishing again completes it.

mod derived;
mod error;
mod files;

pub use error::PublishError;

use crate::catalog::{self, Signing};
use crate::inventory::{self, HeldVersion};
use crate::store::Store;
use error::{Result, in_catalog, in_store};
use files::{is_there, place, taken};
use hatchery_image::catalog::{Catalog, Listing, ManifestReference};
use hatchery_image::files::{ImageFiles, SUMS_SIGNATURE_NAME};
use hatchery_image::keyring::Policy;
use hatchery_image::signer::Signer;
use hatchery_image::{Architecture, Channel, ImageName, Manifest, Progress, Sha256, Version};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    if let Some(version) = listed(&catalog, image) {
        derived::derive(store, image, &version, &directory, progress)?;
    }
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
    let Some(signature) = image.signature() else {
        return Err(PublishError::Unsigned {
            directory: image.directory().to_owned(),
        });
    };
    signing
        .keyring(signer)
        .map_err(in_catalog(image.manifest()))?
        .verify_detached(image.sums(), signature, Policy::Standard, signing.now)
        .map(|_| ())
        .map_err(|source| PublishError::Signature {
            path: image.directory().join(SUMS_SIGNATURE_NAME),
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
) -> Option<&'c Listing> {
    catalog.images.get(name)?.get(&architecture)
}

/// The version as servers will see it.
fn listed(catalog: &Catalog, image: &ImageFiles) -> Option<HeldVersion> {
    let Manifest {
        name,
        architecture,
        version,
        ..
    } = image.manifest();
    let listing = listing(catalog, name, *architecture)?;
    let reference = listing.versions.get(version)?;
    let manifest = image.manifest_bytes();
    inventory::describe(name, *architecture, version, reference, manifest)
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
