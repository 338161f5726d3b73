//! What an archive holds, entry by entry, without the archive: its table of
//! contents says what each file contains, and its skeleton everything else.
//!
//! Both come from an archive whose digest was verified, or were compared with
//! the signed digests since; they are read as strictly as the archive itself.

use super::ArchiveError;
use super::entries::{Entries, Entry, Kind, Source};
use super::limits::WINDOW_LOG_MAX;
use super::toc::{self, Contents, Reader};
use std::io::{self, BufReader, Read};

/// Decompressed bytes of the skeleton that are read at a time.
const PIECE: usize = 64 << 10;

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path, without `./` and trailing `/`; empty for the root.
    pub path: Vec<u8>,
    /// What its headers say.
    pub entry: Entry,
    /// Of a regular file.
    pub contents: Option<Contents>,
}

type Decoder<'a> = zstd::stream::read::Decoder<'static, BufReader<&'a [u8]>>;

/// Reads the entries in the order of the archive.
pub struct Listing<'a> {
    table: Reader<Decoder<'a>>,
    skeleton: BufReader<Decoder<'a>>,
    buffer: Vec<u8>,
    /// Padding after the last entry's data.
    padding: u64,
}

impl<'a> Listing<'a> {
    /// Begins to read table and skeleton, each the compressed content of its
    /// skippable frame.
    ///
    /// # Errors
    /// They are no such things.
    pub fn new(table: &'a [u8], skeleton: &'a [u8]) -> Result<Self, ArchiveError> {
        let mut decoder = zstd::stream::read::Decoder::new(skeleton).map_err(broken)?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
        Ok(Self {
            table: Reader::new(table)?,
            skeleton: BufReader::with_capacity(PIECE, decoder),
            buffer: Vec::new(),
            padding: 0,
        })
    }

    /// The next entry.
    ///
    /// # Errors
    /// Table and skeleton do not belong together, or end early.
    pub fn next_entry(&mut self) -> Result<Option<Listed>, ArchiveError> {
        let Some(row) = self.table.entry()? else {
            return Ok(None);
        };
        let skipped = io::copy(
            &mut (&mut self.skeleton).take(self.padding),
            &mut io::sink(),
        );
        if skipped.map_err(broken)? < self.padding {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let head = Head {
            bytes: (&mut self.skeleton).take(row.head),
        };
        let mut entries = Entries::new(head, std::mem::take(&mut self.buffer));
        let entry = entries.next()?;
        self.buffer = entries.into_parts().1;
        let entry = entry.filter(|entry| belongs(entry, &row));
        let entry = entry
            .ok_or_else(|| ArchiveError::table("it does not belong to the archive's skeleton"))?;
        let stored = row.contents.as_ref().map_or(0, Contents::stored);
        self.padding = stored.next_multiple_of(512) - stored;
        Ok(Some(Listed {
            path: row.path,
            entry,
            contents: row.contents,
        }))
    }
}

/// Whether a row of the table is that of an entry.
fn belongs(entry: &Entry, row: &toc::Entry) -> bool {
    let path = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let same_kind = match (&entry.kind, row.kind) {
        (Kind::File { size, .. }, toc::Kind::File) => {
            row.contents.as_ref().is_some_and(|c| c.size == *size)
        }
        (Kind::Directory, toc::Kind::Directory)
        | (Kind::Symlink(_), toc::Kind::Symlink)
        | (Kind::HardLink(_), toc::Kind::HardLink)
        | (Kind::Character(..), toc::Kind::Character)
        | (Kind::Block(..), toc::Kind::Block)
        | (Kind::Fifo, toc::Kind::Fifo) => true,
        _ => false,
    };
    same_kind && entry.head == row.head && path == row.path
}

/// The headers of one entry.
struct Head<R> {
    bytes: R,
}

impl<R: Read> Source for Head<R> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        // At most what `toc::Reader` allows as the length of headers.
        Ok(self.bytes.read_to_end(out).map_err(broken)? > 0)
    }
}

fn broken(source: io::Error) -> ArchiveError {
    ArchiveError::table(format!("the skeleton ends early or is damaged ({source})"))
}
