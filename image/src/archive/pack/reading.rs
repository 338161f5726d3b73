//! Reading a file that nobody may change meanwhile: what differs from what was
//! expected of it is an error.

use super::super::ArchiveError;
use rustix::buffer::spare_capacity;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Appends a whole file, which must have exactly so many bytes.
pub(super) fn read_exactly(
    fd: &OwnedFd,
    out: &mut Vec<u8>,
    size: u64,
    path: &[u8],
) -> Result<(), ArchiveError> {
    let wanted = out.len() + size as usize;
    // One byte of room more: a file that has grown shows itself at once.
    out.reserve(size as usize + 1);
    while out.len() <= wanted {
        match rustix::io::read(fd, spare_capacity(out)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(ArchiveError::reading("read", path)(errno)),
        }
        // A regular file yields less than it has room for only at its end.
        if out.len() == wanted {
            break;
        }
    }
    if out.len() == wanted {
        return Ok(());
    }
    Err(changed(path))
}

/// Fills a buffer from a place in a file.
pub(super) fn read_at(
    fd: &OwnedFd,
    mut buffer: &mut [u8],
    mut at: u64,
    path: &[u8],
) -> Result<(), ArchiveError> {
    while !buffer.is_empty() {
        match rustix::io::pread(fd, &mut *buffer, at) {
            Ok(0) => return Err(changed(path)),
            Ok(n) => {
                buffer = &mut buffer[n..];
                at += n as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(ArchiveError::reading("read", path)(errno)),
        }
    }
    Ok(())
}

/// The next part of a file that is not a hole of the file system, from `at`
/// on: begin and end. All of it, where the file system does not know.
pub(super) fn data_from(fd: &OwnedFd, at: u64, size: u64) -> (u64, u64) {
    let data = match rustix::fs::seek(fd, SeekFrom::Data(at)) {
        Ok(data) => data.clamp(at, size),
        Err(Errno::NXIO) => size,
        Err(_) => return (at, size),
    };
    match rustix::fs::seek(fd, SeekFrom::Hole(data)) {
        Ok(end) => (data, end.clamp(data, size)),
        Err(_) => (data, size),
    }
}

/// A file was written to, or replaced, while it was read.
pub(super) fn changed(path: &[u8]) -> ArchiveError {
    ArchiveError::Changed {
        path: path.to_vec(),
    }
}
