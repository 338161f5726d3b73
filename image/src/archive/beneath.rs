//! Opens what lies in a directory, with neither a link followed nor a mount
//! entered.
//!
//! Linux before 5.6, or an old seccomp filter, has no `openat2`; there names
//! are opened one by one, and a mount of another file system is told by its
//! device. Files are not asked for theirs: overlayfs gives them other ones.

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Whether there is no such system call.
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::NOSYS | Errno::PERM)
}

/// Opens one name in `parent`; `flags` must hold `NOFOLLOW`. `XDEV`: something
/// is mounted there.
pub(super) fn open(parent: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(parent, name, flags, Mode::empty(), how) {
        Err(errno) if is_unknown(errno) => open_named(parent, name, flags),
        result => result,
    }
}

/// Opens a directory by its path from `root`; an empty one is that of the root.
pub(super) fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let path = if path.is_empty() { b"." } else { path };
    match rustix::fs::openat2(root, path, flags, Mode::empty(), how) {
        Err(errno) if is_unknown(errno) => step_down(root, path, flags),
        result => result,
    }
}

fn step_down(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut at = root.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for name in path.split(|byte| *byte == b'/') {
        at = open_named(at.as_fd(), name, flags)?;
    }
    Ok(at)
}

fn open_named(parent: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let fd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_directory && stat.st_dev != rustix::fs::fstat(parent)?.st_dev {
        return Err(Errno::XDEV);
    }
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn without_openat2_links_are_not_followed_either() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir.path(), flags, Mode::empty()).unwrap();
        for (path, expected) in [
            (&b"a/b"[..], None),
            (b".", None),
            (b"link", Some(Errno::NOTDIR)),
            (b"link/b", Some(Errno::NOTDIR)),
            (b"a/absent", Some(Errno::NOENT)),
        ] {
            let found = step_down(root.as_fd(), path, flags).err();
            assert_eq!(found, expected, "{path:?}");
            assert_eq!(open_directory(root.as_fd(), path).is_ok(), found.is_none());
        }
        // A mount of another file system.
        let slash = rustix::fs::open("/", flags, Mode::empty()).unwrap();
        assert_eq!(
            open_named(slash.as_fd(), b"proc", flags).err(),
            Some(Errno::XDEV)
        );
    }
}
