//! A temporary pool for machines: a btrfs in a sparse file, mounted through a
//! loop device, for hosts whose machines directory cannot limit. It is undone
//! when dropped; what a killed process left, [`Pool::undo`] takes away.
//!
//! Everything of a pool is in one folder, `pool.btrfs` and `machines`, so that
//! it can be found and removed without any other record.

use super::{COMMAND, PoolError, SIZE_MIN, failed, gone, is_mounted, make, mount, unmount};
use crate::run;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

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
        make(&file, size)?;
        mount(&file, &target, "loop")?;
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
            unmount(&target)?;
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

fn image(folder: &Path) -> PathBuf {
    folder.join("pool.btrfs")
}

fn mountpoint(folder: &Path) -> PathBuf {
    folder.join("machines")
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
