//! A temporary pool for machines: a btrfs in a sparse file, mounted through a
//! loop device, for hosts whose machines directory cannot limit. It is undone
//! when dropped; what a killed process left, [`Pool::undo`] takes away.
//!
//! Everything of a pool is in one folder, `pool.btrfs` and `machines`, so that
//! it can be found and removed without any other record.

use crate::run::{self, RunError};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Smallest pool that mkfs.btrfs makes without complaint, in bytes.
pub const SIZE_MIN: u64 = 128 << 20;

/// How long mkfs, mount or umount may take.
const COMMAND: Duration = Duration::from_secs(60);

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Too small to be one.
    #[error("a pool of {0} bytes is too small; {SIZE_MIN} are the least")]
    TooSmall(u64),
    /// A step on its files failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system cannot be made.
    #[error("cannot make a btrfs; mkfs.btrfs is in the package btrfs-progs")]
    Mkfs(#[source] RunError),
    /// The file system cannot be mounted.
    #[error("cannot mount the pool; loop devices and a kernel with btrfs are needed")]
    Mount(#[source] RunError),
    /// The file system cannot be unmounted.
    #[error("cannot unmount the pool")]
    Unmount(#[source] RunError),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PoolError {
    let path = path.to_owned();
    move |source| PoolError::Failed {
        doing,
        path,
        source,
    }
}

/// A mounted pool; unmounted and removed when dropped.
#[derive(Debug)]
pub struct Pool {
    folder: PathBuf,
}

impl Pool {
    /// Makes a pool of `size` bytes (taken from the disk only as they are
    /// written) in `folder`, which must not exist.
    ///
    /// # Errors
    /// Which step failed; nothing is left of it.
    pub fn temporary(folder: &Path, size: u64) -> Result<Self, PoolError> {
        if size < SIZE_MIN {
            return Err(PoolError::TooSmall(size));
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder", folder))?;
        // From here on dropping undoes what was done.
        let pool = Self {
            folder: folder.canonicalize().map_err(failed("find", folder))?,
        };
        let file = image(&pool.folder);
        let target = mountpoint(&pool.folder);
        fs::create_dir(&target).map_err(failed("make the folder", &target))?;
        File::create_new(&file)
            .and_then(|f| f.set_len(size))
            .map_err(failed("make the file", &file))?;
        let mkfs = [Path::new("mkfs.btrfs"), Path::new("--quiet"), &file];
        run::run(&mkfs, COMMAND).map_err(PoolError::Mkfs)?;
        let mount = ["mount", "-t", "btrfs", "-o", "loop"].map(Path::new);
        let mount = [&mount[..], &[&file, &target]].concat();
        run::run(&mount, COMMAND).map_err(PoolError::Mount)?;
        Ok(pool)
    }

    /// The machines directory in it.
    #[must_use]
    pub fn machines(&self) -> PathBuf {
        mountpoint(&self.folder)
    }

    /// Unmounts and removes the pool in `folder`, if there is one.
    ///
    /// # Errors
    /// It is in use, or cannot be removed.
    pub fn undo(folder: &Path) -> Result<(), PoolError> {
        let (file, target) = (image(folder), mountpoint(folder));
        if is_mounted(&target) {
            let umount = [Path::new("umount"), &target];
            run::run(&umount, COMMAND).map_err(PoolError::Unmount)?;
        }
        // Only what a pool consists of, so that a wrong folder loses nothing.
        gone(&file, |path| fs::remove_file(path))?;
        gone(&target, |path| fs::remove_dir(path))?;
        gone(folder, |path| fs::remove_dir(path))?;
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if Self::undo(&self.folder).is_err() {
            // Something in it is still open: it goes when that is closed.
            let target = mountpoint(&self.folder);
            let lazily = [Path::new("umount"), Path::new("--lazy"), &target];
            let _ = run::run(&lazily, COMMAND);
            let _ = Self::undo(&self.folder);
        }
    }
}

/// Removes a path unless it is gone already.
fn gone(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), PoolError> {
    match remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(failed("remove", path)),
    }
}

fn image(folder: &Path) -> PathBuf {
    folder.join("pool.btrfs")
}

fn mountpoint(folder: &Path) -> PathBuf {
    folder.join("machines")
}

/// Whether something is mounted on a directory.
fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev).ok();
    let parent = path.parent().and_then(device);
    matches!((device(path), parent), (Some(a), Some(b)) if a != b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_pool_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kept"), "").unwrap();
        assert!(Pool::undo(dir.path()).is_err());
        assert!(dir.path().join("kept").exists());
        Pool::undo(&dir.path().join("absent")).unwrap();
        let error = Pool::temporary(dir.path(), SIZE_MIN).unwrap_err();
        assert!(matches!(error, PoolError::Failed { .. }), "{error}");
        assert!(dir.path().join("kept").exists());
        assert!(Pool::temporary(dir.path(), 1).is_err());
    }
}
