//! Which tree a tree is, whatever it is called at the moment.

use super::ExchangeError;
use crate::btrfs;
use rustix::fd::AsFd as _;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// A tree among those that are in one directory at one time. (An inode is
/// given out again once its tree is removed.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TreeId {
    /// The inode of a directory.
    Inode(u64),
    /// The id of a btrfs subvolume; the inode of each is the same.
    Subvolume(u64),
}

impl TreeId {
    /// Of the tree at `path`; none if there is no directory.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, ExchangeError> {
        identify(path).map_err(|source| ExchangeError::Failed {
            doing: "examine",
            path: path.to_owned(),
            source,
        })
    }
}

fn identify(path: &Path) -> io::Result<Option<TreeId>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        opened => opened?,
    };
    if btrfs::is_subvolume(directory.as_fd())? {
        return btrfs::subvolume_id(directory.as_fd()).map(|id| Some(TreeId::Subvolume(id)));
    }
    Ok(Some(TreeId::Inode(rustix::fs::fstat(&directory)?.st_ino)))
}
