//! Files that can be made again, kept by name: a folder that any number of
//! processes share, in which the least recently used ones go first.
//!
//! A file has no name until it is whole, so a killed process leaves nothing.
//! Nothing is synced: whoever reads a file must be able to tell that it is
//! damaged, and makes it again. Whoever can write to the folder could as well
//! replace this program; nothing more is defended against.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most files that are looked at when pruning.
const FILES_MAX: usize = 200_000;

/// The folder. Files lie in folders of the first two letters of their names.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// Opens (and makes) the folder, which only its owner can enter.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(root)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Where the file of this name is, or would be. Names have two letters or
    /// more and no `/`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(&name[..2]).join(name)
    }

    /// The file of this name, opened, if it is there. It counts as used.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<File> {
        let file = File::open(self.path(name)).ok()?;
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        // Without times, pruning is only less clever.
        let _ = rustix::fs::futimens(&file, &times);
        Some(file)
    }

    /// A new file that has no name yet; see [`Self::name`].
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o600))?;
        Ok(file.into())
    }

    /// Gives a new file its name, unless another process was quicker.
    ///
    /// # Errors
    /// It cannot be linked.
    pub fn name(&self, file: &File, name: &str) -> io::Result<()> {
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rustix::fs::linkat(CWD, own, CWD, self.path(name), AtFlags::SYMLINK_FOLLOW) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Throws away a file that turned out to be damaged.
    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path(name));
    }

    /// Removes the least recently used files beyond `limit` bytes.
    pub fn prune(&self, limit: u64) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn put(shelf: &Shelf, name: &str, bytes: &[u8]) {
        let mut file = shelf.create(name).unwrap();
        file.write_all(bytes).unwrap();
        shelf.name(&file, name).unwrap();
    }

    fn read(shelf: &Shelf, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        shelf.find(name)?.read_to_end(&mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn what_was_put_there_is_found_and_the_first_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        assert_eq!(read(&shelf, "abc"), None);
        put(&shelf, "abc", b"1");
        put(&shelf, "abc", b"2");
        assert_eq!(read(&shelf, "abc").unwrap(), b"1");
        shelf.remove("abc");
        assert_eq!(read(&shelf, "abc"), None);
    }

    #[test]
    fn what_has_no_name_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        drop(shelf.create("abc").unwrap());
        let left = entries(folder.path()).flat_map(|f| entries(&f)).count();
        assert_eq!(left, 0);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        for (name, seconds) in [("aa", 30), ("bb", 10), ("cc", 20)] {
            put(&shelf, name, b"12345");
            let file = File::open(shelf.path(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }
        shelf.prune(10);
        let there = ["aa", "bb", "cc"].map(|n| shelf.path(n).exists());
        assert_eq!(there, [true, false, true]);
        assert!(shelf.find("cc").is_some());
        shelf.prune(5);
        assert!(shelf.path("cc").exists() && !shelf.path("aa").exists());
    }
}
