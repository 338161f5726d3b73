//! The contents of files: their holes, their digests, and their data in batches.

use super::super::ArchiveError;
use super::super::batch::Piece;
use super::super::header::{BLOCK, pad};
use super::super::holes::{Finder, HOLE_MIN};
use super::super::limits::HOLES_LISTED_MAX;
use super::super::toc::Contents;
use super::reading::{changed, data_from, read_at, read_exactly};
use super::{About, Packer, Purpose, begin_entry, end_entry, size, whole};
use crate::place::Extent;
use rustix::fs::Stat;
use std::os::fd::{AsFd as _, OwnedFd};

/// Large files are read in pieces of so many bytes.
const PIECE: usize = 1 << 20;

impl Packer<'_> {
    /// A regular file: its attributes first, for they precede its data.
    pub(super) fn file(&mut self, mut about: About) -> Result<(), ArchiveError> {
        let fd = self.walk.open_file()?;
        about.xattrs = self.xattrs_of(fd.as_fd())?;
        let size = size(&about.stat);
        self.unpacked.bytes += size;
        // What the headers take is not known before the holes; even their
        // largest leaves the sum far below overflow.
        self.write_head(&about, size, None)?;
        if !self.batches.fits(whole(self.head.len(), size)) {
            return self.large(&about, &fd);
        }
        if size < HOLE_MIN {
            return self.small(&about, Some(&fd));
        }
        self.with_holes(&about, &fd, size)
    }

    /// A file that fits into a batch and may have holes.
    fn with_holes(&mut self, about: &About, fd: &OwnedFd, size: u64) -> Result<(), ArchiveError> {
        self.contents.clear();
        read_exactly(fd, &mut self.contents, size, self.walk.path())?;
        let mut finder = Finder::default();
        finder.push(&self.contents);
        let extents = finder.finish();
        let contents = std::mem::take(&mut self.contents);
        self.write_head(about, size, extents.as_deref())?;
        let stored: u64 = match &extents {
            Some(extents) => extents.iter().map(|e| e.length).sum(),
            None => size,
        };
        let batch = self
            .batches
            .begin(&about.name, whole(self.head.len(), stored))?;
        let mut listed = begin_entry(batch, about, self.purpose, &self.head, self.walk.path());
        let begun = batch.bytes.len();
        match &extents {
            None => {
                batch.bytes.extend_from_slice(&contents);
                listed.digest = Some(begun..batch.bytes.len());
            }
            Some(extents) => {
                for extent in extents {
                    let part = extent.offset as usize..(extent.offset + extent.length) as usize;
                    batch.bytes.extend_from_slice(&contents[part]);
                }
            }
        }
        let blake3 = match extents {
            None => [0; 32],
            Some(_) => blake3::hash(&contents).into(),
        };
        listed.entry.contents = Some(Contents {
            size,
            blake3,
            extents,
        });
        end_entry(batch, listed, begun);
        self.contents = contents;
        Ok(())
    }

    /// A file over a batch's size: read once for its holes and digest, which
    /// precede its data in one way or another, and once for the data itself.
    fn large(&mut self, about: &About, fd: &OwnedFd) -> Result<(), ArchiveError> {
        let size = size(&about.stat);
        let (extents, blake3) = self.scan(fd, size)?;
        self.write_head(about, size, extents.as_deref())?;
        self.batches.flush()?;
        let batch = self.batches.batch()?;
        let mut listed = begin_entry(batch, about, self.purpose, &self.head, self.walk.path());
        let whole = [Extent {
            offset: 0,
            length: size,
        }];
        let parts = extents.clone();
        listed.entry.contents = Some(Contents {
            size,
            blake3,
            extents,
        });
        batch.entries.push(listed);
        let mut stored = 0;
        for part in parts.as_deref().unwrap_or(&whole) {
            if self.purpose != Purpose::List {
                self.copy(fd, *part)?;
            }
            stored += part.length;
        }
        self.unchanged(fd, &about.stat)?;
        let padding = stored.next_multiple_of(BLOCK as u64) - stored;
        if padding > 0 {
            // Batches are whole blocks, so there is room for the rest of one.
            let batch = self.batches.batch()?;
            pad(&mut batch.bytes, stored as usize % BLOCK);
            batch.mark(Piece::Skeleton(padding as usize));
        }
        self.batches.flush()
    }

    /// Holes and BLAKE3 of a large file. Holes of the file system are not
    /// read: they are zeros.
    fn scan(
        &mut self,
        fd: &OwnedFd,
        size: u64,
    ) -> Result<(Option<Vec<Extent>>, [u8; 32]), ArchiveError> {
        let mut finder = Finder::default();
        let mut hasher = blake3::Hasher::new();
        self.contents.resize(PIECE, 0);
        let mut at = 0;
        while at < size {
            self.progress.check()?;
            let (data, end) = data_from(fd, at, size);
            self.skip(data - at)?;
            while at < data {
                self.progress.check()?;
                let length = (data - at).min(PIECE as u64) as usize;
                self.contents[..length].fill(0);
                hasher.update(&self.contents[..length]);
                finder.push_zeros(length as u64);
                at += length as u64;
            }
            while at < end {
                self.progress.check()?;
                let length = (end - at).min(PIECE as u64) as usize;
                let piece = &mut self.contents[..length];
                read_at(fd, piece, at, self.walk.path())?;
                hasher.update(piece);
                finder.push(piece);
                at += length as u64;
            }
        }
        Ok((finder.finish(), hasher.finalize().into()))
    }

    /// Counts a hole, of which every zero is to be digested.
    fn skip(&mut self, hole: u64) -> Result<(), ArchiveError> {
        self.holes = self.holes.saturating_add(hole);
        if self.purpose == Purpose::List && self.holes > HOLES_LISTED_MAX {
            return Err(ArchiveError::TooMuch {
                path: self.walk.path().to_vec(),
                what: "bytes of holes",
                max: HOLES_LISTED_MAX,
            });
        }
        Ok(())
    }

    fn copy(&mut self, fd: &OwnedFd, part: Extent) -> Result<(), ArchiveError> {
        let end = part.offset + part.length;
        let mut at = part.offset;
        while at < end {
            self.progress.check()?;
            let room = self.batches.room()?.min(PIECE);
            let length = (end - at).min(room as u64) as usize;
            let batch = self.batches.batch()?;
            let begun = batch.bytes.len();
            batch.bytes.resize(begun + length, 0);
            read_at(fd, &mut batch.bytes[begun..], at, self.walk.path())?;
            batch.mark(Piece::Data(length));
            at += length as u64;
        }
        Ok(())
    }

    /// A large file is read twice: it must be the same one.
    fn unchanged(&self, fd: &OwnedFd, before: &Stat) -> Result<(), ArchiveError> {
        let after =
            rustix::fs::fstat(fd).map_err(ArchiveError::reading("examine", self.walk.path()))?;
        let key = |s: &Stat| (s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime_nsec);
        if key(&after) == key(before) {
            return Ok(());
        }
        Err(changed(self.walk.path()))
    }
}
