//! An archive whose bytes are known to be those that were signed.

use super::ArchiveError;
use super::toc::{self, Frame};
use crate::Sha256;
use crate::digest::Hashing;
use crate::manifest::{self, Span};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// Bytes that are read at a time while verifying.
const PIECE: usize = 128 << 10;

/// Largest table of contents or skeleton that is read into memory, compressed.
/// A tree of a million files has a table of about 45 MiB.
const SPAN_MAX: u64 = 256 << 20;

/// An open archive whose bytes had the expected digest.
#[derive(Debug)]
pub struct VerifiedArchive {
    file: File,
    archive: manifest::Archive,
}

impl VerifiedArchive {
    /// Reads the file once and compares size and digest.
    ///
    /// The file should be one that nobody else writes to; frames and table
    /// are compared again when they are read.
    ///
    /// # Errors
    /// It differs, or cannot be read.
    pub fn verify(file: File, expected: &manifest::Archive) -> Result<Self, ArchiveError> {
        let mut hashing = Hashing::new(io::sink());
        // Small enough to be digested out of the processor's cache.
        let mut buffer = vec![0; PIECE];
        // One byte more than expected shows that it is too long.
        while hashing.length() <= expected.size {
            let n = file
                .read_at(&mut buffer, hashing.length())
                .map_err(|e| failed(expected, "verify its digest", e))?;
            if n == 0 {
                break;
            }
            hashing
                .write_all(&buffer[..n])
                .expect("a sink takes everything");
        }
        let size = hashing.length();
        let (_, sha256) = hashing.finish();
        Self::received(file, expected, size, sha256)
    }

    /// The same for a file whose bytes were counted and digested while they
    /// were written to it.
    ///
    /// # Errors
    /// It differs.
    pub fn received(
        file: File,
        expected: &manifest::Archive,
        size: u64,
        sha256: Sha256,
    ) -> Result<Self, ArchiveError> {
        if size != expected.size {
            let what = match size {
                n if n > expected.size => format!("it is longer than {} bytes", expected.size),
                n => format!("it has {n} of {} bytes", expected.size),
            };
            return Err(differs(expected, what));
        }
        if sha256 != expected.sha256 {
            let what = format!("its SHA-256 is {sha256}, not {}", expected.sha256);
            return Err(differs(expected, what));
        }
        Ok(Self {
            file,
            archive: expected.clone(),
        })
    }

    /// What the manifest says about it.
    #[must_use]
    pub const fn archive(&self) -> &manifest::Archive {
        &self.archive
    }

    /// The table of contents' bytes, if there is one; see [`toc::Reader`].
    ///
    /// # Errors
    /// They cannot be read, or differ from what is signed.
    pub fn toc(&self) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.archive.toc.as_ref().map(|s| self.span(s)).transpose()
    }

    /// The skeleton's bytes, compressed, if there is one; see
    /// [`super::replay`].
    ///
    /// # Errors
    /// They cannot be read, or differ from what is signed.
    pub fn skeleton(&self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let span = self.archive.skeleton.as_ref();
        span.map(|s| self.span(s)).transpose()
    }

    /// The frames, if there is a table of contents. It is read piecewise: its
    /// entries may be many.
    pub(super) fn frames(&self) -> Result<Option<toc::Frames>, ArchiveError> {
        let Some(span) = &self.archive.toc else {
            return Ok(None);
        };
        self.check_span(span)?;
        let table = || self.reader(span.offset).take(span.length);
        let (sha256, _) = Sha256::of_reader(table())
            .map_err(|e| failed(&self.archive, "read its table of contents", e))?;
        self.compare(span, sha256)?;
        toc::frames(table()).map(Some)
    }

    fn span(&self, span: &Span) -> Result<Vec<u8>, ArchiveError> {
        self.check_span(span)?;
        let mut bytes = Vec::new();
        let (offset, length) = (span.offset, span.length);
        read_at(&self.file, &self.archive, offset, length, &mut bytes)?;
        self.compare(span, Sha256::of(&bytes))?;
        Ok(bytes)
    }

    fn check_span(&self, span: &Span) -> Result<(), ArchiveError> {
        let end = span.offset.checked_add(span.length);
        if span.length > SPAN_MAX || end.is_none_or(|end| end > self.archive.size) {
            return Err(ArchiveError::table("it does not lie in the archive"));
        }
        Ok(())
    }

    fn compare(&self, span: &Span, sha256: Sha256) -> Result<(), ArchiveError> {
        if sha256 == span.sha256 {
            return Ok(());
        }
        let what = "its table of contents has another digest".to_owned();
        Err(differs(&self.archive, what))
    }

    /// A compressed frame, compared with its digest; `buffer` is used again.
    pub(super) fn frame(
        &self,
        frame: &Frame,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, ArchiveError> {
        self::frame(&self.file, &self.archive, frame, &mut buffer)?;
        Ok(buffer)
    }

    /// A reader over the file from `offset` on, with a place of its own:
    /// others may read meanwhile.
    pub(super) fn reader(&self, offset: u64) -> impl Read + Send + '_ {
        let file = &self.file;
        At { file, offset }
    }

    pub(super) fn failed(&self, doing: &'static str, source: io::Error) -> ArchiveError {
        failed(&self.archive, doing, source)
    }
}

/// Reads a compressed frame into `buffer` and compares it with its digest.
pub(super) fn frame(
    file: &File,
    archive: &manifest::Archive,
    frame: &Frame,
    buffer: &mut Vec<u8>,
) -> Result<(), ArchiveError> {
    read_at(file, archive, frame.offset, frame.length, buffer)?;
    if blake3::hash(buffer) == frame.blake3 {
        return Ok(());
    }
    let what = format!("the frame at offset {} has another digest", frame.offset);
    Err(differs(archive, what))
}

fn read_at(
    file: &File,
    archive: &manifest::Archive,
    offset: u64,
    length: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), ArchiveError> {
    let length = usize::try_from(length).map_err(|_| ArchiveError::table("it is too long"))?;
    buffer.resize(length, 0);
    file.read_exact_at(buffer, offset)
        .map_err(|e| failed(archive, "read a part of it", e))
}

struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

fn failed(archive: &manifest::Archive, doing: &'static str, source: io::Error) -> ArchiveError {
    ArchiveError::Archive {
        file: archive.file.to_string(),
        doing,
        source,
    }
}

fn differs(archive: &manifest::Archive, what: String) -> ArchiveError {
    ArchiveError::Differs {
        file: archive.file.to_string(),
        what,
    }
}
