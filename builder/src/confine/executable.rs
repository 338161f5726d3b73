//! The helper's executable, out of reach of what it confines.
//!
//! Programs inside can open `/proc/1/exe`. Where root inside is the host's
//! root, that would let a malicious one overwrite the very program that
//! confines it, as soon as nobody executes it any more (CVE-2019-5736 was
//! that). So the helper is started from a sealed copy in memory, as runc does.

use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Mutex;

/// The running program, by the name that always works.
const SELF: &str = "/proc/self/exe";

/// Id map of a process that is in no user namespace.
const HOST_IDS: &str = "0 0 4294967295";

/// The copy, made once for the life of this process.
static COPY: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// What to start instead of `program`.
pub(super) fn guarded(program: &OsStr) -> io::Result<OsString> {
    if program != SELF || !is_hosts_root() {
        return Ok(program.to_owned());
    }
    let mut copy = COPY
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let fd = match copy.take() {
        Some(fd) => fd,
        None => sealed_copy()?,
    };
    // The number is the same in the new process until it executes the file.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    *copy = Some(fd);
    Ok(path.into())
}

fn is_hosts_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let words: Vec<&str> = map.split_whitespace().collect();
    words.join(" ") == HOST_IDS
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut to = File::from(rustix::fs::memfd_create(c"hatchery", flags)?);
    io::copy(&mut File::open(SELF)?, &mut to)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&to, seals)?;
    Ok(to.into())
}
