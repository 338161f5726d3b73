//! Which extended attributes belong to a tree, and reading them.
//!
//! Kept are file capabilities, POSIX ACLs (in their raw form) and what users
//! set. Labels of a security module, `trusted.*` and those of file systems
//! belong to the host.

use super::ArchiveError;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Names and values.
pub(super) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The kernel's largest list of names and largest value, in bytes.
const MAX: usize = 64 << 10;

/// First guess at the length of a list or value, in bytes.
const FIRST: usize = 256;

/// Whether an attribute is packed and unpacked.
pub(super) fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || matches!(
            name,
            b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default"
        )
}

/// Those of an open file or directory, sorted by name.
pub(super) fn of_open(fd: BorrowedFd<'_>, path: &[u8]) -> Result<Xattrs, ArchiveError> {
    read(
        path,
        |list| rustix::fs::flistxattr(fd, list),
        |name, value| rustix::fs::fgetxattr(fd, name, value),
    )
}

/// Those of something that is not opened (a device, a FIFO), sorted by name.
pub(super) fn of_named(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: &[u8],
) -> Result<Xattrs, ArchiveError> {
    // Before Linux 6.13 these calls take no directory handle.
    let mut named = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    named.extend_from_slice(name);
    let named = named.as_slice();
    read(
        path,
        |list| rustix::fs::llistxattr(named, list),
        |name, value| rustix::fs::lgetxattr(named, name, value),
    )
}

fn read(
    path: &[u8],
    list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
) -> Result<Xattrs, ArchiveError> {
    let fail = |errno| ArchiveError::reading("read the extended attributes of", path)(errno);
    let names = match whole(&list) {
        Ok(names) => names,
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(errno) => return Err(fail(errno)),
    };
    let mut found = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| is_kept(name)) {
        match whole(|value| get(name, value)) {
            Ok(value) => found.push((name.to_vec(), value)),
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(fail(errno)),
        }
    }
    found.sort();
    Ok(found)
}

fn whole(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut first = [0; FIRST];
    match call(&mut first) {
        Ok(n) => return Ok(first[..n].to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut bytes = vec![0; MAX];
    let n = call(&mut bytes)?;
    bytes.truncate(n);
    Ok(bytes)
}
