//! Looks at and renames what a tree already holds, following links inside it
//! as if it were the root.

use hatchery_image::place::Root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Result;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::OwnedFd;

/// Opens a path of the tree.
pub(crate) fn open(root: &Root, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens a regular file of the tree for reading; nothing if it is something
/// else. Opening a device can do something by itself (a watchdog starts), and
/// this host's is behind one that a package brought.
pub(crate) fn open_file(root: &Root, path: &[u8], flags: OFlags) -> Result<Option<File>> {
    let there = open(root, path, flags | OFlags::PATH)?;
    let stat = rustix::fs::fstat(&there)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let file = open(root, path, flags | OFlags::RDONLY | OFlags::NONBLOCK)?;
    Ok(Some(file.into()))
}

/// Removes what is at a path of the tree; a link itself is removed.
pub(crate) fn remove(root: &Root, path: &[u8], flags: AtFlags) -> Result<()> {
    let (parent, name) = split(path);
    let parent = open(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    rustix::fs::unlinkat(&parent, name, flags)
}

/// Whether there is anything at a path of the tree.
pub(crate) fn exists(root: &Root, path: &[u8]) -> bool {
    open(root, path, OFlags::PATH | OFlags::NOFOLLOW).is_ok()
}

/// Renames; what is there already is an error.
pub(crate) fn rename(root: &Root, from: &[u8], to: &[u8]) -> Result<()> {
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    let ((from_parent, from), (to_parent, to)) = (split(from), split(to));
    let from_parent = open(root, from_parent, directory)?;
    let to_parent = open(root, to_parent, directory)?;
    rustix::fs::renameat_with(&from_parent, from, &to_parent, to, RenameFlags::NOREPLACE)
}

/// Parent and last part of a path.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    }
}

/// A file's bytes; nothing if it is not there. One of more than `limit` bytes
/// is an error: half of it would mean something else.
pub(crate) fn read(root: &Root, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match open_file(root, path.as_bytes(), OFlags::empty()) {
        Ok(Some(file)) => {
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        }
        Ok(None) => return Err(io::Error::other("it is no regular file")),
        Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(e.into()),
    }
    if bytes.len() as u64 > limit {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Every directory above a path, the nearest first.
pub(crate) fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| {
        let at = path.iter().rposition(|b| *b == b'/')?;
        Some(&path[..at])
    })
    .skip(1)
}

/// Where a link of the tree leads to; nothing if there is none.
pub(crate) fn link_target(root: &Root, path: &[u8]) -> Option<Vec<u8>> {
    let link = open(root, path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
    let target = rustix::fs::readlinkat(&link, "", Vec::new()).ok()?;
    Some(target.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_image::place::Resolve;

    #[test]
    fn links_lead_to_nothing_outside_of_the_tree() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("kept"), "").unwrap();
        let tree = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.path().join("link")).unwrap();
        let root = Root::open(tree.path(), Resolve::InRoot).unwrap();
        assert!(remove(&root, b"link/kept", AtFlags::empty()).is_err());
        assert!(outside.path().join("kept").exists());
        remove(&root, b"link", AtFlags::empty()).unwrap();
        assert!(!exists(&root, b"link"));
    }

    #[test]
    fn only_regular_files_are_opened_and_only_whole_ones_read() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("file"), "12345").unwrap();
        let root = Root::open(tree.path(), Resolve::InRoot).unwrap();
        let fifo = FileType::Fifo;
        rustix::fs::mknodat(&root, "fifo", fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(
            open_file(&root, b"fifo", OFlags::empty())
                .unwrap()
                .is_none()
        );
        assert!(open_file(&root, b".", OFlags::empty()).unwrap().is_none());
        assert!(read(&root, "fifo", 9).is_err());
        assert_eq!(read(&root, "file", 5).unwrap(), b"12345");
        assert!(read(&root, "file", 4).is_err());
        assert_eq!(read(&root, "nothing", 4).unwrap(), b"");
    }
}
