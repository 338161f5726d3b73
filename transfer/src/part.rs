//! A file that is arriving: locked, digested while it is written, kept for
//! the next run when it does not become complete.
//!
//! `part/DIGEST` holds the bytes; `part/DIGEST.etag` the address and the
//! strong ETag that they came with, so that a resumed request can insist on
//! the same content. The lock is on the inode, so after it is taken the name
//! must still lead to that inode: another process may have completed the file
//! (and renamed it away) while we waited.

use crate::Cache;
use crate::cache::make;
use crate::error::{Failure, Stop, TransferError, host};
use crate::watch::{TICK, Watch};
use hatchery_image::Sha256;
use hatchery_image::digest::Hashing;
use rustix::fs::FlockOperation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Sink, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest `.etag` file that is read, in bytes.
const ETAG_FILE_MAX: u64 = 8192;

/// Bytes that are read from a file at a time.
pub(crate) const BUFFER: usize = 256 << 10;

/// How the content of a file is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Here, by its digest.
    Digest,
    /// By the caller, piece by piece.
    Pieces,
}

/// A file that is arriving.
pub(crate) struct Part {
    path: PathBuf,
    target: PathBuf,
    digest: Sha256,
    file: File,
    /// The same file, to be read by others while it is filled.
    reader: File,
    check: Check,
    /// Length of what is in `file`.
    length: u64,
    /// Its digest, where that is what is checked.
    so_far: Hashing<Sink>,
    /// Whether all of it came in one answer.
    whole: bool,
    /// Whether it has its place in the cache.
    committed: bool,
}

/// What [`Part::open`] found.
pub(crate) enum Found {
    /// It is complete: another process was faster.
    Complete(File),
    /// It is to be filled, by us.
    Open(Box<Part>),
}

impl Part {
    /// Opens the partial file of this digest, waiting for whoever fills it.
    pub(crate) fn open(
        cache: &Cache,
        digest: Sha256,
        check: Check,
        watch: Watch<'_>,
    ) -> Result<Found, TransferError> {
        let path = cache.parts().join(digest.to_string());
        let target = cache.place(digest);
        make(target.parent().unwrap_or(cache.root()))?;
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
                .map_err(host("create", &path))?;
            lock(&file, &path, watch)?;
            let Some(reader) = reader(&file, &path)? else {
                continue;
            };
            if let Some(complete) = cache.open_verified(digest)? {
                let _ = fs::remove_file(&path);
                return Ok(Found::Complete(complete));
            }
            let mut part = Self {
                path,
                target,
                digest,
                file,
                reader,
                check,
                length: 0,
                so_far: Hashing::new(io::sink()),
                whole: true,
                committed: false,
            };
            part.take_up(watch)?;
            return Ok(Found::Open(Box::new(part)));
        }
    }

    /// Takes up what an earlier run left.
    fn take_up(&mut self, watch: Watch<'_>) -> Result<(), TransferError> {
        if self.check == Check::Pieces {
            let end = self.file.seek(io::SeekFrom::End(0));
            self.length = end.map_err(host("examine", &self.path))?;
            self.whole = self.length == 0;
            return Ok(());
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            watch.check()?;
            let n = self
                .file
                .read(&mut buffer)
                .map_err(host("read", &self.path))?;
            if n == 0 {
                break;
            }
            self.account(&buffer[..n]);
        }
        self.whole = self.length() == 0;
        Ok(())
    }

    fn account(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.check == Check::Digest {
            self.so_far
                .write_all(bytes)
                .expect("a sink takes everything");
        }
    }

    /// How many bytes are there.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The file itself, to be read while it is filled.
    pub(crate) fn reader(&self) -> &File {
        &self.reader
    }

    /// Whether all bytes came in one answer from one place.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Throws away what is there.
    pub(crate) fn restart(&mut self) -> Result<(), TransferError> {
        let _ = fs::remove_file(self.etag_path());
        self.file.rewind().map_err(host("rewind", &self.path))?;
        self.file.set_len(0).map_err(host("empty", &self.path))?;
        self.length = 0;
        self.so_far = Hashing::new(io::sink());
        self.whole = true;
        Ok(())
    }

    /// Notes that the next bytes continue earlier ones.
    pub(crate) fn continues(&mut self) {
        self.whole = false;
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.file
            .write_all(bytes)
            .map_err(host("write", &self.path))?;
        self.account(bytes);
        Ok(())
    }

    /// The ETag that the bytes came with, if they came from this address.
    pub(crate) fn etag(&self, address: &str) -> Option<String> {
        let mut text = String::new();
        File::open(self.etag_path())
            .ok()?
            .take(ETAG_FILE_MAX)
            .read_to_string(&mut text)
            .ok()?;
        let (noted, etag) = text.split_once('\n')?;
        (noted == address && etag.starts_with('"')).then(|| etag.to_owned())
    }

    /// Remembers the ETag that the bytes come with. Best effort: without it,
    /// the digest alone decides.
    pub(crate) fn note_etag(&self, address: &str, etag: Option<&str>) {
        let path = self.etag_path();
        let _ = match etag {
            Some(etag) => fs::write(&path, format!("{address}\n{etag}")),
            None => fs::remove_file(&path),
        };
    }

    fn etag_path(&self) -> PathBuf {
        self.path.with_extension("etag")
    }

    /// Puts the complete file in its place, if its digest is right; otherwise
    /// throws its content away. One that the caller checks stays where it is.
    pub(crate) fn commit(&mut self) -> Result<File, Stop> {
        if self.check == Check::Pieces {
            let reader = self.reader.try_clone();
            return Ok(reader.map_err(host("open", &self.path))?);
        }
        let so_far = std::mem::replace(&mut self.so_far, Hashing::new(io::sink()));
        let (_, found) = so_far.finish();
        if found != self.digest {
            self.restart()?;
            return Err(Failure::Digest {
                found,
                expected: self.digest,
            }
            .into());
        }
        self.file
            .set_permissions(fs::Permissions::from_mode(0o644))
            .map_err(host("set the mode of", &self.path))?;
        let complete = File::open(&self.path).map_err(host("open", &self.path))?;
        fs::rename(&self.path, &self.target)
            .map_err(host("rename a complete file to", &self.target))?;
        self.committed = true;
        let _ = fs::remove_file(self.etag_path());
        Ok(complete)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // An empty one is of no use to the next run.
        if !self.committed && self.length() == 0 {
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(self.etag_path());
        }
    }
}

fn lock(file: &File, path: &Path, watch: Watch<'_>) -> Result<(), TransferError> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                watch.check()?;
                std::thread::sleep(TICK);
            }
            Err(e) => return Err(host("lock", path)(e.into())),
        }
    }
}

/// The same file for reading only, if `path` still leads to it.
fn reader(file: &File, path: &Path) -> Result<Option<File>, TransferError> {
    let reader = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(host("open", path))?,
    };
    Ok((is_named(file, path) && is_named(&reader, path)).then_some(reader))
}

/// Whether `path` still leads to this open file.
fn is_named(file: &File, path: &Path) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(open), Ok(named)) => same(&open, &named),
        _ => false,
    }
}

/// Copies what `source` yields into a part, up to `most` bytes.
pub(crate) fn copy(
    part: &mut Part,
    mut source: impl Read,
    most: u64,
    watch: Watch<'_>,
) -> Result<(), Stop> {
    let mut buffer = vec![0; BUFFER];
    loop {
        watch.check()?;
        let n = match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failure::Read(e).into()),
        };
        part.write(&buffer[..n])?;
        if part.length() > most {
            return Err(Failure::TooLong(most).into());
        }
    }
}
