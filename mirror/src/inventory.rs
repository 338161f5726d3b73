//! What the catalog lists, read once for each catalog: all that the protocols
//! of others are made from.
//!
//! A version whose manifest is missing, or is not the one that the catalog
//! names by its digest, is left out and logged: nobody is shown what an
//! importer would refuse. Packages are not kept, because five thousand of them
//! take two megabytes.
//!
//! Signatures are not checked: the server holds no key, and says so.

use hatchery_image::catalog::{Listing, ManifestReference};
use hatchery_image::manifest::{
    Archive, Distribution, File, Manifest, Requires, Tar, Tool, Unpacked,
};
use hatchery_image::{Architecture, Catalog, Channel, ImageName, Sha256, Version};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A version as the catalog and its manifest describe it.
#[derive(Debug)]
pub(crate) struct HeldVersion {
    pub(crate) image: ImageName,
    pub(crate) architecture: Architecture,
    pub(crate) version: Version,
    pub(crate) published: Timestamp,
    /// Digest of the manifest's bytes.
    pub(crate) manifest: Sha256,
    pub(crate) distribution: Distribution,
    pub(crate) source_date_epoch: i64,
    /// What built it.
    pub(crate) tool: Tool,
    /// The tar that each archive holds.
    pub(crate) tar: Tar,
    /// Best first.
    pub(crate) archives: Vec<Archive>,
    /// The guest's systemd, if it has one.
    pub(crate) systemd: Option<u32>,
    /// What lies beside them.
    pub(crate) files: Vec<File>,
    pub(crate) unpacked: Unpacked,
    /// What the recipe suggests, in bytes.
    pub(crate) disk_limit: Option<u64>,
    pub(crate) requires: Requires,
    /// How many packages there are inside.
    pub(crate) packages: usize,
}

/// The versions of one image for one architecture.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) image: ImageName,
    pub(crate) architecture: Architecture,
    /// Where each channel points.
    pub(crate) channels: BTreeMap<Channel, Version>,
    /// Newest first, by the time they were published.
    pub(crate) versions: Vec<Arc<HeldVersion>>,
}

/// All that is listed.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Sorted by image, then architecture.
    pub(crate) held: Vec<Held>,
}

impl Inventory {
    /// Reads what a catalog lists. `read` gives the manifest's bytes of a
    /// version, if it is there; what `before` knew already is not read again.
    ///
    /// # Errors
    /// Those of `read`: a disk that fails for a moment must not hide a version
    /// until the next catalog.
    pub(crate) fn read<B: AsRef<[u8]>, E>(
        catalog: Option<&Catalog>,
        before: &Self,
        mut read: impl FnMut(&ImageName, Architecture, &Version) -> Result<Option<B>, E>,
    ) -> Result<Self, E> {
        let known = before.by_manifest();
        let mut held = Vec::new();
        let images = catalog.into_iter().flat_map(|catalog| &catalog.images);
        for (image, architectures) in images {
            for (&architecture, listing) in architectures {
                let mut versions = Vec::new();
                for (version, reference) in &listing.versions {
                    let known = known.get(&(image, architecture, version, reference.sha256));
                    if let Some(known) = known.filter(|v| v.published == reference.published) {
                        versions.push(Arc::clone(known));
                    } else if let Some(bytes) = read(image, architecture, version)? {
                        let bytes = bytes.as_ref();
                        let described = describe(image, architecture, version, reference, bytes);
                        versions.extend(described.map(Arc::new));
                    } else {
                        tracing::error!(%image, %architecture, %version, "the manifest is missing; the version is not shown");
                    }
                }
                versions.sort_by(|a, b| (b.published, &b.version).cmp(&(a.published, &a.version)));
                held.push(Held {
                    image: image.clone(),
                    architecture,
                    channels: channels(listing, &versions),
                    versions,
                });
            }
        }
        Ok(Self { held })
    }

    /// What is held of an image for an architecture.
    pub(crate) fn get(&self, image: &ImageName, architecture: Architecture) -> Option<&Held> {
        let mut held = self.held.iter();
        held.find(|h| h.image == *image && h.architecture == architecture)
    }

    fn by_manifest(
        &self,
    ) -> HashMap<(&ImageName, Architecture, &Version, Sha256), &Arc<HeldVersion>> {
        let all = self.held.iter().flat_map(|held| &held.versions);
        all.map(|v| ((&v.image, v.architecture, &v.version, v.manifest), v))
            .collect()
    }
}

/// The channels that lead to a version that is held.
fn channels(listing: &Listing, versions: &[Arc<HeldVersion>]) -> BTreeMap<Channel, Version> {
    let held = |version: &Version| versions.iter().any(|v| v.version == *version);
    let channels = listing.channels.iter();
    let leading = channels.filter(|(_, version)| held(version));
    leading.map(|(c, v)| (c.clone(), v.clone())).collect()
}

/// What a manifest says, if it is the one that the catalog names.
pub(crate) fn describe(
    image: &ImageName,
    architecture: Architecture,
    version: &Version,
    reference: &ManifestReference,
    bytes: &[u8],
) -> Option<HeldVersion> {
    if Sha256::of(bytes) != reference.sha256 {
        tracing::error!(%image, %architecture, %version, "the manifest is not the one that the catalog names; the version is not shown");
        return None;
    }
    let manifest = match Manifest::parse(bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            tracing::error!(%image, %architecture, %version, %error, "the manifest cannot be understood; the version is not shown");
            return None;
        }
    };
    Some(HeldVersion {
        image: image.clone(),
        architecture,
        version: version.clone(),
        published: reference.published,
        manifest: reference.sha256,
        distribution: manifest.distribution,
        source_date_epoch: manifest.source_date_epoch,
        tool: manifest.tool,
        tar: manifest.tar,
        archives: manifest.archives,
        systemd: manifest.requires.systemd,
        files: manifest.files,
        unpacked: manifest.unpacked,
        disk_limit: manifest.disk_limit,
        requires: manifest.requires,
        packages: manifest.packages.len(),
    })
}
