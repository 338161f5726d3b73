//! Looks at and renames what a tree already holds, following links inside it
//! as if it were the root.

use hatchery_image::place::Root;
use rustix::fs::{Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Result;
use std::os::fd::OwnedFd;

/// Opens a path of the tree.
pub(crate) fn open(root: &Root, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
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

/// A file's bytes, at most `limit` of them; nothing if it is not there.
pub(crate) fn read(root: &Root, path: &str, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    match open(root, path.as_bytes(), OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(fd) => {
            std::fs::File::from(fd)
                .take(limit)
                .read_to_end(&mut bytes)?;
        }
        Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(e.into()),
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
