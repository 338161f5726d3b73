//! Making things visible: written to staging, fsynced, renamed into place,
//! and the parent fsynced. A crash leaves the old or the new.
//!
//! Staging directories are called `.#hatchery-…` (systemd hides what starts
//! with `.#`) and are locked with flock on the directory itself while their
//! process lives; [`sweep`] removes those whose lock nobody holds, so a
//! killed process is cleaned up after by the next one and a live one never.

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Access control lists, as the kernel names them: those that what is made in
/// a directory gets, and its own.
const DEFAULT_ACL: &str = "system.posix_acl_default";
const ACCESS_ACL: &str = "system.posix_acl_access";

/// What staging names start with.
pub const STAGING_PREFIX: &str = ".#hatchery-";

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

fn random_name() -> OsString {
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

/// Replaces the file at `path` by one with these bytes and this mode (such as
/// 0o644), durably and in one step.
///
/// # Errors
/// Any step that failed; the old file is then still there.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let temporary = parent(path).join(random_name());
    let result = write_new(&temporary, bytes, mode).and_then(|()| {
        fs::rename(&temporary, path).map_err(failed("rename a new file to", path))?;
        sync_directory(parent(path))
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let fd = rustix::fs::open(
        path,
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
        Mode::from_raw_mode(mode),
    )
    .map_err(|e| failed("create", path)(e.into()))?;
    // The mode is the caller's, whatever the umask.
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))
        .map_err(|e| failed("set the mode of", path)(e.into()))?;
    let mut file = File::from(fd);
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// What [`Staging::publish`] does when something is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse, with [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// Exchange the two in one step; the old one is then removed.
    Replace,
}

/// A hidden directory beside its final place, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    lock: Option<OwnedFd>,
    remove: fn(&Path) -> io::Result<()>,
}

impl Staging {
    /// Makes an empty staging directory in `parent`.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub fn new(parent: &Path) -> Result<Self> {
        Self::with(
            parent,
            |path| fs::create_dir(path),
            |path| fs::remove_dir_all(path),
        )
    }

    /// The same, where making and removing takes more than mkdir (a btrfs
    /// subvolume, for one).
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub fn with(
        parent: &Path,
        make: impl Fn(&Path) -> io::Result<()>,
        remove: fn(&Path) -> io::Result<()>,
    ) -> Result<Self> {
        loop {
            let path = parent.join(random_name());
            make(&path).map_err(failed("make the staging directory", &path))?;
            let Ok(fd) = open_directory(&path) else {
                continue;
            };
            let locked = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok();
            let alive = rustix::fs::fstat(&fd).is_ok_and(|s| s.st_nlink > 0) && path.exists();
            // Otherwise a sweeper saw it between mkdir and flock.
            if locked && alive {
                plain(&fd).map_err(failed("take the access control lists of", &path))?;
                return Ok(Self {
                    path,
                    lock: Some(fd),
                    remove,
                });
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the directory to `target` without syncing anything: for caches,
    /// whose loss costs only time.
    ///
    /// # Errors
    /// The rename failed; the staging directory is then removed.
    pub fn keep(mut self, target: &Path) -> Result<()> {
        fs::rename(&self.path, target)
            .map_err(failed("rename the staging directory to", target))?;
        self.lock = None;
        Ok(())
    }

    /// Syncs the file system, renames the directory to `target` (on the same
    /// file system), and syncs the parent. For trees of many files.
    ///
    /// # Errors
    /// Any step that failed; before the rename, `target` is then unchanged.
    pub fn publish(self, target: &Path, existing: Existing) -> Result<()> {
        if let Some(lock) = &self.lock {
            rustix::fs::syncfs(lock).map_err(|e| failed("sync", &self.path)(e.into()))?;
        }
        self.switch(target, existing)
    }

    /// The same for a flat folder whose files were each synced when they were
    /// written: syncs the folder itself, and nothing else of its file system.
    ///
    /// # Errors
    /// As above.
    pub fn publish_files(self, target: &Path, existing: Existing) -> Result<()> {
        sync_directory(&self.path)?;
        self.switch(target, existing)
    }

    fn switch(mut self, target: &Path, existing: Existing) -> Result<()> {
        let exchange = existing == Existing::Replace && target.symlink_metadata().is_ok();
        let flags = if exchange {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::NOREPLACE
        };
        rustix::fs::renameat_with(rustix::fs::CWD, &self.path, rustix::fs::CWD, target, flags)
            .map_err(|e| failed("rename the staging directory to", target)(e.into()))?;
        let result = sync_directory(parent(target));
        if !exchange {
            // What was staging is the target now.
            self.lock = None;
        }
        result
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let _ = (self.remove)(&self.path);
        }
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// What a dead process left, locked so that nobody else removes it.
#[derive(Debug)]
pub struct Abandoned {
    path: PathBuf,
    /// Of a directory; a file is held for milliseconds only.
    lock: Option<OwnedFd>,
}

impl Abandoned {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it; `remove` is for directories.
    ///
    /// # Errors
    /// A directory cannot be removed.
    pub fn remove(self, remove: fn(&Path) -> io::Result<()>) -> Result<bool> {
        if self.lock.is_none() {
            return Ok(fs::remove_file(&self.path).is_ok());
        }
        let fail = failed("remove what was left in", &self.path);
        remove(&self.path).map_err(fail)?;
        Ok(true)
    }
}

/// What dead processes left in `parent`: staging whose lock is free.
///
/// # Errors
/// `parent` cannot be listed.
pub fn abandoned(parent: &Path) -> Result<Vec<Abandoned>> {
    let mut abandoned = Vec::new();
    for entry in fs::read_dir(parent).map_err(failed("list", parent))? {
        let entry = entry.map_err(failed("list", parent))?;
        let name = entry.file_name();
        if !name
            .as_encoded_bytes()
            .starts_with(STAGING_PREFIX.as_bytes())
        {
            continue;
        }
        let path = entry.path();
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            // A temporary file of `write`: held for milliseconds only, so an
            // old one is dead.
            if is_older_than_a_minute(&path) {
                abandoned.push(Abandoned { path, lock: None });
            }
            continue;
        }
        let Ok(fd) = open_directory(&path) else {
            continue;
        };
        if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let lock = Some(fd);
            abandoned.push(Abandoned { path, lock });
        }
    }
    Ok(abandoned)
}

/// Removes what dead processes left in `parent`, as [`abandoned`] finds it.
/// Returns how many were removed.
///
/// # Errors
/// `parent` cannot be listed, or something left cannot be removed.
pub fn sweep(parent: &Path, remove: fn(&Path) -> io::Result<()>) -> Result<usize> {
    let mut removed = 0;
    for left in abandoned(parent)? {
        removed += usize::from(left.remove(remove)?);
    }
    Ok(removed)
}

fn is_older_than_a_minute(path: &Path) -> bool {
    let age = fs::symlink_metadata(path)
        .and_then(|m| m.modified())
        .ok()
        .and_then(|t| t.elapsed().ok());
    age.is_some_and(|a| a.as_secs() > 60)
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

/// Removes the access control lists that a directory has from the one above:
/// what is made in it would have them too, and a tree has only its own.
fn plain(directory: &OwnedFd) -> io::Result<()> {
    for name in [DEFAULT_ACL, ACCESS_ACL] {
        match rustix::fs::fremovexattr(directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write(&path, b"old", 0o600).unwrap();
        write(&path, b"new", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_in_staging_inherits_access_control_lists() {
        // Version 2: user::rwx, group::---, other::---, as `setfacl -d` has it.
        let entries = [(1_u16, 7_u16), (4, 0), (0x20, 0)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(permissions.to_le_bytes());
            list.extend(u32::MAX.to_le_bytes());
        }
        let dir = tempfile::tempdir().unwrap();
        xattr::set(dir.path(), DEFAULT_ACL, &list).unwrap();
        let staging = Staging::new(dir.path()).unwrap();
        let inside = staging.path().join("x");
        fs::create_dir(&inside).unwrap();
        for path in [staging.path(), &inside] {
            assert_eq!(xattr::get(path, DEFAULT_ACL).unwrap(), None);
        }
    }

    #[test]
    fn staging_is_removed_unless_published() {
        let dir = tempfile::tempdir().unwrap();
        drop(Staging::new(dir.path()).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let target = dir.path().join("target");
        let staging = Staging::new(dir.path()).unwrap();
        fs::write(staging.path().join("x"), "1").unwrap();
        staging.publish(&target, Existing::Keep).unwrap();
        assert!(target.join("x").exists());

        let second = Staging::new(dir.path()).unwrap();
        let error = second.publish(&target, Existing::Keep).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert!(target.join("x").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacing_removes_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        for text in ["1", "2"] {
            let staging = Staging::new(dir.path()).unwrap();
            fs::write(staging.path().join("x"), text).unwrap();
            staging.publish(&target, Existing::Replace).unwrap();
        }
        assert_eq!(fs::read_to_string(target.join("x")).unwrap(), "2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn sweeping_spares_the_living() {
        let dir = tempfile::tempdir().unwrap();
        let alive = Staging::new(dir.path()).unwrap();
        fs::create_dir(dir.path().join(format!("{STAGING_PREFIX}dead"))).unwrap();
        assert_eq!(sweep(dir.path(), |p| fs::remove_dir_all(p)).unwrap(), 1);
        assert!(alive.path().exists());
    }
}
