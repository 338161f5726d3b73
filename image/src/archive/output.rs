//! An archive file that is being written: digested, fsynced, and removed
//! again unless it is finished.

use super::ArchiveError;
use crate::digest::Hashing;
use crate::manifest::ArchiveFormat;
use crate::{RelativePath, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file.
#[derive(Debug)]
pub(super) struct Output {
    name: RelativePath,
    path: PathBuf,
    file: Option<Hashing<File>>,
    finished: bool,
}

impl Output {
    /// Makes `directory/BASE.tar.zst` or `.tar.xz`, which must not exist.
    pub(super) fn create(
        directory: &Path,
        base: &str,
        format: ArchiveFormat,
    ) -> Result<Self, ArchiveError> {
        let name = format!("{base}.{}", format.suffix());
        let path = directory.join(&name);
        let fail = |source| ArchiveError::Write {
            doing: "create",
            path: path.clone(),
            source,
        };
        let name = name
            .parse()
            .map_err(|e| fail(io::Error::new(io::ErrorKind::InvalidInput, e)))?;
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o644).open(&path);
        Ok(Self {
            name,
            file: Some(Hashing::new(file.map_err(fail)?)),
            path,
            finished: false,
        })
    }

    /// Bytes written.
    pub(super) fn length(&self) -> u64 {
        self.file.as_ref().map_or(0, Hashing::length)
    }

    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.write_all(bytes)
            .map_err(|source| self.failed("write", source))
    }

    /// Syncs the file; its name, length and digest.
    pub(super) fn finish(mut self) -> Result<(RelativePath, u64, Sha256), ArchiveError> {
        let hashing = self.file.take().expect("it is finished once");
        let length = hashing.length();
        let (file, sha256) = hashing.finish();
        file.sync_all().map_err(|e| self.failed("sync", e))?;
        self.finished = true;
        Ok((self.name.clone(), length, sha256))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> ArchiveError {
        ArchiveError::Write {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.path);
        }
    }
}
