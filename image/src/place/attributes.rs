//! Owner, then mode, then extended attributes, then time: changing the owner
//! clears setuid and file capabilities, and an ACL refines the mode.

use super::error::system;
use super::{Entry, PlaceError};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// All bits that a mode may have: permissions, setuid, setgid, sticky.
const MODE_BITS: u32 = 0o7777;

fn times(entry: &Entry<'_>) -> Timestamps {
    Timestamps {
        // The time of access is nobody's business and not in the archive.
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: entry.mtime.0,
            tv_nsec: entry.mtime.1.into(),
        },
    }
}

fn owner(entry: &Entry<'_>) -> Result<(Option<Uid>, Option<Gid>), PlaceError> {
    if entry.uid == u32::MAX || entry.gid == u32::MAX {
        return Err(PlaceError::BadOwner {
            path: entry.path.to_vec(),
        });
    }
    Ok((
        Some(Uid::from_raw(entry.uid)),
        Some(Gid::from_raw(entry.gid)),
    ))
}

fn mode(entry: &Entry<'_>) -> Mode {
    Mode::from_raw_mode(entry.mode & MODE_BITS)
}

/// Of an open regular file.
pub(super) fn of_file(file: &File, entry: &Entry<'_>) -> Result<(), PlaceError> {
    let (uid, gid) = owner(entry)?;
    rustix::fs::fchown(file, uid, gid).map_err(system("set the owner of", entry.path))?;
    rustix::fs::fchmod(file, mode(entry)).map_err(system("set the mode of", entry.path))?;
    for (name, value) in entry.xattrs {
        rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty())
            .map_err(system("set an extended attribute of", entry.path))?;
    }
    rustix::fs::futimens(file, &times(entry)).map_err(system("set the time of", entry.path))
}

/// Of an open directory.
pub(super) fn of_directory(directory: &OwnedFd, entry: &Entry<'_>) -> Result<(), PlaceError> {
    let (uid, gid) = owner(entry)?;
    rustix::fs::fchown(directory, uid, gid).map_err(system("set the owner of", entry.path))?;
    rustix::fs::fchmod(directory, mode(entry)).map_err(system("set the mode of", entry.path))?;
    for (name, value) in entry.xattrs {
        rustix::fs::fsetxattr(directory, name.as_slice(), value, XattrFlags::empty())
            .map_err(system("set an extended attribute of", entry.path))?;
    }
    rustix::fs::futimens(directory, &times(entry)).map_err(system("set the time of", entry.path))
}

/// What cannot be opened, in its parent directory.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) parent: BorrowedFd<'a>,
    pub(super) name: &'a [u8],
    /// Its clean path, where the root is the process's own ([`super::Root::own`]).
    pub(super) from_own_root: Option<&'a [u8]>,
}

impl Named<'_> {
    /// A path of the process by which a call reaches it that takes no
    /// directory handle: from the process's own root, or else by the handle's
    /// name in /proc.
    fn path(self) -> Vec<u8> {
        let mut path = match self.from_own_root {
            Some(path) => return [b"/", path].concat(),
            None => format!("/proc/self/fd/{}/", self.parent.as_raw_fd()).into_bytes(),
        };
        path.extend_from_slice(self.name);
        path
    }
}

/// Of a symbolic link: it has no mode.
pub(super) fn of_link(at: Named<'_>, entry: &Entry<'_>) -> Result<(), PlaceError> {
    let (parent, name) = (at.parent, at.name);
    let (uid, gid) = owner(entry)?;
    rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(system("set the owner of", entry.path))?;
    if !entry.xattrs.is_empty() {
        set_by_path(at, entry)?;
    }
    rustix::fs::utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(system("set the time of", entry.path))
}

/// Of a device or FIFO, which must not be opened.
pub(super) fn of_special(at: Named<'_>, entry: &Entry<'_>) -> Result<(), PlaceError> {
    let (parent, name) = (at.parent, at.name);
    let (uid, gid) = owner(entry)?;
    rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(system("set the owner of", entry.path))?;
    // fchmodat follows links, and fchmodat2 is younger than the oldest kernel
    // served, so the inode is held by an O_PATH handle and reached through it.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::openat(parent, name, flags, Mode::empty())
        .map_err(system("open", entry.path))?;
    let kind = rustix::fs::fstat(&held)
        .map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode))
        .map_err(system("examine", entry.path))?;
    if kind.is_symlink() {
        return Err(PlaceError::ThroughLink {
            path: entry.path.to_vec(),
        });
    }
    let itself = match at.from_own_root {
        // Nobody else has this root, and what is in it is not replaced.
        Some(_) => at.path(),
        None => format!("/proc/self/fd/{}", held.as_raw_fd()).into_bytes(),
    };
    rustix::fs::chmod(itself.as_slice(), mode(entry))
        .map_err(system("set the mode of", entry.path))?;
    if !entry.xattrs.is_empty() {
        set_by_path(at, entry)?;
    }
    rustix::fs::utimensat(parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(system("set the time of", entry.path))
}

/// Extended attributes of what cannot be opened. Before Linux 6.13 these
/// calls take no directory handle.
fn set_by_path(at: Named<'_>, entry: &Entry<'_>) -> Result<(), PlaceError> {
    let path = at.path();
    for (attribute, value) in entry.xattrs {
        rustix::fs::lsetxattr(
            path.as_slice(),
            attribute.as_slice(),
            value,
            XattrFlags::empty(),
        )
        .map_err(system("set an extended attribute of", entry.path))?;
    }
    Ok(())
}
