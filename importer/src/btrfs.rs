//! btrfs through its ioctls (`linux/btrfs.h`): subvolumes, quota groups, and
//! the tree search that finds them. Nothing here decides anything; `tree.rs`
//! and `limit.rs` do.
//!
//! Decided after reading systemd's `btrfs-util.c`: the same ioctls, so that no
//! `btrfs` program is needed on the host, and the kernel's answers are told
//! apart by errno instead of by text.
#![allow(unsafe_code)] // ioctls; all of it is in `call`, and each caller pairs a request with its type

use linux_raw_sys::btrfs::{
    BTRFS_FIRST_FREE_OBJECTID, BTRFS_QGROUP_INFO_KEY, BTRFS_QGROUP_LIMIT_MAX_RFER,
    BTRFS_QGROUP_RELATION_KEY, BTRFS_QGROUP_STATUS_FLAG_ON, BTRFS_QGROUP_STATUS_KEY,
    BTRFS_QUOTA_CTL_ENABLE, BTRFS_QUOTA_TREE_OBJECTID, BTRFS_ROOT_BACKREF_KEY, BTRFS_ROOT_REF_KEY,
    BTRFS_ROOT_TREE_OBJECTID, BTRFS_SUBVOL_RDONLY, btrfs_ioctl_ino_lookup_args,
    btrfs_ioctl_qgroup_assign_args, btrfs_ioctl_qgroup_create_args, btrfs_ioctl_qgroup_limit_args,
    btrfs_ioctl_quota_ctl_args, btrfs_ioctl_quota_rescan_args, btrfs_ioctl_search_key,
    btrfs_ioctl_vol_args, btrfs_qgroup_limit,
};
use linux_raw_sys::ioctl as request;
use rustix::fd::BorrowedFd;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use std::ffi::{OsStr, OsString, c_void};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// `BTRFS_SUPER_MAGIC` of `linux/magic.h`.
const SUPER_MAGIC: u64 = 0x9123_683e;

/// Most items that one search yields; a tree with more is not one of ours.
const ITEMS_MAX: usize = 1 << 16;

/// Bits below a quota group's level (`BTRFS_QGROUP_LEVEL_SHIFT`).
const LEVEL_SHIFT: u32 = 48;

/// An ioctl whose argument the kernel reads and may write.
struct Call<'a, T, const REQUEST: u32>(&'a mut T);

// SAFETY: the pointer is that of a live, exclusively borrowed value, and the
// output is only the call's own return value. That `T` is what `REQUEST`
// takes is the promise of `call`'s callers, all in this module.
unsafe impl<T, const REQUEST: u32> Ioctl for Call<'_, T, REQUEST> {
    type Output = i32;
    const IS_MUTATING: bool = true;
    fn opcode(&self) -> Opcode {
        REQUEST as Opcode
    }
    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.0).cast()
    }
    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

fn call<const REQUEST: u32, T>(fd: BorrowedFd<'_>, argument: &mut T) -> io::Result<i32> {
    // SAFETY: see `Call`.
    Ok(unsafe { ioctl(fd, Call::<T, REQUEST>(argument)) }?)
}

/// Whether a file or directory is on btrfs.
pub(crate) fn is_btrfs(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type as u64 == SUPER_MAGIC)
}

/// Whether a directory is the root of a subvolume.
pub(crate) fn is_subvolume(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let inode = rustix::fs::fstat(fd)?.st_ino;
    Ok(inode == u64::from(BTRFS_FIRST_FREE_OBJECTID) && is_btrfs(fd)?)
}

fn volume_arguments(name: &OsStr) -> io::Result<btrfs_ioctl_vol_args> {
    let mut arguments = btrfs_ioctl_vol_args {
        fd: 0,
        name: [0; 4088],
    };
    let bytes = name.as_bytes();
    // The kernel's own limit of a name, BTRFS_VOL_NAME_MAX.
    if bytes.len() > 255 || bytes.contains(&b'/') {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    for (to, from) in arguments.name.iter_mut().zip(bytes) {
        *to = *from as _;
    }
    Ok(arguments)
}

/// Makes an empty subvolume called `name` in the directory `parent`.
pub(crate) fn create(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut arguments = volume_arguments(name)?;
    call::<{ request::BTRFS_IOC_SUBVOL_CREATE }, _>(parent, &mut arguments)?;
    Ok(())
}

/// Removes the subvolume called `name` in the directory `parent`. One that
/// holds others is refused with `DirectoryNotEmpty`.
pub(crate) fn destroy(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let mut arguments = volume_arguments(name)?;
    call::<{ request::BTRFS_IOC_SNAP_DESTROY }, _>(parent, &mut arguments)?;
    Ok(())
}

/// Makes a read-only subvolume writable.
pub(crate) fn set_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut flags = 0u64;
    call::<{ request::BTRFS_IOC_SUBVOL_GETFLAGS }, _>(fd, &mut flags)?;
    if flags & u64::from(BTRFS_SUBVOL_RDONLY) != 0 {
        flags &= !u64::from(BTRFS_SUBVOL_RDONLY);
        call::<{ request::BTRFS_IOC_SUBVOL_SETFLAGS }, _>(fd, &mut flags)?;
    }
    Ok(())
}

fn lookup(fd: BorrowedFd<'_>, tree: u64, inode: u64) -> io::Result<btrfs_ioctl_ino_lookup_args> {
    let mut arguments = btrfs_ioctl_ino_lookup_args {
        treeid: tree,
        objectid: inode,
        name: [0; 4080],
    };
    call::<{ request::BTRFS_IOC_INO_LOOKUP }, _>(fd, &mut arguments)?;
    Ok(arguments)
}

/// The id of the subvolume that a file or directory is in.
pub(crate) fn subvolume_id(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(lookup(fd, 0, u64::from(BTRFS_FIRST_FREE_OBJECTID))?.treeid)
}

/// A subvolume inside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// Its id.
    pub(crate) id: u64,
    /// The directory it is in, relative to the outer subvolume's root.
    pub(crate) directory: PathBuf,
    /// Its name there.
    pub(crate) name: OsString,
}

/// Subvolumes directly inside the subvolume `id`; `fd` is any file in it.
pub(crate) fn children(fd: BorrowedFd<'_>, id: u64) -> io::Result<Vec<Child>> {
    let items = search(
        fd,
        BTRFS_ROOT_TREE_OBJECTID,
        id,
        BTRFS_ROOT_REF_KEY,
        0..=u64::MAX,
    )?;
    let mut children = Vec::new();
    for item in items {
        // struct btrfs_root_ref: dirid, sequence, name_len, then the name.
        let (Some(directory), Some(length)) = (item.u64_at(0), item.body.get(16..18)) else {
            continue;
        };
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let Some(name) = item.body.get(18..18 + length) else {
            continue;
        };
        let found = lookup(fd, id, directory)?;
        let path: Vec<u8> = found.name.iter().map(|c| *c as u8).collect();
        let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
        children.push(Child {
            id: item.offset,
            directory: OsString::from_vec(path[..end].to_vec()).into(),
            name: OsString::from_vec(name.to_vec()),
        });
    }
    Ok(children)
}

/// The subvolume that holds the subvolume `id`, unless it is the top one.
pub(crate) fn parent(fd: BorrowedFd<'_>, id: u64) -> io::Result<Option<u64>> {
    let tree = BTRFS_ROOT_TREE_OBJECTID;
    let items = search(fd, tree, id, BTRFS_ROOT_BACKREF_KEY, 0..=u64::MAX)?;
    Ok(items.first().map(|item| item.offset))
}

/// The id of a quota group: `level/id`.
pub(crate) const fn qgroup(level: u64, id: u64) -> u64 {
    (level << LEVEL_SHIFT) | id
}

/// Level and id of a quota group.
pub(crate) const fn split(qgroup: u64) -> (u64, u64) {
    (qgroup >> LEVEL_SHIFT, qgroup & ((1 << LEVEL_SHIFT) - 1))
}

/// Whether quota is switched on for this file system.
pub(crate) fn quota_is_on(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    let items = search(fd, tree, 0, BTRFS_QGROUP_STATUS_KEY, 0..=u64::MAX)?;
    // struct btrfs_qgroup_status_item: version, generation, flags, rescan.
    let flags = items.first().and_then(|item| item.u64_at(16)).unwrap_or(0);
    Ok(flags & u64::from(BTRFS_QGROUP_STATUS_FLAG_ON) != 0)
}

/// Switches quota on; the kernel then counts what is there in the background.
pub(crate) fn enable_quota(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut arguments = btrfs_ioctl_quota_ctl_args {
        cmd: u64::from(BTRFS_QUOTA_CTL_ENABLE),
        status: 0,
    };
    call::<{ request::BTRFS_IOC_QUOTA_CTL }, _>(fd, &mut arguments)?;
    Ok(())
}

fn rescan_arguments() -> btrfs_ioctl_quota_rescan_args {
    btrfs_ioctl_quota_rescan_args {
        flags: 0,
        progress: 0,
        reserved: [0; 6],
    }
}

/// Has the kernel count again, in the background.
pub(crate) fn start_rescan(fd: BorrowedFd<'_>) -> io::Result<()> {
    call::<{ request::BTRFS_IOC_QUOTA_RESCAN }, _>(fd, &mut rescan_arguments())?;
    Ok(())
}

/// Whether the kernel is counting.
pub(crate) fn is_rescanning(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut arguments = rescan_arguments();
    call::<{ request::BTRFS_IOC_QUOTA_RESCAN_STATUS }, _>(fd, &mut arguments)?;
    Ok(arguments.flags != 0)
}

/// Makes (or removes) a quota group.
pub(crate) fn create_qgroup(fd: BorrowedFd<'_>, qgroup: u64, create: bool) -> io::Result<()> {
    let mut arguments = btrfs_ioctl_qgroup_create_args {
        create: u64::from(create),
        qgroupid: qgroup,
    };
    call::<{ request::BTRFS_IOC_QGROUP_CREATE }, _>(fd, &mut arguments)?;
    Ok(())
}

/// Makes one quota group part of another (or no longer). True means that the
/// kernel cannot work out the new sums without counting again.
pub(crate) fn assign(
    fd: BorrowedFd<'_>,
    child: u64,
    parent: u64,
    assign: bool,
) -> io::Result<bool> {
    let mut arguments = btrfs_ioctl_qgroup_assign_args {
        assign: u64::from(assign),
        src: child,
        dst: parent,
    };
    Ok(call::<{ request::BTRFS_IOC_QGROUP_ASSIGN }, _>(fd, &mut arguments)? > 0)
}

/// Limits what a quota group may refer to, in bytes.
pub(crate) fn limit(fd: BorrowedFd<'_>, qgroup: u64, bytes: u64) -> io::Result<()> {
    let mut arguments = btrfs_ioctl_qgroup_limit_args {
        qgroupid: qgroup,
        lim: btrfs_qgroup_limit {
            flags: u64::from(BTRFS_QGROUP_LIMIT_MAX_RFER),
            max_rfer: bytes,
            max_excl: 0,
            rsv_rfer: 0,
            rsv_excl: 0,
        },
    };
    call::<{ request::BTRFS_IOC_QGROUP_LIMIT }, _>(fd, &mut arguments)?;
    Ok(())
}

/// The quota groups that a quota group is part of.
pub(crate) fn qgroup_parents(fd: BorrowedFd<'_>, qgroup: u64) -> io::Result<Vec<u64>> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    let key = BTRFS_QGROUP_RELATION_KEY;
    // Each relation is stored twice; the parent's id is the larger one.
    let items = search(fd, tree, qgroup, key, qgroup..=u64::MAX)?;
    Ok(items.iter().map(|item| item.offset).collect())
}

/// All quota groups of the file system.
pub(crate) fn qgroups(fd: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    let tree = BTRFS_QUOTA_TREE_OBJECTID;
    let items = search(fd, tree, 0, BTRFS_QGROUP_INFO_KEY, 0..=u64::MAX)?;
    Ok(items.iter().map(|item| item.offset).collect())
}

/// An item of a btrfs tree.
struct Item {
    offset: u64,
    body: Vec<u8>,
}

impl Item {
    fn u64_at(&self, at: usize) -> Option<u64> {
        let bytes = self.body.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

#[repr(C)]
struct SearchArguments {
    key: btrfs_ioctl_search_key,
    buffer: [u8; 3992],
}

/// Items of one object and kind, by offset. A tree that is absent is empty.
fn search(
    fd: BorrowedFd<'_>,
    tree: u32,
    object: u64,
    kind: u32,
    offsets: std::ops::RangeInclusive<u64>,
) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut next = *offsets.start();
    loop {
        let mut arguments = SearchArguments {
            key: btrfs_ioctl_search_key {
                tree_id: u64::from(tree),
                min_objectid: object,
                max_objectid: object,
                min_offset: next,
                max_offset: *offsets.end(),
                min_transid: 0,
                max_transid: u64::MAX,
                min_type: kind,
                max_type: kind,
                nr_items: 256,
                unused: 0,
                unused1: 0,
                unused2: 0,
                unused3: 0,
                unused4: 0,
            },
            buffer: [0; 3992],
        };
        match call::<{ request::BTRFS_IOC_TREE_SEARCH }, _>(fd, &mut arguments) {
            Ok(_) => (),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(items),
            Err(e) => return Err(e),
        }
        let found = arguments.key.nr_items;
        let mut rest = &arguments.buffer[..];
        for _ in 0..found {
            let Some(offset) = take(&mut rest, &mut items) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            next = offset;
        }
        if found == 0 || next == u64::MAX {
            return Ok(items);
        }
        if items.len() > ITEMS_MAX {
            return Err(io::Error::other("too many items in a btrfs tree"));
        }
        next += 1;
    }
}

/// Takes one item (`struct btrfs_ioctl_search_header` and its body) off the
/// front of a search's buffer; returns its offset.
fn take(rest: &mut &[u8], items: &mut Vec<Item>) -> Option<u64> {
    let (header, after) = rest.split_at_checked(32)?;
    let offset = u64::from_ne_bytes(header[16..24].try_into().ok()?);
    let length = u32::from_ne_bytes(header[28..32].try_into().ok()?);
    let (body, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
    items.push(Item {
        offset,
        body: body.to_vec(),
    });
    *rest = after;
    Some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_groups_are_numbered_as_btrfs_prints_them() {
        assert_eq!(qgroup(0, 256), 256);
        assert_eq!(qgroup(254, 256), 0x00fe_0000_0000_0100);
        assert_eq!(split(qgroup(255, 5)), (255, 5));
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        assert!(volume_arguments(OsStr::new("a/b")).is_err());
        assert!(volume_arguments(OsStr::new(&"x".repeat(256))).is_err());
        assert!(volume_arguments(OsStr::new("debian")).is_ok());
    }
}
