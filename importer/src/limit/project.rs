//! Disk limits on ext4 and xfs: each machine is a project of its own.
//!
//! The project's id is on the root directory of the tree, and everything made
//! beneath inherits it; so it is read from there and nowhere written down. It
//! is set while the directory is empty and hidden, before the first byte is
//! unpacked. An id is free if `/etc/projid` and `/etc/projects` do not name it
//! and the kernel knows of no file and no limit that is of it; a lock on the
//! machines directory keeps two imports from taking the same.
//!
//! The kernel refuses (`EXDEV`) to move a file into a directory that hands
//! down another project. So machines can be renamed within a machines
//! directory that hands down none, and where it does, no machine is limited.

use super::{DiskUse, Kind, LimitError, failed, open};
use crate::quota::{self, State};
use rustix::fd::{AsFd as _, BorrowedFd};
use rustix::fs::FlockOperation;
use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Ids that we take. People and container engines count from 1 up, systemd
/// takes ids from 2^31 up (`PROJ_ID_MIN`).
const IDS: RangeInclusive<u32> = 1_700_000_000..=1_700_099_999;

/// Where administrators keep names and folders of projects: projid(5) and
/// projects(5).
const NAMES: &str = "/etc/projid";
const FOLDERS: &str = "/etc/projects";

/// `EXT4_SUPER_MAGIC` of `linux/magic.h`.
const EXT4: u64 = 0xef53;

/// Largest such file that is read, in bytes; the rest of a larger one is not.
const FILE_MAX: usize = 1 << 20;

/// The device of a directory and what its file system does about projects;
/// none if it is on no device.
pub(super) fn device_and_state(root: &Path) -> Result<Option<(PathBuf, State)>, LimitError> {
    let directory = open(root)?;
    let Ok(device) = quota::device(directory.as_fd()) else {
        return Ok(None);
    };
    // A device that cannot be asked, such as one whose node is missing in a
    // container, is one without quotas to us.
    match quota::state(&device) {
        Ok(State::Off) | Err(_) => Ok(None),
        Ok(state) => Ok(Some((device, state))),
    }
}

/// Whether machines in this directory can be projects of their own.
pub(super) fn possible(root: &Path) -> Result<(), LimitError> {
    let directory = open(root)?;
    let (project, inherits) =
        quota::project(directory.as_fd()).map_err(failed("read the project of", root))?;
    if !inherits || project == 0 {
        return Ok(());
    }
    let path = root.to_owned();
    Err(LimitError::Nested { path, project })
}

/// Whether limits do not bind root outside a user namespace: ext4 lets whoever
/// has `CAP_SYS_RESOURCE` there write past a project's limit (the kernel's
/// `ignore_hardlimit`), and xfs binds everybody. The process that unpacks does
/// not have it, nor has a machine in a user namespace of its own.
pub(super) fn exempts_root(root: &Path) -> Result<bool, LimitError> {
    let about = rustix::fs::statfs(root).map_err(|e| failed("examine", root)(e.into()))?;
    Ok(about.f_type as u64 == EXT4)
}

/// Makes the empty directory at `path` a project of its own.
pub(super) fn claim(root: &Path, path: &Path, device: &Path) -> Result<u32, LimitError> {
    possible(root)?;
    let machines = open(root)?;
    let tree = open(path)?;
    // Let go of when it is closed.
    rustix::fs::flock(&machines, FlockOperation::LockExclusive)
        .map_err(|e| failed("lock", root)(e.into()))?;
    let named = named();
    for id in IDS {
        if named.contains(&id) {
            continue;
        }
        let usage =
            quota::usage(device, id).map_err(failed("read the project quotas of", device))?;
        if !usage.is_known {
            quota::set_project(tree.as_fd(), id).map_err(failed("set the project of", path))?;
            return Ok(id);
        }
    }
    Err(LimitError::NoProject {
        path: root.to_owned(),
        first: *IDS.start(),
        last: *IDS.end(),
    })
}

/// Ids that administrators have written down on this host.
fn named() -> BTreeSet<u32> {
    let read = |path| {
        let mut bytes = fs::read(path).unwrap_or_default();
        bytes.truncate(FILE_MAX);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    ids(&read(NAMES), &read(FOLDERS))
}

/// Ids in lines of `NAME:ID` and of `ID:FOLDER`; others are no business of ours.
fn ids(names: &str, folders: &str) -> BTreeSet<u32> {
    let of_name = |line: &str| line.rsplit_once(':')?.1.trim().parse().ok();
    let of_folder = |line: &str| line.split_once(':')?.0.trim().parse().ok();
    let names = names.lines().filter_map(of_name);
    names.chain(folders.lines().filter_map(of_folder)).collect()
}

/// The project of a tree, if it is one of its own.
fn own(root: &Path, path: &Path) -> Result<Option<u32>, LimitError> {
    let tree = open(path)?;
    let (project, inherits) =
        quota::project(tree.as_fd()).map_err(failed("read the project of", path))?;
    let machines = open(root)?;
    let (outer, _) =
        quota::project(machines.as_fd()).map_err(failed("read the project of", root))?;
    Ok(Some(project).filter(|id| inherits && *id != 0 && *id != outer))
}

/// Limits a tree that is a project of its own.
pub(super) fn set(
    root: &Path,
    path: &Path,
    device: &Path,
    bytes: Option<u64>,
) -> Result<(), LimitError> {
    let Some(id) = own(root, path)? else {
        return Err(LimitError::NotCounted {
            path: path.to_owned(),
            kind: Kind::Project,
        });
    };
    quota::set_limit(device, id, bytes).map_err(failed("limit", path))
}

/// What a tree takes and may take, if it is a project of its own.
pub(super) fn read(root: &Path, path: &Path, device: &Path) -> Result<DiskUse, LimitError> {
    let usage = match own(root, path)? {
        Some(id) => Some(quota::usage(device, id).map_err(failed("read the quota of", path))?),
        None => None,
    };
    Ok(DiskUse {
        kind: Some(Kind::Project),
        used: usage.map(|usage| usage.used),
        limit: usage.and_then(|usage| usage.limit),
        root_is_exempt: exempts_root(root)?,
    })
}

/// The project of a tree that is about to be removed, if we gave it one: to be
/// handed to [`forget`] afterwards.
pub(crate) fn of(tree: BorrowedFd<'_>) -> Option<u32> {
    let (project, inherits) = quota::project(tree).ok()?;
    Some(project).filter(|id| inherits && IDS.contains(id))
}

/// Takes away the limit of a tree that is gone, so that the id is free again
/// as soon as nobody has a file of it open. `fd` is a file beside the tree.
pub(crate) fn forget(fd: BorrowedFd<'_>, project: Option<u32>) {
    let Some(id) = project else {
        return;
    };
    // The tree is gone already: what is left of a failure is a limit on
    // nothing, and an id that is not taken again.
    if let Ok(device) = quota::device(fd)
        && quota::usage(&device, id).is_ok_and(|usage| usage.limit.is_some())
    {
        let _ = quota::set_limit(&device, id, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_administrators_wrote_down_are_taken() {
        let names = "# ours\nweb:1700000000\nbroken\nodd:x\n";
        let folders = "1700000002:/srv/www\n# 7:/no\n";
        let found = ids(names, folders);
        assert_eq!(found, BTreeSet::from([1_700_000_000, 1_700_000_002]));
    }

    #[test]
    fn our_ids_are_neither_peoples_nor_systemds() {
        assert!(*IDS.start() > 1 << 24 && *IDS.end() < 1 << 31);
    }
}
