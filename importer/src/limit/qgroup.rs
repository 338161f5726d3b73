//! Disk limits on btrfs as systemd sets them, so that `machinectl set-limit`
//! and `image-status` agree with us.
//!
//! A machine's subvolume N has the quota group 0/N, and above it one with the
//! same id and a level one less than the lowest that its parent subvolume is
//! in (254/N when the machines directory is a subvolume of its own with
//! 255/ID; 255/N when it is in none), which also counts subvolumes made inside
//! the machine. Both get the limit. This is what systemd's
//! `btrfs_subvol_auto_qgroup_fd` and `image_set_limit` do.

use crate::btrfs;
use crate::btrfs::groups::{self, Group};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::io;
use std::thread;
use std::time::Duration;

/// First id of a subvolume that somebody made (`BTRFS_FIRST_FREE_OBJECTID`).
const SUBVOLUMES_FROM: u64 = 256;

/// Level above the highest one.
const LEVELS: u64 = 256;

/// How often a call is tried again while the kernel is counting.
const BUSY_TRIES: u32 = 50;

/// How long is waited between those.
const BUSY_WAIT: Duration = Duration::from_millis(100);

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// Tries again while the kernel is busy counting.
fn patiently<T>(fd: BorrowedFd<'_>, step: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..BUSY_TRIES {
        match step() {
            Err(e) if is(&e, Errno::BUSY) && btrfs::is_rescanning(fd).unwrap_or(false) => {
                thread::sleep(BUSY_WAIT);
            }
            result => return result,
        }
    }
    step()
}

/// Gives the subvolume `fd` its own counting group above its leaf, inside the
/// groups of the subvolume that it lies in. One that is in a group already is
/// left alone. Quota must be on.
pub(crate) fn adopt(fd: BorrowedFd<'_>) -> io::Result<()> {
    let id = btrfs::subvolume_id(fd)?;
    if !btrfs::qgroup_parents(fd, id)?.is_empty() {
        return Ok(());
    }
    let outer = match btrfs::parent(fd, id)? {
        Some(parent) => btrfs::qgroup_parents(fd, parent)?,
        None => Vec::new(),
    };
    let lowest = outer.iter().map(|group| btrfs::split(*group).0).min();
    let level = lowest.unwrap_or(LEVELS) - 1;
    if level == 0 {
        // No level is left between them.
        return Err(Errno::BUSY.into());
    }
    let group = btrfs::qgroup(level, id);
    match patiently(fd, || btrfs::create_qgroup(fd, group, true)) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => (),
    }
    let mut recount = false;
    for parent in outer {
        recount |= assign(fd, group, parent)?;
    }
    recount |= assign(fd, id, group)?;
    if recount {
        btrfs::start_rescan(fd)?;
    }
    Ok(())
}

fn assign(fd: BorrowedFd<'_>, child: u64, parent: u64) -> io::Result<bool> {
    match patiently(fd, || btrfs::assign(fd, child, parent, true)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        result => result,
    }
}

/// Limits the subvolume `fd` and what is made inside it to `bytes`.
///
/// The kernel reserves the space of the change where it is asked to make it:
/// in `outside`, a directory of the same file system, because a subvolume that
/// is full has none.
pub(crate) fn set_limit(outside: BorrowedFd<'_>, fd: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    let id = btrfs::subvolume_id(fd)?;
    patiently(outside, || btrfs::limit(outside, id, bytes))?;
    adopt(fd)?;
    for group in subtree(fd, id)? {
        patiently(outside, || btrfs::limit(outside, group, bytes))?;
    }
    Ok(())
}

/// The groups above the leaf `0/id` that share its id.
fn subtree(fd: BorrowedFd<'_>, id: u64) -> io::Result<Vec<u64>> {
    let parents = btrfs::qgroup_parents(fd, id)?;
    let own = |group: &u64| btrfs::split(*group).1 == id;
    Ok(parents.into_iter().filter(own).collect())
}

/// Lowest level that [`adopt`] gives away when groups are nested as deep as
/// machines can be; those that people make are numbered from 1.
const LEVEL_MIN: u64 = LEVELS / 2;

/// The groups of a subvolume that is about to be removed, lowest first: its
/// leaf, those above it, and one that a killed process had made and not yet
/// put above it.
pub(crate) fn of(fd: BorrowedFd<'_>, id: u64) -> io::Result<Vec<u64>> {
    let mut groups = vec![id];
    groups.extend(subtree(fd, id)?);
    let loose = |group: &u64| {
        let (level, of) = btrfs::split(*group);
        level >= LEVEL_MIN && of == id
    };
    groups.extend(groups::all(fd)?.into_iter().filter(loose));
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// Removes the groups above the leaf, which is the first. `fd` is any
/// directory of the file system.
pub(crate) fn leave(fd: BorrowedFd<'_>, groups: &[u64]) {
    let Some((leaf, above)) = groups.split_first() else {
        return;
    };
    for group in above {
        // What cannot be removed only takes a few bytes of the quota tree.
        let _ = patiently(fd, || btrfs::assign(fd, *leaf, *group, false));
        for outer in btrfs::qgroup_parents(fd, *group).unwrap_or_default() {
            let _ = patiently(fd, || btrfs::assign(fd, *group, outer, false));
        }
        let _ = patiently(fd, || btrfs::create_qgroup(fd, *group, false));
    }
}

/// Removes the leaf of a subvolume that is gone.
///
/// Kernels that remove the leaf themselves once the subvolume's space has
/// been freed refuse to have it removed earlier; that is no failure.
pub(crate) fn forget(fd: BorrowedFd<'_>, leaf: u64) {
    let _ = patiently(fd, || btrfs::create_qgroup(fd, leaf, false));
}

/// The group that counts the subvolume `fd` with what is made inside it, or
/// else that of the subvolume alone; none where quota is off.
pub(crate) fn read(fd: BorrowedFd<'_>) -> io::Result<Option<Group>> {
    if !btrfs::is_subvolume(fd)? || !btrfs::quota_is_on(fd)? {
        return Ok(None);
    }
    let id = btrfs::subvolume_id(fd)?;
    let above = subtree(fd, id)?.first().copied();
    groups::group(fd, above.unwrap_or(id))
}

/// Removes groups of subvolumes that are gone, also those that others left:
/// whoever deletes a machine's subvolume without knowing of the group above
/// its leaf. Returns how many.
///
/// The kernel gives ids in ascending order and none twice. So an id below that
/// of the subvolume `newest` which no subvolume has was one's that is gone, and
/// a leaf of it counts nothing that could come back. (New kernels remove such
/// leaves themselves.) Where the newest is not known, leaves stay. A group
/// above goes only if it bears such an id and has no member but such a leaf:
/// another is somebody's own. Where groups own space for good (simple quotas),
/// the kernel refuses to remove those that still do.
pub(crate) fn sweep(fd: BorrowedFd<'_>, newest: Option<u64>) -> io::Result<usize> {
    let mut removed = 0;
    for group in groups::all(fd)? {
        let (level, id) = btrfs::split(group);
        // Lower ids are trees of the file system's own.
        let is_old = (SUBVOLUMES_FROM..newest.unwrap_or(u64::MAX)).contains(&id);
        // A leaf counts until its subvolume is freed; one above, until it is
        // out of its directory.
        let is_there = match level {
            0 => groups::is_subvolume_id(fd, id)?,
            _ => btrfs::parent(fd, id)?.is_some(),
        };
        if !is_old || is_there {
            continue;
        }
        if level == 0 && newest.is_some() {
            forget(fd, id);
        } else if level >= LEVEL_MIN && groups::members(fd, group)?.iter().all(|m| *m == id) {
            leave(fd, &[id, group]);
            if newest.is_some() {
                forget(fd, id);
            }
        } else {
            continue;
        }
        removed += usize::from(groups::group(fd, group)?.is_none());
    }
    Ok(removed)
}
