//! What dead processes left: staging whose lock is free.

use super::{Result, STAGING_PREFIX, failed, is_ours, open_directory};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

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

#[cfg(test)]
mod tests {
    use super::super::{Staging, create_locked};
    use super::*;

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
}
