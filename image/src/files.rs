//! A built image as a folder of files: archives, manifest, settings, SBOM,
//! `SHA256SUMS` and its signature, as `build` leaves it and `publish` takes
//! it. (Skeleton; see the owner of this module.)

use crate::Manifest;
use std::path::{Path, PathBuf};

/// A folder that holds one version of an image, checked against its SHA256SUMS.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    directory: PathBuf,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
}

/// Placeholder error; the owner refines it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ImageFilesError(pub String);

impl ImageFiles {
    /// Opens the folder; every file that the manifest names must be there
    /// with its size and digest, and SHA256SUMS must list exactly them.
    ///
    /// # Errors
    /// Which file is missing or differs.
    pub fn open(_directory: &Path) -> Result<Self, ImageFilesError> {
        todo!()
    }
    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// The manifest's bytes as published.
    #[must_use]
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }
    /// The folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
    /// Names of every file to publish, SHA256SUMS and SHA256SUMS.gpg included.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        todo!()
    }
}
