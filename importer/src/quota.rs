//! Project quotas through their system calls: quotactl(2) on the block device
//! that holds a file system, and the ioctls that say which project a
//! directory is of. Nothing here decides anything; `limit/project.rs` does.
//!
//! ext4 and xfs answer the same generic commands (`linux/quota.h`): the kernel
//! translates them for xfs. The one of `linux/dqblk_xfs.h` that is used tells
//! for both whether usage is counted, and whether limits are enforced.
//! `quotactl_fd` would need no device, but is newer (5.14) than some hosts.
#![allow(unsafe_code)] // quotactl and two ioctls; each is paired with its type

use linux_raw_sys::general::fsxattr;
use nix::libc;
use rustix::fd::BorrowedFd;
use rustix::ioctl::{Getter, Setter, ioctl};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// `PRJQUOTA` of `linux/quota.h`.
const PROJECT: libc::c_int = 2;
/// `Q_GETQUOTA`.
const GET: libc::c_int = 0x80_0007;
/// `Q_SETQUOTA`.
const SET: libc::c_int = 0x80_0008;
/// `Q_XGETQSTAT` of `linux/dqblk_xfs.h`.
const STATE: libc::c_int = 0x5805;

/// `FS_QUOTA_PDQ_ACCT` and `FS_QUOTA_PDQ_ENFD`.
const COUNTED: u16 = 1 << 4;
const ENFORCED: u16 = 1 << 5;

/// Unit of `dqb_bhardlimit`, in bytes.
const BLOCK: u64 = 1024;
/// `QIF_BLIMITS`: both limits of space are meant.
const SPACE_LIMITS: u32 = 1;

/// `FS_IOC_FSGETXATTR` and `FS_IOC_FSSETXATTR` of `linux/fs.h`.
const GET_ATTRIBUTES: u32 = 0x801c_581f;
const SET_ATTRIBUTES: u32 = 0x401c_5820;
/// `FS_XFLAG_PROJINHERIT`: what is made in the directory is of its project.
const INHERIT: u32 = 0x200;

/// `struct if_dqblk`.
#[repr(C)]
#[derive(Default)]
struct Block {
    space_hard: u64,
    space_soft: u64,
    space: u64,
    inodes_hard: u64,
    inodes_soft: u64,
    inodes: u64,
    space_time: u64,
    inodes_time: u64,
    valid: u32,
}

/// `struct fs_quota_stat`, of which only the flags are read.
#[repr(C)]
struct StateBlock {
    version: i8,
    flags: u16,
    rest: [u64; 16],
}

/// What a file system does about projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Off,
    /// It counts, and enforces no limit.
    Counted,
    /// It counts and enforces.
    Enforced,
}

/// What a project has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Bytes that its files take.
    pub(crate) used: u64,
    /// Its limit in bytes, if it has one.
    pub(crate) limit: Option<u64>,
    /// Whether there is anything that is of it.
    pub(crate) is_known: bool,
}

/// The device node of the file system that holds a file.
pub(crate) fn device(fd: BorrowedFd<'_>) -> io::Result<PathBuf> {
    let number = rustix::fs::fstat(fd)?.st_dev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let about = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/uevent"))?;
    let name = about.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let name = name.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Path::new("/dev").join(name))
}

fn call<T>(command: libc::c_int, device: &Path, id: u32, data: &mut T) -> io::Result<()> {
    let device = CString::new(device.as_os_str().as_bytes())?;
    let data: *mut T = data;
    // SAFETY: the path ends with NUL, and `data` is a live value of the type
    // that `command` reads or writes; all callers are in this module.
    let result = unsafe {
        libc::quotactl(
            libc::QCMD(command, PROJECT),
            device.as_ptr(),
            // The kernel takes the bits as they are.
            id as libc::c_int,
            data.cast(),
        )
    };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Whether a file system counts projects and enforces their limits.
pub(crate) fn state(device: &Path) -> io::Result<State> {
    let mut block = StateBlock {
        version: 1,
        flags: 0,
        rest: [0; 16],
    };
    match call(STATE, device, 0, &mut block) {
        Err(e) => match e.raw_os_error() {
            // No quota at all, or a file system or kernel without any.
            Some(libc::ENOSYS | libc::EINVAL | libc::ESRCH | libc::EOPNOTSUPP) => Ok(State::Off),
            _ => Err(e),
        },
        Ok(()) if block.version != 1 => Err(io::ErrorKind::InvalidData.into()),
        Ok(()) if block.flags & COUNTED == 0 => Ok(State::Off),
        Ok(()) if block.flags & ENFORCED == 0 => Ok(State::Counted),
        Ok(()) => Ok(State::Enforced),
    }
}

/// What a project takes and may take. One that was never heard of takes
/// nothing.
pub(crate) fn usage(device: &Path, id: u32) -> io::Result<Usage> {
    let mut block = Block::default();
    match call(GET, device, id, &mut block) {
        // xfs says so of a project without files and limit.
        Err(e) if e.kind() == io::ErrorKind::NotFound => block = Block::default(),
        result => result?,
    }
    let limit = block.space_hard.saturating_mul(BLOCK);
    Ok(Usage {
        used: block.space,
        limit: Some(limit).filter(|limit| *limit > 0),
        is_known: [
            block.space,
            block.inodes,
            block.space_hard,
            block.space_soft,
            block.inodes_hard,
            block.inodes_soft,
        ] != [0; 6],
    })
}

/// Limits the space of a project to `bytes` (rounded up to KiB), or takes its
/// limit away.
pub(crate) fn set_limit(device: &Path, id: u32, bytes: Option<u64>) -> io::Result<()> {
    let mut block = Block {
        space_hard: bytes.map_or(0, |bytes| bytes.div_ceil(BLOCK)),
        valid: SPACE_LIMITS,
        ..Block::default()
    };
    call(SET, device, id, &mut block)
}

fn attributes(directory: BorrowedFd<'_>) -> io::Result<fsxattr> {
    // SAFETY: FS_IOC_FSGETXATTR writes a `struct fsxattr`.
    Ok(unsafe { ioctl(directory, Getter::<GET_ATTRIBUTES, fsxattr>::new()) }?)
}

/// The project of a directory, and whether what is made in it inherits it.
pub(crate) fn project(directory: BorrowedFd<'_>) -> io::Result<(u32, bool)> {
    let attributes = attributes(directory)?;
    let inherits = attributes.fsx_xflags & INHERIT != 0;
    Ok((attributes.fsx_projid, inherits))
}

/// Gives a directory a project, which all that is made in it inherits.
pub(crate) fn set_project(directory: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    let mut attributes = attributes(directory)?;
    attributes.fsx_projid = id;
    attributes.fsx_xflags |= INHERIT;
    // SAFETY: FS_IOC_FSSETXATTR reads a `struct fsxattr`.
    Ok(unsafe {
        ioctl(
            directory,
            Setter::<SET_ATTRIBUTES, fsxattr>::new(attributes),
        )
    }?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd as _;

    #[test]
    fn the_kernels_structures_have_its_sizes() {
        assert_eq!(size_of::<Block>(), 72);
        assert!(size_of::<StateBlock>() >= 80);
        assert_eq!(size_of::<fsxattr>(), 28);
    }

    #[test]
    fn what_has_no_device_has_no_projects() {
        let memory = tempfile::tempfile_in("/dev/shm").unwrap();
        assert!(device(memory.as_fd()).is_err());
        assert!(state(Path::new("/dev/null")).is_err());
    }
}
