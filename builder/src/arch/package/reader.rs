//! Reading a package file: by whatever it is compressed with, and so that the
//! wish to stop is heard in the middle of a large one.

use hatchery_image::Progress;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

/// Memory that decompressing may take: `zstd --ultra -22 --long` needs 128
/// MiB, `xz -9` 65 MiB.
const WINDOW_LOG_MAX: u32 = 27;
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// Bytes that are read from a file at a time.
const READ: usize = 128 << 10;

/// A reader that fails once the user wants to stop. The error says only that:
/// whoever gets it asks the progress itself.
pub(super) struct Watched<'p, R> {
    inner: R,
    progress: &'p Progress,
}

impl<'p, R> Watched<'p, R> {
    pub(super) const fn new(inner: R, progress: &'p Progress) -> Self {
        Self { inner, progress }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

/// The tar in a package file, by what the file begins with.
pub(super) fn decompressed(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    (&mut file).take(6).read_to_end(&mut magic)?;
    file.rewind()?;
    let file = BufReader::with_capacity(READ, file);
    Ok(match magic.as_slice() {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
        }
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_wish_to_stop_is_heard_between_two_reads() {
        let progress = Progress::silent();
        let mut watched = Watched::new([1_u8; 8].as_slice(), &progress);
        let mut buffer = [0; 4];
        watched.read_exact(&mut buffer).unwrap();
        progress.stop_flag().store(true, Ordering::Relaxed);
        assert!(watched.read_exact(&mut buffer).is_err());
    }
}
