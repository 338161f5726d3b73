//! A hidden directory that becomes visible in one step, or is removed.

use super::{Result, TRIES, failed, is_ours, open_directory, parent, random_name, sync_directory};
use rustix::fs::{FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Access control lists, as the kernel names them: those that what is made in
/// a directory gets, and its own.
const DEFAULT_ACL: &str = "system.posix_acl_default";
const ACCESS_ACL: &str = "system.posix_acl_access";

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
