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

/// Renames; what is there already is an error.
pub(crate) fn rename(root: &Root, from: &[u8], to: &[u8]) -> Result<()> {
    let directory = OFlags::PATH | OFlags::DIRECTORY;
    let ((from_parent, from), (to_parent, to)) = (split(from), split(to));
    let from_parent = open(root, from_parent, directory)?;
    let to_parent = open(root, to_parent, directory)?;
    rustix::fs::renameat_with(&from_parent, from, &to_parent, to, RenameFlags::NOREPLACE)
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    }
}
