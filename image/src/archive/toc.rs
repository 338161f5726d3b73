//! The table of contents of a `.tar.zst`: its frames, its entries, and what
//! each file contains.
//!
//! It lies in a zstd skippable frame at the end of the archive, zstd
//! compressed, and the signed manifest holds its place and digest. Once
//! decompressed, format 2 is (numbers are LEB128, unsigned):
//!
//! ```text
//! "hatchery toc 2\n"
//! number of frames, and for each: compressed length, uncompressed length,
//!     1 if it begins inside a file (else 0), BLAKE3 of the compressed frame
//! length and SHA-256 of the tar
//! entries in the order of the tar, each: kind (1 file, 2 directory, 3 symlink,
//!     4 hard link, 5 character device, 6 block device, 7 FIFO),
//!     length of the path, the path (any bytes; the root's is empty),
//!     bytes of the skeleton before its data, frame, offset of its first
//!     header in the uncompressed frame, and for a file also: its size, the
//!     BLAKE3 of its contents (holes as zeros), 0 if it has no holes or else 1
//!     + the number of its parts with data, and offset and length of each
//! 0
//! ```
//!
//! Frames follow one another from the archive's first byte. The data of an
//! entry follows its headers in the tar and is padded to 512 bytes; the
//! skeleton holds everything else in order, so skeleton and contents give the
//! exact tar back (see [`super::replay`]). A table of a tree that has no archive
//! ([`super::list`]) names no frames and an empty tar.

use super::ArchiveError;
use super::limits::{
    COMPRESSED_FRAME_MAX, EXTENTS_MAX, FRAME_MAX, FRAMES_MAX, HEAD_MAX, PATH_MAX,
    TABLE_WINDOW_LOG_MAX,
};
use crate::Sha256;
use crate::manifest::Tar;
use crate::place::Extent;
use std::io::{self, Read, Write};

/// What the decompressed table starts with.
const MAGIC: &[u8; 15] = b"hatchery toc 2\n";

/// One compressed frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Offset from the archive's first byte.
    pub offset: u64,
    /// Compressed length in bytes.
    pub length: u64,
    /// Uncompressed length in bytes.
    pub uncompressed: u64,
    /// Whether it begins inside a file that an earlier frame began.
    pub continues: bool,
    /// Digest of the compressed bytes. Where a processor has no instructions
    /// for SHA-256, that would take as long as unpacking them.
    pub blake3: [u8; 32],
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A hard link to an earlier entry.
    HardLink = 4,
    /// A character device.
    Character = 5,
    /// A block device.
    Block = 6,
    /// A FIFO.
    Fifo = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Symlink,
            4 => Self::HardLink,
            5 => Self::Character,
            6 => Self::Block,
            7 => Self::Fifo,
            _ => return None,
        })
    }
}

/// What a regular file contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its length in bytes, holes included.
    pub size: u64,
    /// BLAKE3 of its bytes, holes as zeros.
    pub blake3: [u8; 32],
    /// The parts that the tar stores, if it has holes.
    pub extents: Option<Vec<Extent>>,
}

impl Contents {
    /// Bytes that the tar stores, without padding.
    #[must_use]
    pub fn stored(&self) -> u64 {
        match &self.extents {
            Some(extents) => extents.iter().map(|e| e.length).sum(),
            None => self.size,
        }
    }
}

/// One entry of the tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Path without `./` and trailing `/`; empty for the root.
    pub path: Vec<u8>,
    /// Bytes of the skeleton that precede its data: headers and map of holes.
    pub head: u64,
    /// Index of the frame that its first header lies in.
    pub frame: u64,
    /// Offset of that header in the uncompressed frame.
    pub offset: u64,
    /// Of a regular file.
    pub contents: Option<Contents>,
}

/// What stands before the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// The tar that they hold.
    pub tar: Tar,
}

/// Writes entries, one after another, into compressed memory.
pub(super) struct Entries {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    scratch: Vec<u8>,
}

impl Entries {
    pub(super) fn new(level: i32) -> io::Result<Self> {
        Ok(Self {
            encoder: zstd::stream::write::Encoder::new(Vec::new(), level)?,
            scratch: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let out = &mut self.scratch;
        out.clear();
        out.push(entry.kind as u8);
        number(out, entry.path.len() as u64);
        out.extend_from_slice(&entry.path);
        number(out, entry.head);
        number(out, entry.frame);
        number(out, entry.offset);
        if let Some(contents) = &entry.contents {
            number(out, contents.size);
            out.extend_from_slice(&contents.blake3);
            let parts = contents.extents.as_deref();
            number(out, parts.map_or(0, |parts| 1 + parts.len() as u64));
            for part in parts.unwrap_or_default() {
                number(out, part.offset);
                number(out, part.length);
            }
        }
        self.encoder.write_all(out)
    }

    /// Compressed bytes so far, about.
    pub(super) fn length(&self) -> usize {
        self.encoder.get_ref().len()
    }

    /// The compressed table.
    pub(super) fn finish(mut self, frames: &Frames, level: i32) -> io::Result<Vec<u8>> {
        self.encoder.write_all(&[0])?;
        let entries = self.encoder.finish()?;
        let mut head = MAGIC.to_vec();
        number(&mut head, frames.frames.len() as u64);
        for frame in &frames.frames {
            number(&mut head, frame.length);
            number(&mut head, frame.uncompressed);
            head.push(u8::from(frame.continues));
            head.extend_from_slice(&frame.blake3);
        }
        number(&mut head, frames.tar.size);
        head.extend_from_slice(frames.tar.sha256.as_bytes());
        let mut table = zstd::bulk::compress(&head, level)?;
        table.extend_from_slice(&entries);
        Ok(table)
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a table of contents: the frames at once, then entry by entry, so
/// that its memory does not depend on their number.
pub struct Reader<R: Read> {
    input: io::BufReader<R>,
    frames: Frames,
    done: bool,
}

impl<'a> Reader<zstd::stream::read::Decoder<'static, io::BufReader<&'a [u8]>>> {
    /// Begins to read the table in a skippable frame's content, whose digest
    /// must have been compared with the signed one.
    ///
    /// # Errors
    /// It is not a table of contents, or one beyond the limits.
    pub fn new(content: &'a [u8]) -> Result<Self, ArchiveError> {
        let mut decoder = zstd::stream::read::Decoder::new(content).map_err(broken)?;
        decoder
            .window_log_max(TABLE_WINDOW_LOG_MAX)
            .map_err(broken)?;
        Self::decompressed(decoder)
    }
}

/// The frames of a table that is read piecewise, without its entries. The
/// digest of its bytes must have been compared with the signed one.
///
/// # Errors
/// It is not a table of contents, or one beyond the limits.
pub fn frames(content: impl Read) -> Result<Frames, ArchiveError> {
    let mut decoder = zstd::stream::read::Decoder::new(content).map_err(broken)?;
    decoder
        .window_log_max(TABLE_WINDOW_LOG_MAX)
        .map_err(broken)?;
    Ok(Reader::decompressed(decoder)?.frames)
}

impl<R: Read> Reader<R> {
    fn decompressed(input: R) -> Result<Self, ArchiveError> {
        let mut reader = Self {
            input: io::BufReader::new(input),
            frames: Frames {
                frames: Vec::new(),
                tar: Tar {
                    size: 0,
                    sha256: Sha256::of(b""),
                },
            },
            done: false,
        };
        reader.read_frames()?;
        Ok(reader)
    }

    /// The frames, and the tar that they hold.
    #[must_use]
    pub const fn frames(&self) -> &Frames {
        &self.frames
    }

    fn read_frames(&mut self) -> Result<(), ArchiveError> {
        let magic: [u8; 15] = self.bytes()?;
        if &magic != MAGIC {
            return Err(ArchiveError::table("it is not of format 2"));
        }
        let count = self.bounded("frames", FRAMES_MAX)?;
        let mut offset = 0;
        for index in 0..count {
            let frame = Frame {
                offset,
                length: self.bounded("bytes in a compressed frame", COMPRESSED_FRAME_MAX)?,
                uncompressed: self.bounded("bytes in a frame", FRAME_MAX)?,
                continues: self.bounded("as a flag", 1)? == 1,
                blake3: self.bytes()?,
            };
            if frame.continues && index == 0 {
                return Err(ArchiveError::table("its first frame continues a file"));
            }
            offset += frame.length;
            self.frames.frames.push(frame);
        }
        self.frames.tar = Tar {
            size: self.number()?,
            sha256: self.bytes::<32>()?.into(),
        };
        let sum: u64 = self.frames.frames.iter().map(|f| f.uncompressed).sum();
        if sum != self.frames.tar.size {
            return Err(ArchiveError::table("its frames do not make up the tar"));
        }
        Ok(())
    }

    /// The next entry.
    ///
    /// # Errors
    /// The table ends early or exceeds the limits.
    pub fn entry(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.done {
            return Ok(None);
        }
        let [byte] = self.bytes()?;
        if byte == 0 {
            self.done = true;
            return Ok(None);
        }
        let kind = Kind::from_byte(byte)
            .ok_or_else(|| ArchiveError::table(format!("an entry is of unknown kind {byte}")))?;
        let length = self.bounded("bytes in a path", PATH_MAX.into())?;
        let mut path = vec![0; usize::try_from(length).expect("a path is short")];
        self.input.read_exact(&mut path).map_err(broken)?;
        let frames = self.frames.frames.len() as u64;
        let mut entry = Entry {
            kind,
            path,
            head: self.bounded("bytes of headers", 2 * HEAD_MAX as u64)?,
            frame: self.bounded("as the last frame", frames.saturating_sub(1))?,
            offset: self.bounded("as an offset", FRAME_MAX)?,
            contents: None,
        };
        if kind == Kind::File {
            entry.contents = Some(self.contents()?);
        }
        Ok(Some(entry))
    }

    fn contents(&mut self) -> Result<Contents, ArchiveError> {
        let size = self.number()?;
        let blake3 = self.bytes()?;
        let parts = self.bounded("parts between holes", EXTENTS_MAX as u64 + 1)?;
        let mut extents = None;
        let mut end = 0;
        for _ in 1..parts {
            let offset = self.number()?;
            let length = self.number()?;
            if offset < end || offset.checked_add(length).is_none_or(|end| end > size) {
                return Err(ArchiveError::table("a file's map of holes is inconsistent"));
            }
            end = offset + length;
            extents
                .get_or_insert_with(Vec::new)
                .push(Extent { offset, length });
        }
        if parts == 1 {
            extents = Some(Vec::new());
        }
        Ok(Contents {
            size,
            blake3,
            extents,
        })
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(broken)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, ArchiveError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.bytes()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ArchiveError::table("a number in it is too large"))
    }

    fn bounded(&mut self, what: &str, max: u64) -> Result<u64, ArchiveError> {
        let value = self.number()?;
        if value > max {
            let what = format!("it says {value} {what}, and {max} are allowed");
            return Err(ArchiveError::table(what));
        }
        Ok(value)
    }
}

fn broken(source: io::Error) -> ArchiveError {
    ArchiveError::table(format!("it ends early or is damaged ({source})"))
}
