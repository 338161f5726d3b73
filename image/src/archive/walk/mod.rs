//! A walk through a tree in the order of the archive: by the bytes of the
//! entries' names, where a directory's name ends in `/`.
//!
//! That is the order of `LC_ALL=C sort` over `tar -t`. Within a directory it
//! is decided by each name alone (a directory's with its `/`), so the walk
//! goes straight down and holds one sorted list of names a level. Nothing is
//! followed, neither links nor mounts, and each directory is read once.

mod names;

use super::{ArchiveError, beneath};
use crate::path::PATH_MAX;
use names::{Name, Names};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Levels whose directory handles stay open; deeper trees have the upper ones
/// opened again on the way back, as processes may often open 1,024 files.
const LEVELS_OPEN: usize = 64;

/// One directory on the way down.
#[derive(Debug)]
struct Level {
    fd: Option<OwnedFd>,
    /// Names that are still to come, the next one last.
    names: Vec<Name>,
    /// How many there were.
    listed: usize,
    /// Length of the directory's own path.
    path: usize,
}

/// The walk.
#[derive(Debug)]
pub(super) struct Walk {
    root: OwnedFd,
    levels: Vec<Level>,
    /// Path of the entry that was found last, without `./`.
    path: Vec<u8>,
    started: bool,
    names: Names,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stat: Stat,
    pub(super) kind: FileType,
}

impl Walk {
    /// Begins at a directory.
    pub(super) fn new(root: &Path) -> Result<Self, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(root, flags, Mode::empty()).map_err(|e| ArchiveError::Tree {
            path: root.to_owned(),
            source: e.into(),
        })?;
        Ok(Self {
            root: fd,
            levels: Vec::new(),
            path: Vec::new(),
            started: false,
            names: Names::new(),
        })
    }

    /// The same, with an error where names take more memory than this.
    pub(super) fn holding_at_most(mut self, bytes: u64) -> Self {
        self.names.max = bytes;
        self
    }

    /// The path of what was found last; empty for the root.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The name of what was found last in [`Self::parent`].
    pub(super) fn name(&self) -> &[u8] {
        match self.path.iter().rposition(|b| *b == b'/') {
            Some(at) => &self.path[at + 1..],
            None => &self.path,
        }
    }

    /// The directory in which the last non-directory was found; after a
    /// directory was found, that directory itself.
    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        let level = self.levels.last().expect("something was found");
        level.fd.as_ref().expect("the last level is open").as_fd()
    }

    /// Goes on to the next entry. A directory is opened and read now.
    pub(super) fn next(&mut self) -> Result<Option<Found>, ArchiveError> {
        if !self.started {
            self.started = true;
            let fd = self.open_root()?;
            return self.enter(fd).map(Some);
        }
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            self.path.truncate(level.path);
            match level.names.pop() {
                Some(name) => {
                    self.names.taken(&name);
                    return self.visit(&name).map(Some);
                }
                None => {
                    self.names.dropped(level.listed);
                    self.levels.pop();
                    self.reopen()?;
                }
            }
        }
    }

    fn visit(&mut self, name: &Name) -> Result<Found, ArchiveError> {
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        let directory = name.key.strip_suffix(b"/");
        self.path.extend_from_slice(directory.unwrap_or(&name.key));
        if self.path.len() > PATH_MAX {
            return Err(self.unpackable("its path is longer than 4095 bytes"));
        }
        if let Some(name) = directory {
            let fd = self.open_beneath(name)?;
            return self.enter(fd);
        }
        let stat = rustix::fs::statat(self.parent(), &*name.key, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| self.failed("examine", e))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            return Err(self.changed());
        }
        Ok(Found { stat, kind })
    }

    /// Opens what lies in the current directory, unless something is mounted
    /// there: that is not part of the tree.
    pub(super) fn open_file(&self) -> Result<OwnedFd, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.open(self.name(), flags)
    }

    /// A handle on it that reads nothing and disturbs no device.
    pub(super) fn open_handle(&self) -> Result<OwnedFd, ArchiveError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open(self.name(), flags)
    }

    fn open_beneath(&self, name: &[u8]) -> Result<OwnedFd, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open(name, flags)
    }

    fn open(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, ArchiveError> {
        match beneath::open(self.parent(), name, flags) {
            Ok(fd) => Ok(fd),
            Err(Errno::XDEV) => Err(self.unpackable("something is mounted there")),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::NOENT) => Err(self.changed()),
            Err(errno) => Err(self.failed("open", errno)),
        }
    }

    fn open_root(&self) -> Result<OwnedFd, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.root, ".", flags, Mode::empty())
            .map_err(|e| self.failed("open", e))
    }

    fn enter(&mut self, fd: OwnedFd) -> Result<Found, ArchiveError> {
        let stat = rustix::fs::fstat(&fd).map_err(|e| self.failed("examine", e))?;
        let names = self.names.read(&fd, &self.path)?;
        self.levels.push(Level {
            fd: Some(fd),
            listed: names.len(),
            names,
            path: self.path.len(),
        });
        if let Some(above) = self.levels.len().checked_sub(LEVELS_OPEN + 1) {
            self.levels[above].fd = None;
        }
        let kind = FileType::Directory;
        Ok(Found { stat, kind })
    }

    /// Back on a level whose handle was closed: opens it again.
    fn reopen(&mut self) -> Result<(), ArchiveError> {
        let Some(level) = self.levels.last() else {
            return Ok(());
        };
        if level.fd.is_some() {
            return Ok(());
        }
        self.path.truncate(level.path);
        let fd = beneath::open_directory(self.root.as_fd(), &self.path)
            .map_err(|e| self.failed("open again", e))?;
        self.levels.last_mut().expect("there is one").fd = Some(fd);
        Ok(())
    }

    fn failed(&self, doing: &'static str, errno: Errno) -> ArchiveError {
        ArchiveError::reading(doing, &self.path)(errno)
    }

    fn changed(&self) -> ArchiveError {
        ArchiveError::Changed {
            path: self.path.clone(),
        }
    }

    fn unpackable(&self, what: &'static str) -> ArchiveError {
        ArchiveError::unpackable(&self.path, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(root: &Path) -> Vec<String> {
        let mut walk = Walk::new(root).unwrap();
        let mut names = Vec::new();
        while let Some(found) = walk.next().unwrap() {
            let mut name = String::from_utf8(walk.path().to_vec()).unwrap();
            if found.kind == FileType::Directory {
                name.push('/');
            }
            names.push(name);
        }
        names
    }

    #[test]
    fn entries_come_in_the_order_of_their_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b/x", "b.txt", "b-", "a/z/y", "a.", "B", "b0", "é"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = names(dir.path());
        assert_eq!(found[0], "/");
        let mut sorted = found[1..].to_vec();
        sorted.sort();
        assert_eq!(found[1..], sorted);
        assert_eq!(sorted.len(), 11);
    }

    #[test]
    fn deep_trees_need_few_handles() {
        let dir = tempfile::tempdir().unwrap();
        let mut path = dir.path().to_owned();
        for i in 0..300 {
            path.push("d");
            fs::create_dir(&path).unwrap();
            fs::write(path.join(format!("e{i}")), "").unwrap();
        }
        let mut walk = Walk::new(dir.path()).unwrap();
        let mut count = 0;
        while walk.next().unwrap().is_some() {
            count += 1;
            let open = walk.levels.iter().filter(|l| l.fd.is_some()).count();
            assert!(open <= LEVELS_OPEN);
        }
        assert_eq!(count, 601);
    }
}
