//! Entries out of tar bytes, as they come from frames or from a stream.
//!
//! `tar-core` parses headers, pax records and maps of holes; here it is fed,
//! its limits are set, and what different readers would understand
//! differently is refused: pax records that are not canonical ([`super::pax`]),
//! global pax headers that say more than a comment, two long names, numbers
//! that are no numbers, data after an entry that can have none, a single block
//! of zeros, unknown types. What tar writes and passes over when it extracts
//! is passed over: labels, and the contents of dumped directories.

use super::ArchiveError;
use super::limits::{EXTENTS_MAX, HEAD_MAX, PATH_MAX};
use super::pax::{self, Pax};
use crate::place::Extent;
use std::io::{self, Read};
use tar_core::parse::{Limits, ParseError, ParseEvent, ParsedEntry, Parser};
use tar_core::{EntryType, Header};

/// A tar block, in bytes.
const BLOCK: u64 = 512;

/// Most pax headers and long names before an entry.
const PENDING_MAX: usize = 4;

/// Most bytes of headers before an entry: with their pax records, and a map of
/// holes (20 digits a number).
const PENDING_BYTES_MAX: usize = 2 * HEAD_MAX + 42 * EXTENTS_MAX;

/// Global pax headers in an archive (git writes one).
const GLOBAL_MAX: usize = 16;

/// A name of the archive (`tar --label`), and a directory of `tar
/// --incremental`, whose data are the names of what was in it.
const LABEL: EntryType = EntryType::Other(b'V');
const DUMPED: EntryType = EntryType::Other(b'D');

/// The largest numbers that a device has in the kernel; it cuts larger ones.
const MAJOR_MAX: u32 = 0xfff;
const MINOR_MAX: u32 = 0xf_ffff;

/// Where tar bytes come from.
pub(super) trait Source {
    /// Appends more of them to `out`; false at the end.
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError>;
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Where its data lies, if it has holes.
        extents: Option<Vec<Extent>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
    /// A hard link, and the path of what it is linked to.
    HardLink(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

/// An entry whose headers were read. Its data comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path as the tar has it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes that belong to a tree: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of its headers.
    pub head: u64,
    /// Bytes of its data in the tar, without padding.
    pub stored: u64,
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

enum Step {
    /// So many bytes at least, with those that are there.
    NeedData(usize),
    Entry(Box<Entry>),
    Global(usize),
    Label(usize),
    End(usize),
}

/// What is wrong with a header.
enum Wrong {
    Header(ParseError),
    Refused(Vec<u8>, &'static str),
    Stream(&'static str),
}

impl Wrong {
    fn after(self, last: &[u8]) -> ArchiveError {
        let after = last.to_vec();
        match self {
            Self::Header(source) => ArchiveError::Header {
                after,
                source: Box::new(source),
            },
            Self::Refused(path, what) => ArchiveError::refused(&path, what),
            Self::Stream(what) => ArchiveError::Stream { after, what },
        }
    }
}

fn step(parser: &mut Parser, bytes: &[u8]) -> Result<Step, Wrong> {
    let chain = Chain::of(bytes);
    if chain.lone_zeros {
        return Err(Wrong::Stream(
            "has a single block of zeros, at which some readers stop,",
        ));
    }
    if chain.parted {
        let what = "has a header between an entry and its long name or pax header";
        return Err(Wrong::Stream(what));
    }
    match parser.parse(bytes).map_err(Wrong::Header)? {
        ParseEvent::NeedData { min_bytes } => Ok(Step::NeedData(min_bytes)),
        ParseEvent::End { consumed } => Ok(Step::End(consumed)),
        ParseEvent::GlobalExtensions { consumed, pax_data } => {
            if !pax::is_harmless(pax_data) {
                let what = "has a global header that is not a comment";
                return Err(Wrong::Stream(what));
            }
            Ok(Step::Global(consumed))
        }
        ParseEvent::Entry { consumed, entry } => {
            let size = entry.size;
            if entry.entry_type == LABEL && size == 0 {
                return Ok(Step::Label(consumed));
            }
            understood(&entry, &chain, consumed, size, None)
        }
        ParseEvent::SparseEntry {
            consumed,
            entry,
            sparse_map,
            real_size,
        } => {
            let extents: Vec<_> = sparse_map
                .iter()
                .filter(|part| part.length > 0)
                .map(|part| Extent {
                    offset: part.offset,
                    length: part.length,
                })
                .collect();
            understood(&entry, &chain, consumed, real_size, Some(extents))
        }
    }
}

/// The headers before an entry, as far as they lie in memory.
#[derive(Debug, Default)]
struct Chain {
    /// GNU's long name and long link target.
    name: bool,
    link: bool,
    /// A block of zeros with something after it: at one, GNU tar stops, and
    /// others go on.
    lone_zeros: bool,
    /// What is nobody's entry, between an entry's own headers: its long name
    /// would be lost here, and kept by GNU tar.
    parted: bool,
}

impl Chain {
    fn of(mut bytes: &[u8]) -> Self {
        let mut chain = Self::default();
        for index in 0..=PENDING_MAX {
            let Some((block, rest)) = bytes.split_first_chunk() else {
                break;
            };
            if block.iter().all(|b| *b == 0) {
                let next = rest.get(..BLOCK as usize);
                chain.lone_zeros = next.is_some_and(|next| next.iter().any(|b| *b != 0));
                break;
            }
            let header = Header::from_bytes(block);
            match header.entry_type() {
                EntryType::GnuLongName => chain.name = true,
                EntryType::GnuLongLink => chain.link = true,
                EntryType::XHeader => {}
                EntryType::XGlobalHeader | LABEL => {
                    chain.parted = index > 0;
                    break;
                }
                _ => break,
            }
            let size = header.entry_size().unwrap_or(u64::MAX);
            let size = size.checked_next_multiple_of(BLOCK);
            let size = size.and_then(|size| usize::try_from(size).ok());
            match size.and_then(|size| rest.get(size..)) {
                Some(rest) => bytes = rest,
                None => break,
            }
        }
        chain
    }

    fn check(&self, pax: &Pax) -> Result<(), &'static str> {
        if self.name && pax.path {
            return Err("it has two long names");
        }
        if self.link && pax.link {
            return Err("it has two long targets");
        }
        Ok(())
    }
}

fn understood(
    entry: &ParsedEntry<'_>,
    chain: &Chain,
    consumed: usize,
    size: u64,
    extents: Option<Vec<Extent>>,
) -> Result<Step, Wrong> {
    let refused = |what| Wrong::Refused(entry.path.to_vec(), what);
    let own_size = || entry.header.entry_size().unwrap_or(u64::MAX);
    let pax = entry.pax.map(|records| pax::read(records, own_size()));
    let pax = pax.transpose().map_err(refused)?.unwrap_or_default();
    chain.check(&pax).map_err(refused)?;
    let kind = kind(entry, size, extents).map_err(refused)?;
    let stored = entry.size;
    // No file system has such a file, and padding it would overflow.
    if i64::try_from(stored).is_err() {
        return Err(refused("its size is out of range"));
    }
    let has_data = matches!(kind, Kind::File { .. });
    // A dump's directory holds the names of what was in it.
    if stored > 0 && !has_data && entry.entry_type != DUMPED {
        return Err(refused("it has data though it is no file"));
    }
    if let Kind::File {
        extents: Some(extents),
        ..
    } = &kind
    {
        let sum = extents
            .iter()
            .try_fold(0_u64, |sum, e| sum.checked_add(e.length));
        if sum != Some(stored) {
            return Err(refused("the map of its holes does not match its data"));
        }
    }
    let owner = |id: u64| u32::try_from(id).map_err(|_| refused("its owner is out of range"));
    let mode = match pax.mode {
        Some(bits) => entry.mode & !0o777 | bits,
        None => entry.mode,
    };
    Ok(Step::Entry(Box::new(Entry {
        mode,
        uid: owner(entry.uid)?,
        gid: owner(entry.gid)?,
        mtime: match pax.mtime {
            Some(time) => time,
            None => (
                header_mtime(entry).ok_or_else(|| refused("its time is out of range"))?,
                0,
            ),
        },
        xattrs: pax.xattrs.into_iter().collect(),
        path: entry.path.to_vec(),
        kind,
        head: consumed as u64,
        stored,
    })))
}

fn kind(
    entry: &ParsedEntry<'_>,
    size: u64,
    extents: Option<Vec<Extent>>,
) -> Result<Kind, &'static str> {
    let target = || match &entry.link_target {
        Some(target) if target.len() > PATH_MAX as usize => Err("its target is too long"),
        Some(target) if target.contains(&0) => Err("its target contains a NUL"),
        Some(target) => Ok(target.to_vec()),
        None => Err("it is a link without a target"),
    };
    let device = || match (entry.dev_major, entry.dev_minor) {
        (Some(major), Some(minor)) if major <= MAJOR_MAX && minor <= MINOR_MAX => {
            Ok((major, minor))
        }
        (Some(_), Some(_)) => Err("it is a device with a number that no device has"),
        _ => Err("it is a device without a number"),
    };
    if extents.is_some() && !matches!(entry.entry_type, EntryType::Regular | EntryType::GnuSparse) {
        return Err("it has a map of holes though it is no file");
    }
    Ok(match entry.entry_type {
        // The oldest tars have no type for directories.
        EntryType::Regular if entry.path.ends_with(b"/") && entry.size == 0 => Kind::Directory,
        EntryType::Regular | EntryType::GnuSparse | EntryType::Continuous => {
            if entry.path.ends_with(b"/") {
                return Err("it is a file, but its name ends in '/'");
            }
            Kind::File { size, extents }
        }
        EntryType::Directory | DUMPED => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target()?),
        EntryType::Link => Kind::HardLink(target()?),
        EntryType::Char => device().map(|(major, minor)| Kind::Character(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
        EntryType::Fifo => Kind::Fifo,
        _ => return Err("it is of a type that is not supported"),
    })
}

/// The header's own time. GNU tar writes one before 1970 in base 256, as a
/// negative number.
fn header_mtime(entry: &ParsedEntry<'_>) -> Option<i64> {
    let field = entry.header.as_ustar().mtime;
    match field.split_last_chunk::<8>() {
        Some((head, tail)) if head.iter().all(|b| *b == 0xff) => Some(i64::from_be_bytes(*tail)),
        _ => i64::try_from(entry.mtime).ok(),
    }
}
