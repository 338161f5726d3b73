//! Making things visible: written to staging, fsynced, renamed into place,
//! and the parent fsynced. A crash leaves the old or the new.
//!
//! Staging directories and files are called `.#hatchery-…` (systemd hides what
//! starts with `.#`) and are locked with flock on themselves while their
//! process lives; [`sweep`] removes those whose lock nobody holds, so a
//! killed process is cleaned up after by the next one and a live one never.

mod abandoned;
mod staging;

pub use abandoned::{Abandoned, abandoned, sweep};
pub use staging::{Existing, Staging};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What staging names start with.
pub const STAGING_PREFIX: &str = ".#hatchery-";

/// How often a new name is tried when a sweeper was faster than its lock. More
/// than a few in a row means that the system refuses for another reason.
const TRIES: u32 = 16;

/// A step that failed while something was being made visible.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}")]
pub struct DurableError {
    /// What was being done, such as `create`.
    pub doing: &'static str,
    /// To which path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// The result of such steps.
pub type Result<T> = std::result::Result<T, DurableError>;

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableError {
    let path = path.to_owned();
    move |source| DurableError {
        doing,
        path,
        source,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A hidden name that nobody else uses; [`sweep`] removes what has one.
#[must_use]
pub fn random_name() -> OsString {
    let mut bytes = [0u8; 8];
    // The kernel's generator does not fail once it is seeded; a partial read
    // cannot happen below 256 bytes.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    format!("{STAGING_PREFIX}{:016x}", u64::from_ne_bytes(bytes)).into()
}

/// Flushes a directory's entries to disk.
///
/// # Errors
/// The directory cannot be opened or synced.
pub fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|d| d.sync_all())
        .map_err(failed("sync the directory", path))
}

/// Makes a folder and those above it that are absent, each so that it lasts:
/// what is written into a folder is lost with it, however well it was synced.
///
/// # Errors
/// One cannot be made or synced, or something else has its name; those above
/// it stay.
pub fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    make_folders(above)?;
    match fs::create_dir(path) {
        // Another process was faster; it may not have come to the sync.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => (),
        made => made?,
    }
    File::open(above)?.sync_all()
}

/// Replaces the file at `path` by one with these bytes and this mode (such as
/// 0o644), durably and in one step.
///
/// # Errors
/// Any step that failed; the old file is then still there, unless it was the
/// last one, the sync of the folder.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let (temporary, file) = create_locked(parent(path), mode)?;
    let result = fill(&temporary, &file, bytes, mode).and_then(|()| {
        fs::rename(&temporary, path).map_err(failed("rename a new file to", path))?;
        sync_directory(parent(path))
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// A new hidden file that no sweeper removes while it is open.
fn create_locked(parent: &Path, mode: u32) -> Result<(PathBuf, File)> {
    for _ in 0..TRIES {
        let path = parent.join(random_name());
        let fd = rustix::fs::open(
            &path,
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
            Mode::from_raw_mode(mode),
        )
        .map_err(|e| failed("create", &path)(e.into()))?;
        if is_ours(&fd, &path) {
            return Ok((path, fd.into()));
        }
        let _ = fs::remove_file(&path);
    }
    let busy = io::ErrorKind::ResourceBusy.into();
    Err(failed("lock a new file in", parent)(busy))
}

fn fill(path: &Path, mut file: &File, bytes: &[u8], mode: u32) -> Result<()> {
    // The mode is the caller's, whatever the umask.
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
        .map_err(|e| failed("set the mode of", path)(e.into()))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// Locks what was made at `path` just now; whether that came before any
/// sweeper, which may have seen it unlocked.
fn is_ours(fd: &OwnedFd, path: &Path) -> bool {
    let locked = rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive).is_ok();
    let alive = rustix::fs::fstat(fd).is_ok_and(|s| s.st_nlink > 0);
    locked && alive && path.symlink_metadata().is_ok()
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// An exclusive lock on a directory, held until dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    _fd: OwnedFd,
}

impl DirectoryLock {
    /// Locks `directory`, waiting for whoever holds it.
    ///
    /// # Errors
    /// The lock file cannot be made or locked.
    pub fn exclusive(directory: &Path) -> Result<Self> {
        let path = directory.join(".lock");
        let fd = rustix::fs::openat(
            rustix::fs::CWD.as_fd(),
            &path,
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::from_raw_mode(0o600),
        )
        .map_err(|e| failed("open the lock", &path)(e.into()))?;
        rustix::fs::flock(&fd, FlockOperation::LockExclusive)
            .map_err(|e| failed("lock", &path)(e.into()))?;
        Ok(Self { _fd: fd })
    }
}

/// Whether two paths are on the same file system, so that a rename will do.
#[must_use]
pub fn same_file_system(a: &Path, b: &Path) -> bool {
    let device = |p: &Path| {
        rustix::fs::statat(rustix::fs::CWD, p, AtFlags::empty())
            .map(|s| s.st_dev)
            .ok()
    };
    device(a).is_some() && device(a) == device(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_nothing_else_passes_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        make_folders(&deep).unwrap();
        make_folders(&deep).unwrap();
        assert!(deep.is_dir());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("beneath")] {
            assert!(make_folders(&path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write(&path, b"old", 0o600).unwrap();
        write(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
