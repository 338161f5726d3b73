//! What the quota tree says: which quota groups there are, what they count,
//! and how they are limited. It is read as of the last commit of the file
//! system (every 30 s, or at a sync).

use super::{Item, search};
use linux_raw_sys::btrfs::{
    BTRFS_QGROUP_INFO_KEY, BTRFS_QGROUP_LIMIT_KEY, BTRFS_QGROUP_LIMIT_MAX_RFER,
    BTRFS_QGROUP_RELATION_KEY, BTRFS_QUOTA_TREE_OBJECTID, BTRFS_ROOT_ITEM_KEY,
    BTRFS_ROOT_TREE_OBJECTID,
};
use rustix::fd::BorrowedFd;
use std::io;

/// A quota group as the kernel counts and limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Bytes that it refers to.
    pub(crate) used: u64,
    /// The most that it may refer to, if that is limited.
    pub(crate) limit: Option<u64>,
}

fn of_kind(fd: BorrowedFd<'_>, kind: u32, qgroup: u64) -> io::Result<Option<Item>> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    Ok(search(fd, tree, 0, kind, qgroup..=qgroup)?.pop())
}

/// What a quota group counts and how it is limited, if there is one.
pub(crate) fn group(fd: BorrowedFd<'_>, qgroup: u64) -> io::Result<Option<Group>> {
    // struct btrfs_qgroup_info_item: generation, referenced, ….
    let info = of_kind(fd, BTRFS_QGROUP_INFO_KEY, qgroup)?;
    let Some(used) = info.and_then(|item| item.u64_at(8)) else {
        return Ok(None);
    };
    // struct btrfs_qgroup_limit_item: flags, max_referenced, ….
    let item = of_kind(fd, BTRFS_QGROUP_LIMIT_KEY, qgroup)?;
    let flags = item.as_ref().and_then(|item| item.u64_at(0)).unwrap_or(0);
    let limit = item
        .filter(|_| flags & u64::from(BTRFS_QGROUP_LIMIT_MAX_RFER) != 0)
        .and_then(|item| item.u64_at(8));
    Ok(Some(Group { used, limit }))
}

/// All quota groups of the file system.
pub(crate) fn all(fd: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    let items = search(fd, tree, 0, BTRFS_QGROUP_INFO_KEY, 0..=u64::MAX)?;
    Ok(items.iter().map(|item| item.offset).collect())
}

/// The quota groups that are part of this one.
pub(crate) fn members(fd: BorrowedFd<'_>, qgroup: u64) -> io::Result<Vec<u64>> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    // Each relation is stored twice; a member's id is the smaller one.
    let items = search(fd, tree, qgroup, BTRFS_QGROUP_RELATION_KEY, 0..=qgroup)?;
    Ok(items.iter().map(|item| item.offset).collect())
}

/// Whether a subvolume is there, or not yet freed.
pub(crate) fn is_subvolume_id(fd: BorrowedFd<'_>, id: u64) -> io::Result<bool> {
    let tree = BTRFS_ROOT_TREE_OBJECTID;
    let items = search(fd, tree, id, BTRFS_ROOT_ITEM_KEY, 0..=u64::MAX)?;
    Ok(!items.is_empty())
}
