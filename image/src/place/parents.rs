//! Handles of parent directories, opened once and kept for a while.

use super::error::system;
use super::path::split;
use super::resolution::{self, Way};
use super::{PlaceError, Resolve, Root};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

/// Directories that may be missing from an archive though something lies in
/// them. Archives name every directory; some made by hand don't. Keeps a few
/// hostile entries 2,000 levels deep from making millions.
pub(super) const IMPLIED_MAX: u64 = 100_000;

/// Handles that are kept: an entry's own directory and those that a sorted
/// archive returns to.
const KEPT: usize = 16;

/// Levels between the handles that are kept on the way to a deep directory
/// where each level costs a system call: its parents are wanted next.
const STRIDE: usize = 128;

/// What opens and remembers the parents of one thread's entries.
#[derive(Debug)]
pub(super) struct Parents<'r> {
    root: &'r Root,
    /// The most recent first.
    kept: Vec<(Vec<u8>, OwnedFd)>,
    /// Those on the way to the directory that was walked to last.
    way: Vec<(Vec<u8>, OwnedFd)>,
}

impl<'r> Parents<'r> {
    pub(super) fn new(root: &'r Root) -> Self {
        Self {
            root,
            kept: Vec::with_capacity(KEPT),
            way: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> &'r Root {
        self.root
    }

    /// Forgets all handles: a link on the way to one may have changed.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
        self.way.clear();
    }

    /// The handle of an existing directory, by its clean path (empty: the
    /// root). `entry` is named in errors.
    pub(super) fn existing(
        &mut self,
        directory: &[u8],
        entry: &[u8],
    ) -> Result<BorrowedFd<'_>, PlaceError> {
        self.get(directory, entry, false)
    }

    /// The same; what is missing is made, mode 0755.
    pub(super) fn made(
        &mut self,
        directory: &[u8],
        entry: &[u8],
    ) -> Result<BorrowedFd<'_>, PlaceError> {
        self.get(directory, entry, true)
    }

    fn get(
        &mut self,
        directory: &[u8],
        entry: &[u8],
        make: bool,
    ) -> Result<BorrowedFd<'_>, PlaceError> {
        if directory.is_empty() {
            return Ok(self.root.as_fd());
        }
        let at = self.kept.iter().position(|(path, _)| path == directory);
        match at {
            Some(0) => {}
            Some(at) => self.kept[..=at].rotate_right(1),
            None => {
                let fd = match self.open(directory) {
                    Err(Errno::NOENT) if make => self.make(directory, entry)?,
                    other => other.map_err(|errno| unresolved(errno, entry))?,
                };
                self.kept.truncate(KEPT - 1);
                self.kept.insert(0, (directory.to_vec(), fd));
            }
        }
        Ok(self.kept[0].1.as_fd())
    }

    fn open(&mut self, directory: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let is_walked = self.root.way == Way::Steps && self.root.resolve == Resolve::Beneath;
        self.way
            .retain(|(path, _)| below(directory, path).is_some());
        loop {
            let (from, rest) = self.nearest(directory);
            let first = match part_ends(rest).get(STRIDE) {
                Some(end) if is_walked => &rest[..*end],
                _ => rest,
            };
            let fd = resolution::open(self.root.way, from, first, flags, self.root.resolve)?;
            if first.len() == rest.len() {
                return Ok(fd);
            }
            let walked = directory.len() - rest.len() + first.len();
            self.way.push((directory[..walked].to_vec(), fd));
        }
    }

    /// The deepest handle on the way to a directory, and the path from there.
    /// Where links are followed, it is the root: what a link in the rest says
    /// counts from there.
    fn nearest<'p>(&self, directory: &'p [u8]) -> (BorrowedFd<'_>, &'p [u8]) {
        let mut best = (self.root.as_fd(), directory);
        if self.root.resolve == Resolve::Beneath {
            for (path, fd) in self.kept.iter().chain(&self.way) {
                match below(directory, path) {
                    Some(rest) if rest.len() < best.1.len() => best = (fd.as_fd(), rest),
                    _ => {}
                }
            }
        }
        best
    }

    /// Makes `directory` and what is missing above it.
    fn make(&mut self, directory: &[u8], entry: &[u8]) -> Result<OwnedFd, PlaceError> {
        let ends = part_ends(directory);
        let (mut at, mut fd) = self.deepest(directory, &ends, entry)?;
        while at < ends.len() {
            let prefix = &directory[..ends[at]];
            let (_, name) = split(prefix);
            let root: &'r Root = self.root;
            let parent = fd.as_ref().map_or(root.as_fd(), AsFd::as_fd);
            match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => {
                    self.count_implied(entry)?;
                    // The mode holds whatever the umask; a directory was just
                    // made here, and directories are never replaced.
                    rustix::fs::chmodat(
                        parent,
                        name,
                        Mode::from_raw_mode(0o755),
                        rustix::fs::AtFlags::empty(),
                    )
                    .map_err(system("set the mode of", prefix))?;
                }
                // Another thread was quicker, or it is a dangling link.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(system("create the directory", prefix)(errno)),
            }
            // From the parent's handle: from the root, a deep path would cost
            // the square of its depth. A link is left to the full resolution.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
                Ok(fd) => Ok(fd),
                Err(_) => self.open(prefix),
            };
            fd = Some(opened.map_err(|e| unresolved(e, entry))?);
            at += 1;
        }
        Ok(fd.expect("a directory has at least one part"))
    }

    /// The deepest prefix that exists, by bisection: a deep path costs a
    /// resolution as long as itself for each attempt.
    fn deepest(
        &mut self,
        directory: &[u8],
        ends: &[usize],
        entry: &[u8],
    ) -> Result<(usize, Option<OwnedFd>), PlaceError> {
        let (mut low, mut high) = (0, ends.len());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.open(&directory[..ends[middle]]) {
                Ok(fd) => {
                    found = Some(fd);
                    low = middle + 1;
                }
                Err(Errno::NOENT) => high = middle,
                Err(errno) => return Err(unresolved(errno, entry)),
            }
        }
        Ok((low, found))
    }

    fn count_implied(&self, entry: &[u8]) -> Result<(), PlaceError> {
        if self.root.implied.fetch_add(1, Ordering::Relaxed) >= IMPLIED_MAX {
            return Err(PlaceError::TooManyImplied {
                path: entry.to_vec(),
                max: IMPLIED_MAX,
            });
        }
        Ok(())
    }

    /// Opens a directory itself for reading; none if it is a link to one and
    /// links are followed in this root.
    pub(super) fn open_directory(&mut self, path: &[u8]) -> Result<Option<OwnedFd>, PlaceError> {
        let (parent, name) = split(path);
        let name = if name.is_empty() { b"." } else { name };
        let followed = self.root.resolve == Resolve::InRoot;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.existing(parent, path)?;
        match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOTDIR | Errno::LOOP) if followed => Ok(None),
            Err(errno) => Err(system("open the directory", path)(errno)),
        }
    }
}

/// The part of a clean path that lies below a directory.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(directory)?.strip_prefix(b"/")
}

/// Where each part of a clean path ends.
fn part_ends(path: &[u8]) -> Vec<usize> {
    let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/');
    slashes.map(|(at, _)| at).chain([path.len()]).collect()
}

fn unresolved(errno: Errno, entry: &[u8]) -> PlaceError {
    match errno {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => PlaceError::ThroughLink {
            path: entry.to_vec(),
        },
        errno => system("open the parent directory of", entry)(errno),
    }
}
