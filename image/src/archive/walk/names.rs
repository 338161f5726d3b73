//! The names in a directory, sorted, and the memory of all those that are still
//! to come.

use super::super::ArchiveError;
use super::super::limits::allocated;
use rustix::fs::{AtFlags, FileType, RawDir};
use std::os::fd::OwnedFd;

/// Buffer for directory entries, in bytes.
const BUFFER: usize = 64 << 10;

/// A name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// With a `/` at its end if it is a directory's.
    pub(super) key: Box<[u8]>,
}

/// What a name takes in the list of its directory until that is dropped: the
/// list doubles as it grows.
const PLACE: u64 = 2 * size_of::<Name>() as u64;

impl Name {
    /// What it takes besides.
    fn memory(&self) -> u64 {
        allocated(self.key.len()) as u64
    }
}

/// Reads names, and counts them.
#[derive(Debug)]
pub(super) struct Names {
    buffer: Vec<u8>,
    /// Memory of those that are still to come, in bytes, and how much it may be.
    held: u64,
    pub(super) max: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(BUFFER),
            held: 0,
            max: u64::MAX,
        }
    }

    /// The names in the directory at `path`, the first one last.
    pub(super) fn read(&mut self, fd: &OwnedFd, path: &[u8]) -> Result<Vec<Name>, ArchiveError> {
        let mut names = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(ArchiveError::reading("read the directory", path))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let stat = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(ArchiveError::reading("examine what is in", path))?;
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            let key = match kind {
                FileType::Directory => [name, b"/"].concat(),
                _ => name.to_vec(),
            };
            let name = Name { key: key.into() };
            self.hold(PLACE + name.memory(), path)?;
            names.push(name);
        }
        self.buffer = buffer;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    fn hold(&mut self, bytes: u64, path: &[u8]) -> Result<(), ArchiveError> {
        self.held += bytes;
        if self.held <= self.max {
            return Ok(());
        }
        Err(ArchiveError::TooMuch {
            path: path.to_vec(),
            what: "bytes of names in its directories",
            max: self.max,
        })
    }

    /// A name came, and is dropped.
    pub(super) fn taken(&mut self, name: &Name) {
        self.held -= name.memory();
    }

    /// The list of a directory is dropped, which had so many names.
    pub(super) fn dropped(&mut self, listed: usize) {
        self.held -= PLACE * listed as u64;
    }
}
