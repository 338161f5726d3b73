//! The image that is imported: its manifest, settings and archive, fetched
//! and compared with what the verified catalog says.

use hatchery_image::archive::{ArchiveError, VerifiedArchive};
use hatchery_image::catalog::{Catalog, LookupError};
use hatchery_image::manifest::{self, ArchiveFormat, FileRole, MANIFEST_MAX, ManifestError};
use hatchery_image::progress::Progress;
use hatchery_image::settings::nspawn::{NSPAWN_MAX, Nspawn, NspawnError};
use hatchery_image::{Architecture, Manifest, Sha256, Verified, Version, files, layout};
use hatchery_transfer::{Cache, Client, Location, Request, TransferError};
use std::fs;

use crate::Reference;

/// Archives, best first.
const PREFERENCE: [ArchiveFormat; 2] = [ArchiveFormat::TarZst, ArchiveFormat::TarXz];

/// Why the image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The catalog has none.
    #[error(transparent)]
    Lookup(LookupError),
    /// A file of it cannot be fetched, or is not what the catalog says.
    #[error("cannot fetch {what}")]
    Fetch {
        /// Which file.
        what: String,
        /// What each mirror answered.
        #[source]
        source: TransferError,
    },
    /// The manifest cannot be read.
    #[error("cannot read the manifest of {image}")]
    Manifest {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The catalog lists the manifest of another image under this name.
    #[error("the catalog lists {listed}, but the manifest there is that of {found}")]
    Mixed {
        /// What the catalog says.
        listed: String,
        /// What the manifest says.
        found: String,
    },
    /// None of its archives can be read.
    #[error("{image} has no archive that this program reads")]
    NoArchive {
        /// The image.
        image: String,
    },
    /// The archive is not what the manifest says.
    #[error("the archive of {image} cannot be used")]
    Archive {
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// Its settings cannot be understood, so that nobody could agree to them.
    #[error("the settings of {image} cannot be installed")]
    Settings {
        /// The image.
        image: String,
        /// Which line, and why.
        #[source]
        source: NspawnError,
    },
}

/// One version of an image, as the catalog and its manifest describe it.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) digest: Sha256,
    /// The manifest as it was published: what has the digest.
    pub(crate) bytes: Vec<u8>,
    folder: String,
    locations: Vec<Location>,
}

/// Its name, version and architecture in a message.
fn shown(manifest: &Manifest) -> String {
    let Manifest {
        name,
        version,
        architecture,
        ..
    } = manifest;
    format!("{name}@{version} ({architecture})")
}

/// Finds the image in the catalog and fetches its manifest.
pub(crate) fn find(
    catalog: &Verified<Catalog>,
    reference: &Reference,
    architecture: Architecture,
    locations: &[Location],
    client: &Client,
    progress: &Progress,
) -> Result<Image, ImageError> {
    let name = &reference.image;
    let found = catalog
        .resolve(name, architecture, &reference.selector)
        .map_err(ImageError::Lookup)?;
    let folder = layout::version_path(name, architecture, found.version.as_str());
    let path = format!("{folder}/{}", files::manifest_name(name));
    let request = Request {
        locations: locations.to_vec(),
        path: path.clone(),
        sha256: Some(found.manifest.sha256),
        size: Some(found.manifest.size),
        limit: MANIFEST_MAX,
    };
    let bytes = client
        .get(&request, progress)
        .map_err(|source| ImageError::Fetch { what: path, source })?;
    let manifest = Manifest::parse(&bytes).map_err(|source| ImageError::Manifest {
        image: name.to_string(),
        source,
    })?;
    let same = |version: &Version| {
        manifest.name == *name
            && manifest.version == *version
            && manifest.architecture == architecture
    };
    if !same(found.version) {
        return Err(ImageError::Mixed {
            listed: format!("{name}@{} ({architecture})", found.version),
            found: shown(&manifest),
        });
    }
    Ok(Image {
        digest: found.manifest.sha256,
        manifest,
        bytes,
        folder,
        locations: locations.to_vec(),
    })
}

impl Image {
    fn request(&self, file: &str, sha256: Sha256, size: u64) -> Request {
        Request {
            locations: self.locations.clone(),
            path: format!("{}/{file}", self.folder),
            sha256: Some(sha256),
            size: Some(size),
            limit: size,
        }
    }

    /// The archive that is taken.
    pub(crate) fn archive(&self) -> Result<&manifest::Archive, ImageError> {
        PREFERENCE
            .iter()
            .find_map(|format| self.manifest.archive(*format))
            .ok_or_else(|| ImageError::NoArchive {
                image: shown(&self.manifest),
            })
    }

    /// Downloads the archive (resuming what an earlier run began) and digests
    /// it once more as it lies on the disk.
    pub(crate) fn fetch_archive(
        &self,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<VerifiedArchive, ImageError> {
        let archive = self.archive()?;
        let request = self.request(archive.file.as_str(), archive.sha256, archive.size);
        let file = client
            .download(&request, cache, progress)
            .map_err(|source| ImageError::Fetch {
                what: request.path.clone(),
                source,
            })?;
        VerifiedArchive::verify(file, archive).map_err(|source| ImageError::Archive {
            image: shown(&self.manifest),
            source,
        })
    }

    /// Bytes of the archive that are still to be downloaded, at most.
    pub(crate) fn missing(&self, cache: &Cache) -> Result<u64, ImageError> {
        let archive = self.archive()?;
        let is_there = cache.find(archive.sha256).is_some();
        Ok(if is_there { 0 } else { archive.size })
    }

    /// Forgets the download, which is of no use once it is unpacked.
    pub(crate) fn forget_archive(&self, cache: &Cache) {
        let path = self.archive().ok().and_then(|a| cache.find(a.sha256));
        if let Some(path) = path {
            // Left behind it only takes space until it is replaced.
            let _ = fs::remove_file(path);
        }
    }

    /// The `.nspawn` settings that are published beside the image, as this
    /// program writes what it understood: never the published bytes.
    pub(crate) fn fetch_settings(
        &self,
        client: &Client,
        progress: &Progress,
    ) -> Result<Option<String>, ImageError> {
        let Some(file) = self.manifest.file(FileRole::Nspawn) else {
            return Ok(None);
        };
        let mut request = self.request(file.file.as_str(), file.sha256, file.size);
        request.limit = NSPAWN_MAX as u64;
        let bytes = client
            .get(&request, progress)
            .map_err(|source| ImageError::Fetch {
                what: request.path.clone(),
                source,
            })?;
        let settings = Nspawn::parse(&String::from_utf8_lossy(&bytes)).map_err(|source| {
            ImageError::Settings {
                image: shown(&self.manifest),
                source,
            }
        })?;
        Ok((!settings.is_empty()).then(|| settings.render()))
    }
}
