//! A built image as a folder of files: archives, manifest, settings, SBOM,
//! lock, `SHA256SUMS` and its signature, as `build` leaves it and `publish`
//! takes it.
//!
//! `SHA256SUMS` lists exactly the files that are published beside it, because
//! systemd refuses a `.nspawn` that it does not list, and archives and
//! settings once more as `image.…`. Whether the signature is good is not asked
//! here: the one who publishes signs the catalog, and that is what importers
//! trust.

mod error;
mod open;
mod read;

#[cfg(test)]
mod tests;
mod write;

pub use error::ImageFilesError;

use crate::manifest::{FileRole, Manifest};
use crate::{ImageName, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Name of the list of digests.
pub const SUMS_NAME: &str = "SHA256SUMS";

/// Name of its signature.
pub const SUMS_SIGNATURE_NAME: &str = "SHA256SUMS.gpg";

/// What files are called where a path, not a name, says which image they are
/// of: nspawn.org's `storage/DISTRIBUTION/RELEASE/tar/image.tar.xz`. systemd
/// looks for the last part of a URL in `SHA256SUMS`, so it lists both names.
pub const ALIAS: &str = "image";

/// What the name of a manifest ends with.
pub const MANIFEST_SUFFIX: &str = "manifest.json";

/// A folder that holds one version of an image, checked against its SHA256SUMS.
#[derive(Clone, Debug)]
pub struct ImageFiles {
    directory: PathBuf,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    sums: Vec<u8>,
    signature: Option<Vec<u8>>,
}

/// A file of an image, as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

/// What the file of a role is called.
#[must_use]
pub fn file_name(image: &ImageName, role: FileRole) -> String {
    match role {
        FileRole::Nspawn => format!("{image}.nspawn"),
        FileRole::Sbom => format!("{image}.spdx.json"),
        FileRole::Lock => format!("{image}.lock"),
    }
}

/// What the manifest is called.
#[must_use]
pub fn manifest_name(image: &ImageName) -> String {
    format!("{image}.{MANIFEST_SUFFIX}")
}

impl ImageFiles {
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
    /// The bytes of SHA256SUMS.
    #[must_use]
    pub fn sums(&self) -> &[u8] {
        &self.sums
    }
    /// The bytes of SHA256SUMS.gpg, if it is there.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }
    /// The folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Names of every file to publish, SHA256SUMS and SHA256SUMS.gpg (if
    /// there is one) included.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.files().into_iter().map(|f| f.name).collect();
        names.push(SUMS_NAME.to_owned());
        names.extend(
            self.signature
                .is_some()
                .then(|| SUMS_SIGNATURE_NAME.to_owned()),
        );
        names
    }

    /// The files that SHA256SUMS lists: archives, files, manifest. Whoever
    /// copies them compares the digests once more.
    #[must_use]
    pub fn files(&self) -> Vec<PublishedFile> {
        let archives = self.manifest.archives.iter().map(|a| PublishedFile {
            name: a.file.to_string(),
            size: a.size,
            sha256: a.sha256,
        });
        let files = self.manifest.files.iter().map(|f| PublishedFile {
            name: f.file.to_string(),
            size: f.size,
            sha256: f.sha256,
        });
        let manifest = PublishedFile {
            name: manifest_name(&self.manifest.name),
            size: self.manifest_bytes.len() as u64,
            sha256: Sha256::of(&self.manifest_bytes),
        };
        archives.chain(files).chain([manifest]).collect()
    }

    /// The other names under which `SHA256SUMS` lists archives and settings.
    fn aliases(&self) -> Vec<PublishedFile> {
        let aliased = |file: &PublishedFile| {
            let suffix = file.name.strip_prefix(self.manifest.name.as_str())?;
            let stock = [".tar.xz", ".tar.zst", ".nspawn"].contains(&suffix);
            stock.then(|| format!("{ALIAS}{suffix}"))
        };
        let files = self.files();
        let others = files
            .iter()
            .filter_map(|file| aliased(file).map(|name| (name, file)))
            .filter(|(name, _)| files.iter().all(|f| f.name != *name));
        others
            .map(|(name, file)| PublishedFile {
                name,
                ..file.clone()
            })
            .collect()
    }

    /// The same, once every name is what its role asks for, and there once.
    fn checked_files(&self) -> Result<Vec<PublishedFile>, ImageFilesError> {
        let image = &self.manifest.name;
        if self.manifest.archives.is_empty() {
            return Err(ImageFilesError::NoArchive);
        }
        let archives = self.manifest.archives.iter();
        let archives = archives.map(|a| (&a.file, format!("{image}.{}", a.format.suffix())));
        let files = self.manifest.files.iter();
        let files = files.map(|f| (&f.file, file_name(image, f.role)));
        for (found, expected) in archives.chain(files) {
            if found.as_str() != expected {
                let found = found.to_string();
                return Err(ImageFilesError::Name { found, expected });
            }
        }
        let files = self.files();
        let mut seen = BTreeSet::new();
        match files.iter().find(|f| !seen.insert(&f.name)) {
            Some(twice) => Err(ImageFilesError::Twice(twice.name.clone())),
            None => Ok(files),
        }
    }
}
