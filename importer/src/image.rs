//! The image that is imported: its manifest, settings and archive, fetched
//! and compared with what the verified catalog says.

use hatchery_image::catalog::{Catalog, LookupError};
use hatchery_image::manifest::{self, ArchiveFormat, FileRole, MANIFEST_MAX, ManifestError, Span};
use hatchery_image::progress::Progress;
use hatchery_image::settings::nspawn::{NSPAWN_MAX, Nspawn, NspawnError};
use hatchery_image::{Architecture, Manifest, Sha256, Verified, Version, files, layout};
use hatchery_transfer::{Arrival, Cache, Client, Location, Request, TransferError};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use crate::Reference;
use crate::tables::SPAN_MAX;

/// Largest table of contents that is fetched ahead, compressed, in bytes: that
/// of a tree of 300,000 files.
const TABLE_MAX: u64 = 12 << 20;

/// Most bytes of an archive's end that are fetched for it: the skeleton lies
/// there, too.
const END_MAX: u64 = 24 << 20;
/// What a table of contents and a skeleton are together that take little
/// memory, in bytes.
const LITTLE: u64 = 4 << 20;

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

/// A part of the archive, if it is the one that was signed.
fn span(file: &File, span: &Span) -> Option<Vec<u8>> {
    if span.length > SPAN_MAX {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(span.length).ok()?];
    file.read_exact_at(&mut bytes, span.offset).ok()?;
    (Sha256::of(&bytes) == span.sha256).then_some(bytes)
}

fn fetching(request: &Request, source: TransferError) -> ImageError {
    ImageError::Fetch {
        what: request.path.clone(),
        source,
    }
}

/// A mirror's archive ends in something else than its table of contents.
#[derive(Debug, thiserror::Error)]
#[error("its table of contents has the digest {found}, which is not the signed one")]
struct OtherTable {
    found: Sha256,
}

impl ImageError {
    /// Whether the user or the other half of the import ended it.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Fetch {
                source: TransferError::Interrupted(_),
                ..
            }
        )
    }
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

    /// Downloads the archive, resuming what an earlier run began, and compares
    /// its digest with the manifest's.
    pub(crate) fn fetch_archive(
        &self,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<File, ImageError> {
        let request = self.archive_request()?;
        let file = client.download(&request, cache, progress);
        file.map_err(|source| fetching(&request, source))
    }

    /// Downloads the archive for somebody who checks each frame; `arrival` is
    /// told while it arrives.
    pub(crate) fn fetch_frames(
        &self,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
        arrival: Arrival<'_>,
    ) -> Result<File, ImageError> {
        let request = self.archive_request()?;
        let file = client.download_arriving(&request, cache, progress, arrival);
        file.map_err(|source| fetching(&request, source))
    }

    fn archive_request(&self) -> Result<Request, ImageError> {
        let archive = self.archive()?;
        Ok(self.request(archive.file.as_str(), archive.sha256, archive.size))
    }

    /// Forgets what [`Self::fetch_frames`] fetched.
    pub(crate) fn forget_part(&self, cache: &Cache) -> Result<(), ImageError> {
        let request = self.archive_request()?;
        let forgotten = cache.forget_part(self.archive()?.sha256);
        forgotten.map_err(|source| fetching(&request, source))
    }

    /// Whether [`Self::table_and_skeleton`] are so small that they may be in
    /// memory at any time.
    pub(crate) fn lists_little(&self) -> bool {
        let archive = self.archive().ok();
        let spans = archive.map(|archive| [&archive.toc, &archive.skeleton]);
        let lengths = spans
            .into_iter()
            .flatten()
            .flatten()
            .map(|span| span.length);
        lengths.fold(0, u64::saturating_add) <= LITTLE
    }

    /// Table of contents and skeleton, compressed, out of the archive: compared
    /// with their signed digests. None where there are none, or none that
    /// could be remembered.
    pub(crate) fn table_and_skeleton(&self, file: &File) -> Option<(Vec<u8>, Vec<u8>)> {
        let archive = self.archive().ok()?;
        let (table, skeleton) = (archive.toc.as_ref()?, archive.skeleton.as_ref()?);
        Some((span(file, table)?, span(file, skeleton)?))
    }

    /// The table of contents of the archive, ahead of the rest and compared
    /// with its signed digest. None where there is none, where a mirror does
    /// not hand out the end of a file, or where it is too large to be held in
    /// memory: then the archive is read when it is whole.
    pub(crate) fn fetch_table(
        &self,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
    ) -> Option<Vec<u8>> {
        let archive = self.archive().ok()?;
        let span = archive.toc.as_ref()?;
        let end = archive.size.checked_sub(span.offset)?;
        if span.length > TABLE_MAX || end > END_MAX || cache.find(archive.sha256).is_some() {
            return None;
        }
        let request = self.archive_request().ok()?;
        let table = client.get_end(&request, span.offset, progress, |mut bytes| {
            bytes.truncate(usize::try_from(span.length).unwrap_or(usize::MAX));
            // The skeleton's memory is given back.
            bytes.shrink_to_fit();
            match Sha256::of(&bytes) {
                found if found == span.sha256 => Ok(bytes),
                found => Err(OtherTable { found }),
            }
        });
        table.ok()
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
