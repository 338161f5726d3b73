//! Which tree a tree is, whatever it is called at the moment.

use super::ExchangeError;
use crate::btrfs;
use rustix::fd::AsFd as _;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// A tree among those that are in one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TreeId {
    /// The inode of a directory, where its file system knows no more, and as
    /// earlier programs wrote it. It is given out again once the tree is
    /// removed.
    Inode(u64),
    /// An inode, and when it was made, since 1970: another directory that is
    /// given the same inode was made later.
    Born {
        /// The inode.
        inode: u64,
        /// Seconds of the time.
        seconds: i64,
        /// What is left of it.
        nanoseconds: u32,
    },
    /// The id of a btrfs subvolume; the inode of each is the same.
    Subvolume(u64),
}

impl TreeId {
    /// Whether both are of the same tree, as far as both say.
    pub(crate) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Inode(one), Self::Born { inode, .. })
            | (Self::Born { inode, .. }, Self::Inode(one)) => one == inode,
            (one, other) => one == other,
        }
    }

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
    let inode = rustix::fs::fstat(&directory)?.st_ino;
    let wanted = StatxFlags::BTIME;
    // Linux before 4.11, or an old seccomp filter, has no such call.
    let born = rustix::fs::statx(&directory, "", AtFlags::EMPTY_PATH, wanted).ok();
    let born = born.filter(|stat| stat.stx_mask & wanted.bits() != 0);
    Ok(Some(match born {
        Some(stat) => TreeId::Born {
            inode,
            seconds: stat.stx_btime.tv_sec,
            nanoseconds: stat.stx_btime.tv_nsec,
        },
        None => TreeId::Inode(inode),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_tree_is_itself_under_every_name() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::create_dir(&one).unwrap();
        let id = TreeId::of(&one).unwrap().unwrap();
        fs::rename(&one, &two).unwrap();
        assert_eq!(TreeId::of(&two).unwrap(), Some(id));
        assert_eq!(TreeId::of(&one).unwrap(), None);
    }

    #[test]
    fn another_tree_that_was_given_the_same_inode_is_another() {
        let born = |seconds| TreeId::Born {
            inode: 7,
            seconds,
            nanoseconds: 0,
        };
        assert!(born(1).is(born(1)));
        assert!(!born(1).is(born(2)));
        // As an earlier program wrote it.
        assert!(born(1).is(TreeId::Inode(7)) && TreeId::Inode(7).is(born(1)));
        assert!(!born(1).is(TreeId::Inode(8)));
        assert!(!born(1).is(TreeId::Subvolume(7)));
    }

    #[test]
    fn a_tree_made_in_the_place_of_a_removed_one_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tree");
        fs::create_dir(&path).unwrap();
        let first = TreeId::of(&path).unwrap().unwrap();
        // Where only inodes are known, one that is given out again is not told.
        if matches!(first, TreeId::Inode(_)) {
            return;
        }
        for _ in 0..20 {
            fs::remove_dir(&path).unwrap();
            // The kernel's clock for such times ticks every 10 ms at most.
            std::thread::sleep(std::time::Duration::from_millis(12));
            fs::create_dir(&path).unwrap();
            let again = TreeId::of(&path).unwrap().unwrap();
            assert!(!first.is(again), "{first:?} {again:?}");
        }
    }
}
