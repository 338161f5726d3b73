//! A built image as a tree to boot: verified against its own manifest,
//! unpacked to a temporary place, and removed afterwards.

use super::CheckError;
use crate::tree;
use hatchery_image::archive::{self, VerifiedArchive};
use hatchery_image::durable::{self, Staging};
use hatchery_image::files::ImageFiles;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::Progress;
use std::fs::File;
use std::path::Path;

/// The tree of an image, removed when dropped.
#[derive(Debug)]
pub struct ImageTree {
    staging: Staging,
}

impl ImageTree {
    /// Unpacks the image in `folder`, as a build left it, to a hidden folder
    /// in `scratch`. What killed checks left there is removed first.
    ///
    /// # Errors
    /// The folder is no image, its files differ from its manifest, or there is
    /// no room.
    pub fn unpack(
        folder: &Path,
        scratch: &Path,
        threads: usize,
        progress: &Progress,
    ) -> Result<Self, CheckError> {
        let image = ImageFiles::open(folder).map_err(CheckError::Image)?;
        let manifest = image.manifest();
        let archive = [ArchiveFormat::TarZst, ArchiveFormat::TarXz]
            .iter()
            .find_map(|format| manifest.archive(*format));
        let archive = archive.ok_or_else(|| CheckError::NoArchive {
            path: folder.to_owned(),
        })?;
        let path = archive.file.beneath(folder);
        let unreadable = |source| CheckError::Tree {
            path: path.clone(),
            source,
        };
        let file = File::open(&path).map_err(unreadable)?;
        let unusable = |source| CheckError::Archive {
            path: path.clone(),
            source,
        };
        let verified = VerifiedArchive::verify(file, archive).map_err(unusable)?;

        durable::sweep(scratch, tree::remove).map_err(CheckError::Scratch)?;
        let staging =
            Staging::with(scratch, tree::make, tree::remove).map_err(CheckError::Scratch)?;
        let root = Root::open(staging.path(), Resolve::Beneath).map_err(CheckError::Root)?;
        archive::unpack(&verified, &root, &manifest.unpacked, threads, progress)
            .map_err(unusable)?;
        Ok(Self { staging })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.staging.path()
    }
}
