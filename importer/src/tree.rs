//! The tree of a machine as a whole: made empty (a subvolume on btrfs, a
//! directory elsewhere) and removed with everything in it.
//!
//! Removing follows no symbolic link and enters no mount, takes away
//! immutable and append-only flags where they are in the way, and removes
//! nested subvolumes (systemd makes some inside a machine at its first boot)
//! with their quota groups. However deep a tree is, only a bounded number of
//! directories is open at once: what lies deeper is first moved up.

use crate::btrfs;
use crate::limit::{self, qgroup};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, IFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Directories that are open at once while a tree is removed.
const OPEN_MAX: usize = 64;

/// Nested subvolumes inside nested subvolumes that are followed.
const NESTING_MAX: usize = 64;

/// The parent directory, opened, and the last name of a path.
fn locate(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((rustix::fs::open(parent, flags, Mode::empty())?, name))
}

/// Makes an empty tree, open to all for reading as a root directory is.
///
/// # Errors
/// It exists, or the system refused.
pub fn make(path: &Path) -> io::Result<()> {
    let (parent, name) = locate(path)?;
    let mode = Mode::from_raw_mode(0o755);
    if btrfs::is_btrfs(parent.as_fd())? {
        btrfs::create(parent.as_fd(), name)?;
    } else {
        rustix::fs::mkdirat(&parent, name, mode)?;
    }
    // Whatever the umask is.
    Ok(rustix::fs::fchmod(
        open_directory(parent.as_fd(), name)?,
        mode,
    )?)
}

/// Removes a tree, or a file. One that is absent is an error.
///
/// # Errors
/// Something is mounted in it, or the system refused.
pub fn remove(path: &Path) -> io::Result<()> {
    let (parent, name) = locate(path)?;
    remove_at(parent.as_fd(), name)
}

fn remove_at(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let kind = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode;
    if FileType::from_raw_mode(kind) != FileType::Directory {
        return unlink(parent, name, AtFlags::empty());
    }
    let root = open_directory(parent, name)?;
    if btrfs::is_subvolume(root.as_fd())? {
        return remove_subvolume(parent, name, root.as_fd(), NESTING_MAX);
    }
    let project = limit::of(root.as_fd());
    let mut removal = Removal {
        root: root.as_fd(),
        moved: Vec::new(),
        counter: 0,
    };
    removal.empty(root.as_fd(), 1)?;
    while let Some(name) = removal.moved.pop() {
        removal.remove_directory(root.as_fd(), &name, 1)?;
    }
    unlink(parent, name, AtFlags::REMOVEDIR)?;
    drop(root);
    limit::forget(parent, project);
    Ok(())
}

/// Opens a directory, unless it is a symbolic link or something is mounted on it.
fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve) {
        Ok(fd) => Ok(fd),
        // Linux before 5.6, or an old seccomp filter: a mount is told by its
        // device instead.
        Err(Errno::NOSYS | Errno::PERM) => {
            let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
            let same = rustix::fs::fstat(&fd)?.st_dev == rustix::fs::fstat(parent)?.st_dev;
            if same || btrfs::is_subvolume(fd.as_fd())? {
                Ok(fd)
            } else {
                Err(mounted(name))
            }
        }
        Err(Errno::XDEV) => Err(mounted(name)),
        Err(errno) => Err(errno.into()),
    }
}

fn mounted(name: &OsStr) -> io::Error {
    let text = format!("something is mounted on {}", name.display());
    io::Error::new(io::ErrorKind::ResourceBusy, text)
}

/// Unlinks, if need be after taking away the flags that forbid it.
fn unlink(parent: BorrowedFd<'_>, name: &OsStr, flags: AtFlags) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, flags) {
        Err(Errno::PERM) => (),
        result => return Ok(result?),
    }
    clear_flags(parent);
    let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if let Ok(fd) = rustix::fs::openat(parent, name, open, Mode::empty()) {
        clear_flags(fd.as_fd());
    }
    Ok(rustix::fs::unlinkat(parent, name, flags)?)
}

/// Takes away the flags that forbid removal. File systems without flags have
/// none that could forbid it, so a failure is told by the unlink that follows.
fn clear_flags(fd: BorrowedFd<'_>) {
    let forbidding = IFlags::IMMUTABLE | IFlags::APPEND;
    if let Ok(flags) = rustix::fs::ioctl_getflags(fd)
        && flags.intersects(forbidding)
    {
        let _ = rustix::fs::ioctl_setflags(fd, flags - forbidding);
    }
}

fn remove_subvolume(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    root: BorrowedFd<'_>,
    nesting: usize,
) -> io::Result<()> {
    let id = btrfs::subvolume_id(root)?;
    let groups = if btrfs::quota_is_on(root)? {
        qgroup::of(root, id)?
    } else {
        Vec::new()
    };
    clear_flags(root);
    // Before the subvolume, so that a removal that is killed leaves none of
    // these without one.
    qgroup::leave(parent, &groups);
    match btrfs::destroy(parent, name) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty && nesting > 0 => {
            btrfs::set_writable(root)?;
            for child in btrfs::children(root, id)? {
                let directory = open_beneath(root, &child.directory)?;
                clear_flags(directory.as_fd());
                let inner = open_directory(directory.as_fd(), &child.name)?;
                let directory = directory.as_fd();
                remove_subvolume(directory, &child.name, inner.as_fd(), nesting - 1)?;
            }
            btrfs::destroy(parent, name)?;
        }
        result => result?,
    }
    if let Some(leaf) = groups.first() {
        qgroup::forget(parent, *leaf);
    }
    Ok(())
}

/// Opens a directory of the same subvolume by its path from the root.
fn open_beneath(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let mut current = root.try_clone_to_owned()?;
    for part in path.components() {
        current = open_directory(current.as_fd(), part.as_os_str())?;
    }
    Ok(current)
}

/// A directory tree that is being removed.
struct Removal<'r> {
    /// Its root, to which directories that lie too deep are moved.
    root: BorrowedFd<'r>,
    /// Names of those.
    moved: Vec<OsString>,
    counter: u64,
}

impl Removal<'_> {
    /// Removes everything in a directory.
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            // What was moved here has its turn later.
            if depth == 1 && self.moved.iter().any(|moved| moved == name) {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Directory => true,
                FileType::Unknown => {
                    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                }
                _ => false,
            };
            if !is_directory {
                unlink(directory, name, AtFlags::empty())?;
            } else if depth < OPEN_MAX {
                self.remove_directory(directory, name, depth)?;
            } else {
                self.move_up(directory, name)?;
            }
        }
        Ok(())
    }

    fn remove_directory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        depth: usize,
    ) -> io::Result<()> {
        let fd = open_directory(parent, name)?;
        if btrfs::is_subvolume(fd.as_fd())? {
            return remove_subvolume(parent, name, fd.as_fd(), NESTING_MAX);
        }
        self.empty(fd.as_fd(), depth + 1)?;
        unlink(parent, name, AtFlags::REMOVEDIR)
    }

    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
        let moved = loop {
            self.counter += 1;
            let moved = OsString::from(format!(".#deep-{}", self.counter));
            let absent = rustix::fs::statat(self.root, &moved, AtFlags::SYMLINK_NOFOLLOW).is_err();
            if absent {
                break moved;
            }
        };
        if let Err(errno) = rustix::fs::renameat(parent, name, self.root, &moved) {
            if errno != Errno::PERM {
                return Err(errno.into());
            }
            clear_flags(parent);
            clear_flags(open_directory(parent, name)?.as_fd());
            rustix::fs::renameat(parent, name, self.root, &moved)?;
        }
        self.moved.push(moved);
        Ok(())
    }
}

/// Whether a tree is a btrfs subvolume.
#[must_use]
pub fn is_subvolume(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .is_ok_and(|fd| btrfs::is_subvolume(fd.as_fd()).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_new_tree_is_readable_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        make(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o755
        );
        assert_eq!(
            make(&path).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "1").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        fs::write(tree.join("a/b/f"), "1").unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn a_very_deep_tree_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut fd = rustix::fs::open(&tree, flags, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&fd, "deeper", Mode::from_raw_mode(0o755)).unwrap();
            rustix::fs::mkdirat(&fd, "other", Mode::from_raw_mode(0o755)).unwrap();
            fd = open_directory(fd.as_fd(), OsStr::new("deeper")).unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn what_is_absent_cannot_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let error = remove(&dir.path().join("absent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
