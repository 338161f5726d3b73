//! The tar inside a database, decompressed as it is read, and no more of it
//! than a limit.

use super::DatabaseError;
use std::cell::Cell;
use std::io::{self, Read};

/// Most memory that decompressing xz may take: `xz -9` needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 128 << 20;

/// Largest window that decompressing zstd may take, as a power of two: what
/// `zstd --long` makes by itself.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A database's tar.
pub(super) fn decompressed(bytes: &[u8]) -> Result<Box<dyn Read + '_>, DatabaseError> {
    Ok(match bytes {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd(bytes).map_err(DatabaseError::Read)?),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, flags)
                .map_err(|e| DatabaseError::Read(e.into()))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
        }
        [b'B', b'Z', b'h', ..] => return Err(DatabaseError::Compression("bzip2")),
        [0x04, 0x22, 0x4d, 0x18, ..] => return Err(DatabaseError::Compression("lz4")),
        [b'L', b'Z', b'I', b'P', ..] => return Err(DatabaseError::Compression("lzip")),
        _ => Box::new(bytes),
    })
}

fn zstd(bytes: &[u8]) -> io::Result<impl Read + '_> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// A reader that fails where there is more than a limit, and notes that this
/// was why.
pub(super) struct Limited<'a, R> {
    inner: R,
    left: u64,
    over: &'a Cell<bool>,
}

impl<'a, R> Limited<'a, R> {
    pub(super) fn new(inner: R, limit: u64, over: &'a Cell<bool>) -> Self {
        Self {
            inner,
            left: limit,
            over,
        }
    }
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) => self.left = left,
            None => {
                self.over.set(true);
                return Err(io::Error::other("too much"));
            }
        }
        Ok(length)
    }
}
