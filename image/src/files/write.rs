//! Making a folder of archives an image: manifest, SHA256SUMS, signature.

use super::read::open_sized;
use super::{ImageFiles, ImageFilesError, SUMS_NAME, SUMS_SIGNATURE_NAME, manifest_name};
use crate::durable;
use crate::manifest::Manifest;
use crate::sums::Sums;
use jiff::civil::Date;
use std::io;
use std::path::Path;

impl ImageFiles {
    /// Writes the manifest and SHA256SUMS beside the archives and files that
    /// the manifest names, which the caller has just made and digested. An old
    /// signature is removed. Files are synced.
    ///
    /// # Errors
    /// A file is missing or of another size, or the system's.
    pub fn write(
        directory: &Path,
        manifest: Manifest,
        best_before: Option<Date>,
    ) -> Result<Self, ImageFilesError> {
        let manifest_bytes = manifest.to_bytes();
        let mut files = Self {
            directory: directory.to_owned(),
            manifest,
            manifest_bytes,
            sums: Vec::new(),
            signature: None,
        };
        let mut sums = Sums::default();
        sums.set_best_before(best_before);
        for file in files.checked_files()? {
            let path = directory.join(&file.name);
            // The manifest itself is written below.
            if file.name != manifest_name(&files.manifest.name) {
                open_sized(&path, file.size)?;
            }
            sums.insert(&file.name, file.sha256);
        }
        for alias in files.aliases() {
            sums.insert(&alias.name, alias.sha256);
        }
        files.sums = sums.to_text().into_bytes();
        let path = directory.join(SUMS_SIGNATURE_NAME);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ImageFilesError::Remove { path, source });
            }
            _ => {}
        }
        let name = manifest_name(&files.manifest.name);
        for (name, bytes) in [
            (name.as_str(), &files.manifest_bytes),
            (SUMS_NAME, &files.sums),
        ] {
            durable::write(&directory.join(name), bytes, 0o644).map_err(ImageFilesError::Write)?;
        }
        Ok(files)
    }

    /// Signs SHA256SUMS, with exactly one signature, as systemd wants it.
    ///
    /// # Errors
    /// GnuPG refused, or the signature cannot be written.
    #[cfg(feature = "sign")]
    pub fn sign(&mut self, signer: &crate::signer::Signer) -> Result<(), ImageFilesError> {
        let signature = signer
            .sign_detached(&self.sums)
            .map_err(ImageFilesError::Sign)?;
        let path = self.directory.join(SUMS_SIGNATURE_NAME);
        durable::write(&path, &signature, 0o644).map_err(ImageFilesError::Write)?;
        self.signature = Some(signature);
        Ok(())
    }
}
