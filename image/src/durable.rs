//! Making things visible: written to staging, fsynced, renamed into place,
//! and the parent fsynced. A crash leaves the old or the new.
//!
//! Staging directories and files are called `.#hatchery-…` (systemd hides what
//! starts with `.#`) and are locked with flock on themselves while their
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
        let mut refused: io::Error = io::ErrorKind::ResourceBusy.into();
        for _ in 0..TRIES {
            let path = parent.join(random_name());
            match make(&path).and_then(|()| open_directory(&path)) {
                Ok(fd) if is_ours(&fd, &path) => {
                    // From here on dropping removes it.
                    let staging = Self {
                        path,
                        lock: Some(fd),
                        remove,
                    };
                    staging.make_plain()?;
                    return Ok(staging);
                }
                Ok(_) => {}
                // A sweeper was faster, unless it is the parent that is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => refused = error,
                Err(error) => {
                    let _ = remove(&path);
                    return Err(failed("make the staging directory", &path)(error));
                }
            }
            let _ = remove(&path);
        }
        Err(failed("make a staging directory in", parent)(refused))
    }

    fn make_plain(&self) -> Result<()> {
        let result = self.lock.as_ref().map_or(Ok(()), plain);
        result.map_err(failed("take the access control lists of", &self.path))
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
        // The old one is about to be hidden: locked, so that no sweeper
        // removes it at the same time as we do.
        let old = exchange.then(|| open_directory(target)).transpose();
        let old = old.map_err(failed("open", target))?;
        if let Some(old) = &old {
            let _ = rustix::fs::flock(old, FlockOperation::NonBlockingLockExclusive);
        }
        rename(&self.path, target, flags)?;
        if let Err(error) = sync_directory(parent(target)) {
            // It may not last, so it is not shown; dropping removes it.
            rename(target, &self.path, flags)?;
            return Err(error);
        }
        // What was staging is the target now.
        self.lock = old;
        Ok(())
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<()> {
    rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)
        .map_err(|e| failed("rename the staging directory to", to)(e.into()))
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
    is_file: bool,
    _lock: OwnedFd,
}

impl Abandoned {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it; `remove` is for directories. False if another sweeper was
    /// faster.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self, remove: fn(&Path) -> io::Result<()>) -> Result<bool> {
        let result = if self.is_file {
            fs::remove_file(&self.path)
        } else {
            remove(&self.path)
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result
                .map(|()| true)
                .map_err(failed("remove what was left in", &self.path)),
        }
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
        let is_file = entry.file_type().is_ok_and(|t| t.is_file());
        let opened = if is_file {
            open_file(&path)
        } else {
            open_directory(&path)
        };
        let Ok(lock) = opened else {
            continue;
        };
        if is_ours(&lock, &path) {
            abandoned.push(Abandoned {
                path,
                is_file,
                _lock: lock,
            });
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

fn open_file(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
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
        let (file, _open) = create_locked(dir.path(), 0o644).unwrap();
        fs::create_dir(dir.path().join(format!("{STAGING_PREFIX}dead"))).unwrap();
        fs::write(dir.path().join(format!("{STAGING_PREFIX}file")), "torn").unwrap();
        assert_eq!(sweep(dir.path(), |p| fs::remove_dir_all(p)).unwrap(), 2);
        assert!(alive.path().exists());
        assert!(file.exists());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_not_tried_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent");
        let error = Staging::new(&absent).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Staging::new(&file).is_err());
        // Made, but not to be opened as a directory.
        let made = Staging::with(dir.path(), |p| fs::write(p, ""), |p| fs::remove_file(p));
        assert!(made.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
