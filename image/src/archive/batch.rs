//! The tar stream cut into batches, each of which becomes one zstd frame.
//!
//! Cuts depend on the tar bytes alone. Small entries share a batch up to its
//! size. From half of it on, a batch ends before an entry whose name
//! says so ([`ends_before`]): after a file was changed, added or removed, cuts
//! so soon fall again where they were, and later frames stay the same. An entry that is larger than a batch has batches of its own, cut at
//! multiples of the size, so that memory stays bounded on both sides and a
//! large file, too, is compressed in parallel. A batch's memory goes back to
//! a pool once everybody is done with it; an empty pool holds the reader up.

use super::ArchiveError;
use super::toc;
use crossbeam_channel::{Receiver, Sender};
use std::ops::Range;
use std::sync::Arc;

/// Part of the uncompressed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes of headers and padding: they are in the skeleton.
    Skeleton(usize),
    /// So many bytes of a file.
    Data(usize),
}

/// An entry as it goes into the table of contents, once its digest is known.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) entry: toc::Entry,
    /// The contents, if they lie in the batch and are still to be digested.
    pub(super) digest: Option<Range<usize>>,
}

/// The bytes of one frame, and what they are.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) pieces: Vec<Piece>,
    pub(super) entries: Vec<Listed>,
    pub(super) continues: bool,
    pool: Sender<Vec<u8>>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        // Nobody waits for it when packing is over.
        let _ = self.pool.send(bytes);
    }
}

/// Fills batches and hands them on.
pub(super) struct Batches {
    size: usize,
    current: Option<Batch>,
    index: u64,
    continues: bool,
    pool: Receiver<Vec<u8>>,
    give_back: Sender<Vec<u8>>,
    out: Vec<Sender<Arc<Batch>>>,
}

impl Batches {
    /// Batches of `size` bytes, of which `in_flight` exist at a time, for all
    /// of `out`.
    pub(super) fn new(size: usize, in_flight: usize, out: Vec<Sender<Arc<Batch>>>) -> Self {
        let (give_back, pool) = crossbeam_channel::unbounded();
        for _ in 0..in_flight {
            give_back.send(Vec::new()).expect("the pool is open");
        }
        Self {
            size,
            current: None,
            index: 0,
            continues: false,
            pool,
            give_back,
            out,
        }
    }

    /// Whether an entry of so many bytes, all told, fits into one batch.
    pub(super) const fn fits(&self, length: u64) -> bool {
        length <= self.size as u64
    }

    /// Makes room for an entry of this name and so many bytes: in the current
    /// batch, or else at the beginning of a new one.
    pub(super) fn begin(&mut self, name: &[u8], length: u64) -> Result<&mut Batch, ArchiveError> {
        let used = self.current.as_ref().map_or(0, |b| b.bytes.len());
        let is_full = used as u64 + length > self.size as u64;
        let may_end = used >= self.size / 2;
        if used > 0 && (is_full || may_end && ends_before(name)) {
            self.flush()?;
        }
        self.batch()
    }

    /// How many bytes are left in the current batch, which is never full.
    pub(super) fn room(&mut self) -> Result<usize, ArchiveError> {
        if self
            .current
            .as_ref()
            .is_some_and(|b| b.bytes.len() >= self.size)
        {
            self.flush()?;
            self.continues = true;
        }
        let size = self.size;
        Ok(size - self.batch()?.bytes.len())
    }

    /// The batch that is being filled.
    pub(super) fn batch(&mut self) -> Result<&mut Batch, ArchiveError> {
        if self.current.is_none() {
            let mut bytes = self.pool.recv().map_err(|_| ArchiveError::Stopped)?;
            bytes.reserve_exact(self.size + 1024);
            self.current = Some(Batch {
                index: self.index,
                bytes,
                pieces: Vec::new(),
                entries: Vec::new(),
                continues: std::mem::take(&mut self.continues),
                pool: self.give_back.clone(),
            });
            self.index += 1;
        }
        Ok(self.current.as_mut().expect("it was just made"))
    }

    /// Hands the current batch on.
    pub(super) fn flush(&mut self) -> Result<(), ArchiveError> {
        let Some(batch) = self.current.take() else {
            return Ok(());
        };
        let batch = Arc::new(batch);
        for out in &self.out {
            out.send(Arc::clone(&batch))
                .map_err(|_| ArchiveError::Stopped)?;
        }
        Ok(())
    }
}

/// Whether a batch that is long enough ends before an entry of this name: one
/// in eight does.
fn ends_before(name: &[u8]) -> bool {
    blake3::hash(name).as_bytes()[0].is_multiple_of(8)
}

impl Batch {
    /// Says what the last `length` bytes are.
    pub(super) fn mark(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Skeleton(0) | Piece::Data(0)) => {}
            (Some(Piece::Skeleton(sum)), Piece::Skeleton(n))
            | (Some(Piece::Data(sum)), Piece::Data(n)) => *sum += n,
            _ => self.pieces.push(piece),
        }
    }

    /// The bytes that the skeleton holds, in order.
    pub(super) fn skeleton(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        self.pieces.iter().filter_map(move |piece| {
            let (Piece::Skeleton(n) | Piece::Data(n)) = *piece;
            let bytes = &self.bytes[at..at + n];
            at += n;
            matches!(piece, Piece::Skeleton(_)).then_some(bytes)
        })
    }
}
