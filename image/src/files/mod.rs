//! A built image as a folder of files: archives, manifest, settings, SBOM,
//! lock, `SHA256SUMS` and its signature, as `build` leaves it and `publish`
//! takes it.
//!
//! `SHA256SUMS` lists exactly the files that are published beside it, because
//! systemd refuses a `.nspawn` that it does not list. Whether the signature is
//! good is not asked here: the one who publishes signs the catalog, and that
//! is what importers trust.

mod error;

#[cfg(test)]
mod tests;

pub use error::ImageFilesError;

use crate::manifest::{FileRole, MANIFEST_MAX, Manifest};
use crate::progress::{Progress, Stage, Unit};
use crate::sums::{SUMS_MAX, Sums};
use crate::{ImageName, Sha256, durable};
use jiff::civil::Date;
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Name of the list of digests.
pub const SUMS_NAME: &str = "SHA256SUMS";

/// Name of its signature.
pub const SUMS_SIGNATURE_NAME: &str = "SHA256SUMS.gpg";

/// What the name of a manifest ends with.
pub const MANIFEST_SUFFIX: &str = "manifest.json";

/// How much is read between two looks at whether to go on, in bytes.
const CHUNK: u64 = 4 << 20;

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
    /// Opens the folder; every file that the manifest names must be there
    /// with its size and digest, and SHA256SUMS must list exactly them.
    ///
    /// # Errors
    /// Which file is missing or differs.
    pub fn open(directory: &Path) -> Result<Self, ImageFilesError> {
        Self::open_watched(directory, &Progress::silent())
    }

    /// The same, reporting progress in bytes: the digests of large archives
    /// take seconds.
    ///
    /// # Errors
    /// As above, and an interruption.
    pub fn open_watched(directory: &Path, progress: &Progress) -> Result<Self, ImageFilesError> {
        let path = directory.join(SUMS_NAME);
        let sums_bytes = read_whole(&path, SUMS_MAX)?;
        let sums = parse_sums(&path, &sums_bytes)?;
        let (path, digest) = find_manifest(directory, &sums)?;
        let manifest_bytes = read_whole(&path, MANIFEST_MAX)?;
        if Sha256::of(&manifest_bytes) != digest {
            let by = SUMS_NAME;
            return Err(ImageFilesError::Digest { path, by });
        }
        let manifest = Manifest::parse(&manifest_bytes)
            .map_err(|source| ImageFilesError::Manifest { path, source })?;
        let path = directory.join(SUMS_SIGNATURE_NAME);
        let signature = match read_whole(&path, crate::keyring::SIGNATURE_MAX as u64) {
            Ok(bytes) => Some(bytes),
            Err(ImageFilesError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let files = Self {
            directory: directory.to_owned(),
            manifest,
            manifest_bytes,
            sums: sums_bytes,
            signature,
        };
        files.check_listing(&sums)?;
        files.check_digests(progress)?;
        Ok(files)
    }

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

    fn check_listing(&self, sums: &Sums) -> Result<(), ImageFilesError> {
        let files = self.checked_files()?;
        for PublishedFile { name, sha256, .. } in &files {
            match sums.get(name) {
                Some(digest) if digest == *sha256 => {}
                Some(_) => {
                    let path = self.directory.join(name);
                    let by = "the manifest, unlike SHA256SUMS,";
                    return Err(ImageFilesError::Digest { path, by });
                }
                None => {
                    let name = name.clone();
                    let listed = false;
                    return Err(ImageFilesError::Listing { name, listed });
                }
            }
        }
        match sums
            .iter()
            .find(|(n, _)| files.iter().all(|f| f.name != *n))
        {
            Some((name, _)) => Err(ImageFilesError::Listing {
                name: name.to_owned(),
                listed: true,
            }),
            None => Ok(()),
        }
    }

    fn check_digests(&self, progress: &Progress) -> Result<(), ImageFilesError> {
        let files = self.files();
        let total = files
            .iter()
            .fold(0, |sum: u64, f| sum.saturating_add(f.size));
        let running = progress.begin(Stage::Verify, Some(total), Unit::Bytes);
        for file in files {
            let path = self.directory.join(&file.name);
            let opened = open_sized(&path, file.size)?;
            let mut hashing = crate::digest::Hashing::new(opened);
            while hashing.length() < file.size {
                running.check()?;
                let chunk = io::copy(&mut (&mut hashing).take(CHUNK), &mut io::sink());
                match chunk {
                    Ok(0) => break,
                    Ok(length) => running.advance(length),
                    Err(source) => return Err(ImageFilesError::Read { path, source }),
                }
            }
            if hashing.finish().1 != file.sha256 {
                let by = "the manifest";
                return Err(ImageFilesError::Digest { path, by });
            }
        }
        Ok(())
    }
}

fn parse_sums(path: &Path, bytes: &[u8]) -> Result<Sums, ImageFilesError> {
    let path = || path.to_owned();
    let text = std::str::from_utf8(bytes).map_err(|_| ImageFilesError::NotText(path()))?;
    Sums::parse(text).map_err(|source| ImageFilesError::Sums {
        path: path(),
        source,
    })
}

fn find_manifest(directory: &Path, sums: &Sums) -> Result<(PathBuf, Sha256), ImageFilesError> {
    let is_manifest = |name: &str| {
        let image = name.strip_suffix(MANIFEST_SUFFIX);
        image.is_some_and(|i| i.ends_with('.'))
    };
    let found: Vec<_> = sums.iter().filter(|(name, _)| is_manifest(name)).collect();
    match found.as_slice() {
        [(name, digest)] => Ok((directory.join(name), *digest)),
        _ => Err(ImageFilesError::NoManifest {
            path: directory.join(SUMS_NAME),
            found: found.len(),
        }),
    }
}

fn open_file(path: &Path) -> Result<(File, u64), ImageFilesError> {
    let failed = |source: io::Error| ImageFilesError::Read {
        path: path.to_owned(),
        source,
    };
    // Without NONBLOCK, opening a FIFO would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(ImageFilesError::NotAFile(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ImageFilesError::NotAFile(path.to_owned()));
    }
    Ok((file, metadata.len()))
}

fn open_sized(path: &Path, expected: u64) -> Result<File, ImageFilesError> {
    let (file, found) = open_file(path)?;
    if found != expected {
        let path = path.to_owned();
        return Err(ImageFilesError::Size {
            path,
            expected,
            found,
        });
    }
    Ok(file)
}

fn read_whole(path: &Path, max: u64) -> Result<Vec<u8>, ImageFilesError> {
    let (file, _) = open_file(path)?;
    let mut bytes = Vec::new();
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|source| ImageFilesError::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > max {
        let path = path.to_owned();
        return Err(ImageFilesError::TooLarge { path, max });
    }
    Ok(bytes)
}
