//! Any tar that streams in, such as that of a package: its entries are read
//! as strictly as those of an archive.

use super::ArchiveError;
use super::entries::{Entries, Entry, Source};
use std::io::Read;

/// Bytes that are read at a time.
const PIECE: u64 = 128 << 10;

/// Reads a tar from its first entry to its last.
pub struct TarStream<R> {
    entries: Entries<Pieces<R>>,
}

struct Pieces<R>(R);

impl<R: Read> Source for Pieces<R> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        let mut piece = (&mut self.0).take(PIECE);
        let read = piece.read_to_end(out).map_err(ArchiveError::Tar)?;
        Ok(read > 0)
    }
}

impl<R: Read> TarStream<R> {
    /// Reads from `reader`, which yields a plain tar.
    pub fn new(reader: R) -> Self {
        Self {
            entries: Entries::new(Pieces(reader), Vec::new()),
        }
    }

    /// The next entry; what was left of the last one's data is passed over.
    ///
    /// # Errors
    /// The reader failed, or what comes is no entry that can be understood in
    /// one way only.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.entries.next()
    }

    /// The data of the current entry, if all of it lies in memory.
    pub fn data(&self) -> Option<&[u8]> {
        self.entries.data()
    }

    /// A reader over the data of the current entry. It ends early where the
    /// tar does.
    pub fn reader(&mut self) -> impl Read + '_ {
        self.entries.reader()
    }

    /// The reader, after the end; it may still hold bytes.
    pub fn into_inner(self) -> R {
        self.entries.into_parts().0.0
    }
}
