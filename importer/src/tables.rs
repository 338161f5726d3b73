//! `/var/lib/hatchery/images/DIGEST/`: what is remembered of an image that
//! machines were made of, by the digest of its manifest: the manifest itself,
//! and the archive's table of contents and skeleton, compressed as they are
//! in it (0.6 MB for an image of 1.6 GB). A machine is verified by them when
//! image and mirror are long gone.
//!
//! Of an archive without a table, what was unpacked is listed instead
//! ([`Listing`]). The list lies in a folder of its own beside these, by its own
//! digest, which the machine's record holds.
//!
//! Machines of the same version share them; see [`crate::hold`] for how they
//! are not removed between their writing and that of the record. What is read is compared
//! with the digests again: the manifest with its name, the rest with it.

use crate::hold::Hold;
use crate::listing::{LISTING_MAX, Listing};
use crate::own_file;
use hatchery_image::durable::{self, DurableError, Existing, Staging};
use hatchery_image::manifest::{MANIFEST_MAX, ManifestError, Span};
use hatchery_image::{Manifest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names of the files.
const MANIFEST: &str = "manifest.json";
const TABLE: &str = "toc";
const SKELETON: &str = "skeleton";
const LISTING: &str = "listing";

/// Largest table or skeleton that is remembered, in bytes: that of an image of
/// half a million files.
pub(crate) const SPAN_MAX: u64 = 24 << 20;

/// Most folders that are looked at.
const FOLDERS_MAX: usize = 100_000;

/// Why what is remembered of an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// A step on a file failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot remember the image's table of contents")]
    Write(#[source] DurableError),
    /// It is not what was signed, or listed.
    #[error(
        "{path} was changed: it is not what was signed, or what was unpacked; import the machine again"
    )]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The manifest cannot be read.
    #[error("cannot understand {path}")]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ManifestError,
    },
}

/// A table of contents and its skeleton, as their bytes.
pub type TableOfContents = (Vec<u8>, Vec<u8>);

/// What is remembered of an image, and is what was signed.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Its manifest.
    pub manifest: Manifest,
    /// Table of contents and skeleton, compressed, if its archive has them.
    pub table: Option<TableOfContents>,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Tables {
    root: PathBuf,
}

impl Tables {
    /// The one beneath the state folder (`/var/lib/hatchery`).
    #[must_use]
    pub fn beneath(state: &Path) -> Self {
        Self {
            root: state.join("images"),
        }
    }

    fn folder(&self, manifest: Sha256) -> PathBuf {
        self.root.join(manifest.to_string())
    }

    /// Remembers an image: the bytes of its manifest, which have this digest,
    /// and its archive's table of contents and skeleton.
    pub(crate) fn write(
        &self,
        digest: Sha256,
        manifest: &[u8],
        table: Option<&(Vec<u8>, Vec<u8>)>,
        _held: &Hold,
    ) -> Result<(), TablesError> {
        // One that lacks its table is what a removal left that was killed.
        let is_whole = |found: Remembered| found.table.is_some() == table.is_some();
        if self
            .find(digest)
            .is_ok_and(|found| found.is_some_and(is_whole))
        {
            // By another import, which may not have come to this yet.
            return durable::sync_directory(&self.root).map_err(TablesError::Write);
        }
        let mut files = vec![(MANIFEST, manifest)];
        if let Some((table, skeleton)) = table {
            files.extend([(TABLE, table.as_slice()), (SKELETON, skeleton.as_slice())]);
        }
        self.put(digest, &files)
    }

    /// Remembers the list of a tree.
    pub(crate) fn write_listing(&self, listing: &Listing, _held: &Hold) -> Result<(), TablesError> {
        if matches!(self.find_listing(listing.sha256), Ok(Some(_))) {
            return durable::sync_directory(&self.root).map_err(TablesError::Write);
        }
        self.put(listing.sha256, &[(LISTING, listing.bytes())])
    }

    /// A folder with these files, in one step.
    fn put(&self, digest: Sha256, files: &[(&str, &[u8])]) -> Result<(), TablesError> {
        durable::make_folders(&self.root).map_err(failed("make the folder", &self.root))?;
        let staging = Staging::new(&self.root).map_err(TablesError::Write)?;
        for (name, bytes) in files {
            let path = staging.path().join(name);
            durable::write(&path, bytes, 0o644).map_err(TablesError::Write)?;
        }
        // One that is there already is damaged, or another import's and the same.
        let published = staging.publish_files(&self.folder(digest), Existing::Replace);
        published.map_err(TablesError::Write)
    }

    /// Table and skeleton in the list of a tree that has this digest.
    ///
    /// # Errors
    /// It cannot be read, or is another one.
    pub fn find_listing(&self, digest: Sha256) -> Result<Option<TableOfContents>, TablesError> {
        let path = self.folder(digest).join(LISTING);
        let Some(bytes) = read(&path, LISTING_MAX)? else {
            return Ok(None);
        };
        let parts = Listing::read(bytes, digest).map(Listing::parts);
        parts.map(Some).ok_or(TablesError::Changed { path })
    }

    /// What is remembered of the image whose manifest has this digest.
    ///
    /// # Errors
    /// It cannot be read, or is not what was signed.
    pub fn find(&self, digest: Sha256) -> Result<Option<Remembered>, TablesError> {
        let folder = self.folder(digest);
        let path = folder.join(MANIFEST);
        let Some(bytes) = read(&path, MANIFEST_MAX)? else {
            return Ok(None);
        };
        if Sha256::of(&bytes) != digest {
            return Err(TablesError::Changed { path });
        }
        let manifest =
            Manifest::parse(&bytes).map_err(|source| TablesError::Manifest { path, source })?;
        let spans = manifest
            .archives
            .iter()
            .find_map(|archive| archive.toc.as_ref().zip(archive.skeleton.as_ref()));
        let Some((table, skeleton)) = spans else {
            return Ok(Some(Remembered {
                manifest,
                table: None,
            }));
        };
        let table = read_span(&folder.join(TABLE), table)?;
        let skeleton = read_span(&folder.join(SKELETON), skeleton)?;
        Ok(Some(Remembered {
            table: table.zip(skeleton),
            manifest,
        }))
    }

    /// Folders that none of these digests names.
    pub(crate) fn unused(&self, used: &BTreeSet<Sha256>) -> Result<Vec<PathBuf>, TablesError> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(failed("list", &self.root))?,
        };
        let mut unused = Vec::new();
        for entry in entries.take(FOLDERS_MAX) {
            let entry = entry.map_err(failed("list", &self.root))?;
            let digest = entry.file_name().to_str().and_then(|n| n.parse().ok());
            if digest.is_some_and(|digest: Sha256| !used.contains(&digest)) {
                unused.push(entry.path());
            }
        }
        unused.sort();
        Ok(unused)
    }

    /// Removes such folders, and what killed processes left. The state
    /// folder must be held alone.
    pub(crate) fn remove(&self, unused: &[PathBuf], _held: &Hold) -> Result<(), TablesError> {
        if !self.root.is_dir() {
            return Ok(());
        }
        for folder in unused {
            // In one step, so that a removal that is killed leaves no half of it.
            let hidden = self.root.join(durable::random_name());
            fs::rename(folder, hidden).map_err(failed("remove", folder))?;
        }
        durable::sync_directory(&self.root).map_err(TablesError::Write)?;
        durable::sweep(&self.root, |path| fs::remove_dir_all(path))
            .map(drop)
            .map_err(TablesError::Write)
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TablesError {
    let path = path.to_owned();
    move |source| TablesError::Failed {
        doing,
        path,
        source,
    }
}

/// The bytes of a file, if there is one.
fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>, TablesError> {
    own_file::read(path, max).map_err(failed("read", path))
}

fn read_span(path: &Path, span: &Span) -> Result<Option<Vec<u8>>, TablesError> {
    let bytes = read(path, SPAN_MAX)?;
    match bytes {
        Some(bytes) if Sha256::of(&bytes) != span.sha256 => {
            let path = path.to_owned();
            Err(TablesError::Changed { path })
        }
        bytes => Ok(bytes),
    }
}
