//! Opening an image's folder: everything in it must agree before it is one.

use super::read::{open_sized, read_whole};
use super::{
    ImageFiles, ImageFilesError, MANIFEST_SUFFIX, PublishedFile, SUMS_NAME, SUMS_SIGNATURE_NAME,
};
use crate::Sha256;
use crate::digest::Hashing;
use crate::keyring::SIGNATURE_MAX;
use crate::manifest::{MANIFEST_MAX, Manifest};
use crate::progress::{Progress, Stage, Unit};
use crate::sums::{SUMS_MAX, Sums};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// How much is read between two looks at whether to go on, in bytes.
const CHUNK: u64 = 4 << 20;

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
        let signature = match read_whole(&path, SIGNATURE_MAX as u64) {
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
        // An image of before there were aliases has none.
        let aliases = self.aliases();
        let known = |name: &str, digest| {
            files.iter().any(|f| f.name == name)
                || aliases.iter().any(|a| a.name == name && a.sha256 == digest)
        };
        match sums.iter().find(|(name, digest)| !known(name, *digest)) {
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
            let mut hashing = Hashing::new(opened);
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
