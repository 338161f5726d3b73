//! An archive whose bytes are known to be those that were signed.

use super::ArchiveError;
use super::toc::Frame;
use crate::Sha256;
use crate::manifest::{self, Span};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Bytes that are read at a time while verifying.
const PIECE: usize = 1 << 20;

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
    /// The file should be one that nobody else writes to; frames and spans
    /// are compared again when they are read.
    ///
    /// # Errors
    /// It differs, or cannot be read.
    pub fn verify(mut file: File, expected: &manifest::Archive) -> Result<Self, ArchiveError> {
        let fail = |source| failed(expected, "verify its digest", source);
        file.seek(SeekFrom::Start(0)).map_err(fail)?;
        // One byte more than expected shows that it is too long.
        let limited = io::BufReader::with_capacity(PIECE, &file).take(expected.size + 1);
        let (sha256, size) = Sha256::of_reader(limited).map_err(fail)?;
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

    /// The table of contents' bytes, if there is one; see [`super::toc::Reader`].
    ///
    /// # Errors
    /// They cannot be read, or differ from what is signed.
    pub fn toc(&self) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.archive.toc.as_ref().map(|s| self.span(s)).transpose()
    }

    /// The skeleton's bytes, compressed, if there is one; see
    /// [`super::replay::replay`].
    ///
    /// # Errors
    /// They cannot be read, or differ from what is signed.
    pub fn skeleton(&self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let span = self.archive.skeleton.as_ref();
        span.map(|s| self.span(s)).transpose()
    }

    fn span(&self, span: &Span) -> Result<Vec<u8>, ArchiveError> {
        let end = span.offset.checked_add(span.length);
        if span.length > SPAN_MAX || end.is_none_or(|end| end > self.archive.size) {
            return Err(ArchiveError::table("it does not lie in the archive"));
        }
        let bytes = self.bytes(span.offset, span.length, Vec::new())?;
        if Sha256::of(&bytes) != span.sha256 {
            return Err(differs(
                &self.archive,
                "its table of contents changed".into(),
            ));
        }
        Ok(bytes)
    }

    /// A compressed frame, compared with its digest; `buffer` is used again.
    pub(super) fn frame(&self, frame: &Frame, buffer: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self.bytes(frame.offset, frame.length, buffer)?;
        if Sha256::of(&bytes) != frame.sha256 {
            let what = format!("the frame at offset {} has another digest", frame.offset);
            return Err(differs(&self.archive, what));
        }
        Ok(bytes)
    }

    fn bytes(
        &self,
        offset: u64,
        length: u64,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, ArchiveError> {
        let length = usize::try_from(length).map_err(|_| ArchiveError::table("it is too long"))?;
        buffer.resize(length, 0);
        self.file
            .read_exact_at(&mut buffer, offset)
            .map_err(|e| failed(&self.archive, "read a part of it", e))?;
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
