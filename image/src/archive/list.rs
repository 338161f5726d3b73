//! Table of contents and skeleton as they are made: of an archive, or of a
//! tree alone, so that what was unpacked from an archive without a table can be
//! compared with what is there later.
//!
//! Such a list is made of the tree and not of the tar stream: the tree has
//! one entry a path, in order and with the directories that no archive need
//! name, whoever packed it and in whatever order. bsdtar writes `mtree` files
//! and rpm its database for the same end; both keep what is here (type, mode,
//! owner, time, size, digest, target), neither keeps extended attributes.
//!
//! It proves nothing by itself: whoever keeps it keeps its digest where it
//! is trusted.

use super::ArchiveError;
use super::batch::{Batch, Batches};
use super::compress::digests;
use super::limits::{LISTED_MAX, NAMES_MAX};
use super::pack::{Packer, Purpose};
use super::toc::{self, Frames};
use super::walk::Walk;
use crate::Sha256;
use crate::manifest::Tar;
use crate::progress::{Progress, Running, Stage, Unit};
use crossbeam_channel::{Receiver, bounded};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use zstd::stream::write::Encoder;

/// Uncompressed bytes of a batch, and how many there are at a time.
const BATCH: usize = 1 << 20;
const BATCHES: usize = 4;

/// zstd level of a list: higher ones take more time than they save.
const LEVEL: i32 = 3;

/// Lists the tree at `root`: its table of contents and its skeleton, as
/// [`super::Listing`] reads them. The tree must be nobody else's meanwhile.
///
/// # Errors
/// The tree cannot be read; [`ArchiveError::TooMuch`] or
/// [`ArchiveError::Unpackable`] if it is one that cannot be listed.
pub fn list(root: &Path, progress: &Progress) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
    let running = progress.begin(Stage::Verify, None, Unit::Bytes);
    let walk = Walk::new(root)?.holding_at_most(NAMES_MAX);
    let (sender, batches) = bounded(BATCHES);
    thread::scope(|scope| {
        let running = &running;
        let listing = scope.spawn(move || collect(&batches, running));
        let batches = Batches::new(BATCH, BATCHES, vec![sender]);
        let read = Packer::new(walk, batches, Purpose::List, progress).run();
        let listed = listing.join().expect("listing does not panic");
        match (read, listed) {
            (Err(ArchiveError::Stopped), Err(error)) => Err(error),
            (read, listed) => read.and(listed),
        }
    })
}

fn collect(
    batches: &Receiver<Arc<Batch>>,
    running: &Running,
) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
    let mut lists = Lists::new(LEVEL)?;
    for batch in batches {
        lists.add(&batch, digests(&batch))?;
        if lists.length() > LISTED_MAX {
            let last = batch.entries.last();
            return Err(ArchiveError::TooMuch {
                path: last.map_or_else(Vec::new, |last| last.entry.path.clone()),
                what: "bytes in the list of its files",
                max: LISTED_MAX,
            });
        }
        running.advance(batch.bytes.len() as u64);
    }
    let (table, skeleton) = lists.finish(&Frames {
        frames: Vec::new(),
        tar: Tar {
            size: 0,
            sha256: Sha256::of(b""),
        },
    })?;
    // The encoders gave out the rest only now.
    if (table.len() + skeleton.len()) as u64 > LISTED_MAX {
        return Err(ArchiveError::TooMuch {
            path: Vec::new(),
            what: "bytes in the list of its files",
            max: LISTED_MAX,
        });
    }
    Ok((table, skeleton))
}

/// A table of contents and a skeleton that are being written.
pub(super) struct Lists {
    level: i32,
    entries: toc::Entries,
    skeleton: Encoder<'static, Vec<u8>>,
}

fn failed(source: io::Error) -> ArchiveError {
    ArchiveError::Compress {
        doing: "compress the table of contents",
        source,
    }
}

impl Lists {
    /// Empty ones, compressed with this level of zstd's.
    pub(super) fn new(level: i32) -> Result<Self, ArchiveError> {
        let doing = "set up zstd for the table of contents";
        let fail = |source| ArchiveError::Compress { doing, source };
        Ok(Self {
            level,
            entries: toc::Entries::new(level).map_err(fail)?,
            skeleton: Encoder::new(Vec::new(), level).map_err(fail)?,
        })
    }

    /// Compressed bytes of both so far, about.
    fn length(&self) -> u64 {
        (self.entries.length() + self.skeleton.get_ref().len()) as u64
    }

    /// Appends a batch, with a digest for each of its entries that asks.
    pub(super) fn add(
        &mut self,
        batch: &Batch,
        digests: Vec<[u8; 32]>,
    ) -> Result<(), ArchiveError> {
        let mut digests = digests.into_iter();
        for listed in &batch.entries {
            let mut entry = listed.entry.clone();
            if let (Some(_), Some(contents)) = (&listed.digest, &mut entry.contents) {
                contents.blake3 = digests.next().expect("a digest for each that asked");
            }
            self.entries.add(&entry).map_err(failed)?;
        }
        for part in batch.skeleton() {
            self.skeleton.write_all(part).map_err(failed)?;
        }
        Ok(())
    }

    /// Both, compressed: first the table, then the skeleton.
    pub(super) fn finish(self, frames: &Frames) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
        let skeleton = self.skeleton.finish().map_err(failed)?;
        let table = self.entries.finish(frames, self.level).map_err(failed)?;
        Ok((table, skeleton))
    }
}
