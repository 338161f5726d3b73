//! The decompressed contents of packages, kept so that a second build never
//! decompresses xz.
//!
//! `CACHE/content/ab/SHA256.tar.zst`: the `data.tar` of the package of that
//! digest in fast zstd with a checksum, which finds what a bad disk or a power
//! cut did. Whoever can write to the cache could as well replace this
//! program; nothing more is defended against. A file has no name until it is
//! whole, so any number of builds share the folder and a killed one leaves
//! nothing in it. A cache that cannot be written to makes builds slower, never
//! wrong.

use hatchery_image::Sha256;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most bytes that are kept; the least recently used ones go first. A small
/// Debian takes 80 MB.
pub const CONTENT_MAX: u64 = 4 << 30;

/// zstd level. Negative ones trade size for speed; decompressing costs about
/// the same at all of them.
const LEVEL: i32 = -1;

/// Compressed bytes are read this many at a time.
const BUFFER: usize = 128 << 10;

/// Most files that are looked at when pruning.
const FILES_MAX: usize = 200_000;

/// The folder.
#[derive(Debug)]
pub(super) struct ContentCache {
    root: PathBuf,
}

impl ContentCache {
    /// Opens (and makes) the folder `content` beneath the cache's root.
    pub(super) fn open(cache: &Path) -> io::Result<Self> {
        let root = cache.join("content");
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    fn path(&self, digest: Sha256) -> PathBuf {
        let name = digest.to_string();
        self.root.join(&name[..2]).join(format!("{name}.tar.zst"))
    }

    /// The contents of the package of this digest, if they are there.
    pub(super) fn find(&self, digest: Sha256) -> Option<impl Read + Send + use<>> {
        let file = File::open(self.path(digest)).ok()?;
        // The least recently used goes first; without times, pruning is only
        // less clever.
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let _ = rustix::fs::futimens(&file, &times);
        zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(BUFFER, file)).ok()
    }

    /// Throws away what turned out to be damaged.
    pub(super) fn forget(&self, digest: Sha256) {
        let _ = fs::remove_file(self.path(digest));
    }

    /// Somewhere to write the contents of the package of this digest to.
    pub(super) fn keep(&self, digest: Sha256) -> io::Result<Keeping> {
        let target = self.path(digest);
        let folder = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o644))?;
        let mut encoder = zstd::stream::write::Encoder::new(File::from(file), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Keeping { encoder, target })
    }

    /// Removes the least recently used files beyond `limit` bytes.
    pub(super) fn prune(&self, limit: u64) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries(&self.root)
            .flat_map(|folder| entries(&folder))
            .take(FILES_MAX)
            .filter_map(|file| {
                let metadata = file.symlink_metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), file))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, file) in files {
            if total <= limit {
                break;
            }
            if fs::remove_file(file).is_ok() {
                total -= length;
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
}

/// Contents that are being kept.
pub(super) struct Keeping {
    encoder: zstd::stream::write::Encoder<'static, File>,
    target: PathBuf,
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
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rustix::fs::linkat(CWD, own, CWD, &self.target, AtFlags::SYMLINK_FOLLOW) {
            // Another build was quicker.
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
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
        let left = entries(&folder.path().join("content"))
            .flat_map(|f| entries(&f))
            .count();
        assert_eq!(left, 0);
    }

    #[test]
    fn damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ContentCache::open(folder.path()).unwrap();
        let digest = keep(&cache, &[7; 1000]);
        let path = cache.path(digest);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(read(&cache, digest).is_err());
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ContentCache::open(folder.path()).unwrap();
        let digests = [b"a", b"b", b"c"].map(|bytes| keep(&cache, bytes));
        for (digest, seconds) in digests.iter().zip([30, 10, 20]) {
            let file = File::open(cache.path(*digest)).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }
        let one = fs::metadata(cache.path(digests[0])).unwrap().len();
        cache.prune(2 * one);
        let there = digests.map(|d| cache.path(d).exists());
        assert_eq!(there, [true, false, true]);
    }
}
