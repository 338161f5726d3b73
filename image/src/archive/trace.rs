//! Watches the tar stream for traces of the host that packs it.
//!
//! What is packed passes here anyway, headers, link targets and attributes
//! included, so looking costs no second reading of the tree.

use super::ArchiveError;
use super::batch::{Batch, Listed};
use memchr::memmem::Finder;

/// Looks for texts that the tar stream must not hold.
pub(super) struct Watch<'t> {
    traces: Vec<Finder<'t>>,
    /// The end of the batch before, in which a trace may begin.
    tail: Vec<u8>,
    longest: usize,
    /// The entry that the stream is in.
    path: Vec<u8>,
}

impl<'t> Watch<'t> {
    /// For these texts.
    pub(super) fn new(traces: &'t [Vec<u8>]) -> Self {
        Self {
            traces: traces.iter().map(Finder::new).collect(),
            tail: Vec::new(),
            longest: traces.iter().map(Vec::len).max().unwrap_or(0),
            path: Vec::new(),
        }
    }

    /// Looks at the next batch.
    pub(super) fn look(&mut self, batch: &Batch) -> Result<(), ArchiveError> {
        let overlap = self.longest.saturating_sub(1);
        let begin = &batch.bytes[..batch.bytes.len().min(overlap)];
        self.tail.extend_from_slice(begin);
        for finder in &self.traces {
            if let Some(at) = finder.find(&batch.bytes) {
                let begun = |e: &Listed| e.entry.offset <= at as u64;
                let entry = batch.entries[..batch.entries.partition_point(begun)].last();
                return Err(found(entry.map_or(&self.path, |e| &e.entry.path), finder));
            }
            // It may have begun in the batch before.
            if finder.find(&self.tail).is_some() {
                return Err(found(&self.path, finder));
            }
        }
        self.tail.clear();
        let end = batch.bytes.len().saturating_sub(overlap);
        self.tail.extend_from_slice(&batch.bytes[end..]);
        if let Some(last) = batch.entries.last() {
            self.path.clone_from(&last.entry.path);
        }
        Ok(())
    }
}

fn found(path: &[u8], finder: &Finder<'_>) -> ArchiveError {
    ArchiveError::Trace {
        path: path.to_vec(),
        trace: String::from_utf8_lossy(finder.needle()).into_owned(),
    }
}
