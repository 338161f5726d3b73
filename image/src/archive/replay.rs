//! From skeleton and files back to the exact tar.
//!
//! A host that has most of an image's files (in an older tree, say) needs
//! only the rest, the table of contents and the skeleton: what comes out is
//! the tar that was signed, byte for byte, and one digest proves it.

use super::ArchiveError;
use super::limits::WINDOW_LOG_MAX;
use super::toc::{Contents, Entry, Reader};
use crate::digest::Hashing;
use crate::manifest::Tar;
use std::io::{self, BufReader, Read, Write};

/// Bytes that are copied at a time.
const PIECE: usize = 256 << 10;

/// Writes the tar that was packed: headers from `skeleton` (the compressed
/// content of its skippable frame), and each file's bytes, holes as zeros,
/// from `contents`, in the order of `toc`. Each file is compared with its
/// digest, and the whole with the tar's.
///
/// What is written before an error is not to be trusted.
///
/// # Errors
/// A file that is not the one listed, skeleton or contents that end early or
/// cannot be read, or a result that is not the tar.
pub fn replay<R: Read, C: Read>(
    toc: &mut Reader<R>,
    skeleton: &[u8],
    mut contents: impl FnMut(&Entry) -> Result<C, ArchiveError>,
    out: impl Write,
) -> Result<Tar, ArchiveError> {
    let at = |doing, path: &[u8]| {
        let path = path.to_vec();
        move |source| ArchiveError::Replaying {
            doing,
            path,
            source,
        }
    };
    let mut skeleton = decoder(skeleton).map_err(at("read the skeleton", b""))?;
    let mut out = Hashing::new(out);
    let mut last = Vec::new();
    while let Some(entry) = toc.entry()? {
        let fail = at("copy the skeleton", &entry.path);
        copy_exactly(&mut skeleton, entry.head, &mut out).map_err(fail)?;
        if let Some(listed) = &entry.contents {
            let mut body = contents(&entry)?;
            let digest =
                copy_file(&mut body, listed, &mut out).map_err(at("copy a file", &entry.path))?;
            if digest != listed.blake3 {
                return Err(ArchiveError::Contents { path: entry.path });
            }
            let stored = listed.stored();
            let padding = stored.next_multiple_of(512) - stored;
            let fail = at("copy the skeleton", &entry.path);
            copy_exactly(&mut skeleton, padding, &mut out).map_err(fail)?;
        }
        last = entry.path;
    }
    // What is left marks the end of the tar.
    let expected = toc.frames().tar.clone();
    let rest = expected.size.saturating_sub(out.length());
    copy_exactly(&mut skeleton, rest, &mut out).map_err(at("copy the end", &last))?;
    let size = out.length();
    let tar = Tar {
        size,
        sha256: out.finish().1,
    };
    if tar == expected {
        Ok(tar)
    } else {
        Err(ArchiveError::Replay)
    }
}

fn decoder(skeleton: &[u8]) -> io::Result<BufReader<impl Read + '_>> {
    let mut decoder = zstd::stream::read::Decoder::new(skeleton)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(BufReader::with_capacity(PIECE, decoder))
}

fn copy_exactly(from: &mut impl Read, length: u64, to: &mut impl Write) -> io::Result<()> {
    if io::copy(&mut from.take(length), to)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Writes those parts of a file that the tar stores; the digest of all of it.
fn copy_file(from: &mut impl Read, listed: &Contents, to: &mut impl Write) -> io::Result<[u8; 32]> {
    let mut digest = blake3::Hasher::new();
    let mut at = 0;
    for part in listed.extents.as_deref().unwrap_or_default() {
        pass(from, part.offset - at, &mut digest, &mut io::sink())?;
        pass(from, part.length, &mut digest, to)?;
        at = part.offset + part.length;
    }
    match listed.extents {
        Some(_) => pass(from, listed.size - at, &mut digest, &mut io::sink())?,
        None => pass(from, listed.size, &mut digest, to)?,
    }
    Ok(digest.finalize().into())
}

fn pass(
    from: &mut impl Read,
    length: u64,
    digest: &mut blake3::Hasher,
    to: &mut impl Write,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE))];
    let mut left = length;
    while left > 0 {
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        from.read_exact(&mut buffer[..want])?;
        digest.update(&buffer[..want]);
        to.write_all(&buffer[..want])?;
        left -= want as u64;
    }
    Ok(())
}
