//! The decompressed contents of packages, kept so that a second build never
//! decompresses xz.
//!
//! `CACHE/content/ab/SHA256.tar.zst` ([`Shelf`]): the `data.tar` of the package
//! of that digest in fast zstd with a checksum, which finds what a bad disk or
//! a power cut did. A cache that cannot be written to makes builds slower,
//! never wrong.

use hatchery_image::Sha256;
use hatchery_image::shelf::Shelf;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Most bytes that are kept; the least recently used ones go first. A small
/// Debian takes 80 MB.
pub const CONTENT_MAX: u64 = 4 << 30;

/// zstd level. Negative ones trade size for speed; decompressing costs about
/// the same at all of them.
const LEVEL: i32 = -1;

/// Compressed bytes are read this many at a time.
const BUFFER: usize = 128 << 10;

/// The cache.
#[derive(Debug)]
pub(super) struct ContentCache {
    shelf: Shelf,
}

impl ContentCache {
    /// Opens (and makes) the folder `content` beneath the cache's root.
    pub(super) fn open(cache: &Path) -> io::Result<Self> {
        let shelf = Shelf::open(&cache.join("content"))?;
        Ok(Self { shelf })
    }

    /// The contents of the package of this digest, if they are there.
    pub(super) fn find(&self, digest: Sha256) -> Option<impl Read + Send + use<>> {
        let file = self.shelf.find(&name(digest))?;
        zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(BUFFER, file)).ok()
    }

    /// Throws away what turned out to be damaged.
    pub(super) fn forget(&self, digest: Sha256) {
        self.shelf.remove(&name(digest));
    }

    /// Somewhere to write the contents of the package of this digest to.
    pub(super) fn keep(&self, digest: Sha256) -> io::Result<Keeping> {
        let name = name(digest);
        let mut encoder = zstd::stream::write::Encoder::new(self.shelf.create(&name)?, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Keeping {
            encoder,
            shelf: self.shelf.clone(),
            name,
        })
    }

    /// Removes the least recently used files beyond `limit` bytes.
    pub(super) fn prune(&self, limit: u64) {
        self.shelf.prune(limit);
    }
}

fn name(digest: Sha256) -> String {
    format!("{digest}.tar.zst")
}

/// Contents that are being kept.
pub(super) struct Keeping {
    encoder: zstd::stream::write::Encoder<'static, File>,
    shelf: Shelf,
    name: String,
}

impl Write for Keeping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Keeping {
    /// Everything is written: gives the file its name.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = self.encoder.finish()?;
        self.shelf.name(&file, &self.name)
    }
}

/// A reader whose bytes are kept as they pass, if that works.
pub(super) struct Tee<R> {
    pub(super) inner: R,
    pub(super) keeping: Option<Keeping>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if let Some(keeping) = &mut self.keeping
            && keeping.write_all(&buffer[..n]).is_err()
        {
            // A full disk, most likely; the build itself may still fit.
            self.keeping = None;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn keep(cache: &ContentCache, bytes: &[u8]) -> Sha256 {
        let digest = Sha256::of(bytes);
        let mut keeping = cache.keep(digest).unwrap();
        keeping.write_all(bytes).unwrap();
        keeping.finish().unwrap();
        digest
    }

    fn read(cache: &ContentCache, digest: Sha256) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        cache.find(digest).unwrap().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ContentCache::open(folder.path()).unwrap();
        assert!(cache.find(Sha256::of(b"a")).is_none());
        let digest = keep(&cache, b"some contents");
        assert_eq!(keep(&cache, b"some contents"), digest);
        assert_eq!(read(&cache, digest).unwrap(), b"some contents");
        cache.forget(digest);
        assert!(cache.find(digest).is_none());
    }

    #[test]
    fn what_is_not_finished_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ContentCache::open(folder.path()).unwrap();
        let digest = Sha256::of(b"x");
        let mut keeping = cache.keep(digest).unwrap();
        keeping.write_all(b"half").unwrap();
        drop(keeping);
        assert!(cache.find(digest).is_none());
    }

    #[test]
    fn damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ContentCache::open(folder.path()).unwrap();
        let digest = keep(&cache, &[7; 1000]);
        let path = cache.shelf.path(&name(digest));
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(read(&cache, digest).is_err());
    }
}
