//! Entries out of tar bytes, as they come from frames or from a stream.
//!
//! `tar-core` parses headers, pax records and maps of holes; here it is fed,
//! its limits are set, and what different readers would understand
//! differently is refused: pax records that are not canonical ([`super::pax`]),
//! global pax headers that say more than a comment, two long names, numbers
//! that are no numbers, data after an entry that can have none, a single block
//! of zeros, unknown types. What tar writes and passes over when it extracts
//! is passed over: labels, and the contents of dumped directories.

mod chain;
mod entry;
mod step;

pub use entry::{Entry, Kind};

use super::ArchiveError;
use super::limits::{EXTENTS_MAX, HEAD_MAX};
use std::io::{self, Read};
use step::{Step, step};
use tar_core::parse::{Limits, Parser};

/// A tar block, in bytes.
const BLOCK: u64 = 512;

/// Most pax headers and long names before an entry.
const PENDING_MAX: usize = 4;

/// Most bytes of headers before an entry: with their pax records, and a map of
/// holes (20 digits a number).
const PENDING_BYTES_MAX: usize = 2 * HEAD_MAX + 42 * EXTENTS_MAX;

/// Global pax headers in an archive (git writes one).
const GLOBAL_MAX: usize = 16;

/// Where tar bytes come from.
pub(super) trait Source {
    /// Appends more of them to `out`; false at the end.
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError>;
}

/// Reads entries, one after another.
pub(super) struct Entries<S> {
    source: S,
    parser: Parser,
    buffer: Vec<u8>,
    /// Where what was not used yet begins in the buffer.
    at: usize,
    /// Data and padding of the current entry that are still to come.
    left: u64,
    padding: u64,
    globals: usize,
    ended: bool,
    /// Path of the last entry, for errors.
    last: Vec<u8>,
}

impl<S: Source> Entries<S> {
    /// Reads from `source`; `buffer` is used again.
    pub(super) fn new(source: S, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        let mut parser = Parser::new(Limits {
            max_metadata_size: HEAD_MAX as u32,
            // `place` refuses long paths, and names them.
            max_path_len: None,
            max_pending_entries: PENDING_MAX,
            max_sparse_entries: EXTENTS_MAX,
        });
        // Only so that times before 1970 pass: `pax` is stricter.
        parser.set_ignore_pax_errors(true);
        Self {
            source,
            parser,
            buffer,
            at: 0,
            left: 0,
            padding: 0,
            globals: 0,
            ended: false,
            last: Vec::new(),
        }
    }

    /// The source and the buffer.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.source, self.buffer)
    }

    /// Whether the two zero blocks at the end of a tar were seen.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// The next entry; what was left of the last one's data is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.skip()?;
        loop {
            if self.ended {
                return Ok(None);
            }
            let step = step(&mut self.parser, &self.buffer[self.at..]);
            match step.map_err(|what| what.after(&self.last))? {
                Step::NeedData(least) => {
                    if !self.need(least)? {
                        return Ok(None);
                    }
                }
                Step::Entry(entry) => {
                    self.at += entry.head as usize;
                    self.left = entry.stored;
                    self.padding = entry.stored.next_multiple_of(BLOCK) - entry.stored;
                    self.last.clone_from(&entry.path);
                    return Ok(Some(*entry));
                }
                // The latter is a name of the archive, which tar passes over.
                Step::Global(consumed) | Step::Label(consumed) => {
                    self.at += consumed;
                    self.globals += 1;
                    if self.globals > GLOBAL_MAX {
                        return Err(self.stream("has too many global headers"));
                    }
                }
                Step::End(consumed) => {
                    self.at += consumed;
                    self.ended = true;
                }
            }
        }
    }

    /// Gets more bytes for a header, of which at least `least` are needed.
    /// False at an end between two entries.
    fn need(&mut self, least: usize) -> Result<bool, ArchiveError> {
        let had = self.buffer.len() - self.at;
        if had.max(least) > PENDING_BYTES_MAX {
            return Err(self.stream("has a header that is too long"));
        }
        // A header is read from its beginning each time. How long a map of
        // holes is shows only at its end, so that one that comes byte by byte
        // would be read as often, unless there is twice as much of it first.
        let wanted = least.max((2 * had).min(PENDING_BYTES_MAX + 1));
        while self.buffer.len() - self.at < wanted {
            if self.fill()? {
                continue;
            }
            let have = self.buffer.len() - self.at;
            if have == 0 {
                return Ok(false);
            }
            if have == had {
                return Err(self.stream("ends in the middle of a header"));
            }
            // It may be enough: of a map, more is asked for than it may have.
            break;
        }
        Ok(true)
    }

    fn fill(&mut self) -> Result<bool, ArchiveError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.source.more(&mut self.buffer)
    }

    /// The whole data of the current entry, if it lies in memory already. It
    /// is passed over only by [`Self::next`].
    pub(super) fn data(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.left).ok()?;
        self.buffer[self.at..].get(..length)
    }

    /// A reader over the data of the current entry.
    pub(super) fn reader(&mut self) -> Data<'_, S> {
        Data {
            entries: self,
            failed: None,
        }
    }

    fn skip(&mut self) -> Result<(), ArchiveError> {
        let mut left = self.left + self.padding;
        while left > 0 {
            let here = (self.buffer.len() - self.at) as u64;
            let now = here.min(left);
            self.at += now as usize;
            left -= now;
            if left > 0 && !self.fill()? {
                return Err(self.stream("ends in the middle of a file"));
            }
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn stream(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Stream {
            after: self.last.clone(),
            what,
        }
    }
}

/// The data of an entry, as far as it goes.
pub(super) struct Data<'e, S> {
    entries: &'e mut Entries<S>,
    failed: Option<ArchiveError>,
}

impl<S> Data<'_, S> {
    /// The error behind an I/O error of this reader.
    pub(super) fn failure(self) -> Option<ArchiveError> {
        self.failed
    }
}

impl<S: Source> Read for Data<'_, S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let entries = &mut *self.entries;
        if entries.left == 0 {
            return Ok(0);
        }
        while entries.at == entries.buffer.len() {
            match entries.fill() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    let kind = io::Error::other(error.to_string());
                    self.failed = Some(error);
                    return Err(kind);
                }
            }
        }
        let here = &entries.buffer[entries.at..];
        let left = usize::try_from(entries.left).unwrap_or(usize::MAX);
        let n = out.len().min(here.len()).min(left);
        out[..n].copy_from_slice(&here[..n]);
        entries.at += n;
        entries.left -= n as u64;
        Ok(n)
    }
}
