//! What the process that unpacks gives up before it reads a byte of an
//! archive.
//!
//! - Its root directory becomes the tree: a mount namespace of its own in
//!   which nothing else is mounted, and there without set-uid programs,
//!   devices and execution. Where this process runs in a chroot, that is left
//!   for the namespace's own root first: from within, mounts cannot be
//!   separated from those outside, which would get the tree's, too. Where
//!   the root cannot be another one (an initial ramdisk), the tree is entered
//!   with chroot, whose way out needs a capability that is gone afterwards.
//! - Its network namespace has no interface.
//! - It keeps the six capabilities that making files of any owner takes; not
//!   the one by which root writes past a disk limit on ext4.
//! - It can make no other system calls than those of [`super::filter`].
//! - It holds no file but the socket to the import and what comes through it.
//! - It is killed when the import ends, however that ends.

use super::filter;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{PidfdFlags, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::ffi::OsStr;
use std::path::Path;

/// What making files of any kind and owner takes.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETFCAP);

/// Files that may be open at once: parent directories, for each thread.
const OPEN_FILES: u64 = 1024;

/// The highest descriptor that is closed one by one: the kernel's own limit
/// for a process, unless somebody raised it.
const INHERITED_MAX: u64 = 1 << 20;

/// A step that failed.
pub(super) struct ConfineError {
    pub(super) step: &'static str,
    pub(super) errno: Errno,
}

fn failed<E: Into<Errno>>(step: &'static str) -> impl FnOnce(E) -> ConfineError {
    move |errno| ConfineError {
        step,
        errno: errno.into(),
    }
}

/// Closes what this process inherited besides its three streams: a folder
/// that whoever called left open would lead out of the tree.
#[expect(unsafe_code, reason = "nothing safe closes what nobody owns")]
pub(super) fn forget_inherited() {
    // SAFETY: called first thing, when nothing here owns a descriptor yet.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Kernels before 5.9.
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let most = limit.map_or(INHERITED_MAX, |limit| limit.min(INHERITED_MAX));
    for descriptor in 3..i32::try_from(most).unwrap_or(i32::MAX) {
        // SAFETY: as above.
        unsafe { libc::close(descriptor) };
    }
}

/// Gives everything up but the tree.
pub(super) fn enter(tree: &Path) -> Result<(), ConfineError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("ask for the end"))?;
    // A helper has no business with the umask of whoever called.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(flags).map_err(|e| ConfineError {
        step: "make namespaces",
        errno: Errno::from_raw_os_error(e as i32),
    })?;
    let place = Place::of(tree).map_err(failed("open the tree's folder"))?;
    enter_tree(&place)?;
    let limit = |resource, most| {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        // One that is lower already stays.
        let _ = rustix::process::setrlimit(resource, limit);
    };
    limit(Resource::Core, 0);
    limit(Resource::Nofile, OPEN_FILES);
    limit_capabilities().map_err(failed("give up capabilities"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("forbid new privileges"))?;
    filter::apply().map_err(failed("limit the system calls"))
}

/// Where the tree lies in this mount namespace, whatever becomes the root.
struct Place<'t> {
    folder: OwnedFd,
    name: &'t OsStr,
}

impl<'t> Place<'t> {
    fn of(tree: &'t Path) -> Result<Self, Errno> {
        let (folder, name) = tree.parent().zip(tree.file_name()).ok_or(Errno::INVAL)?;
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        Ok(Self { folder, name })
    }
}

fn enter_tree(place: &Place<'_>) -> Result<(), ConfineError> {
    separate_mounts().map_err(failed("separate the mounts"))?;
    let tree = place.name;
    rustix::process::fchdir(&place.folder).map_err(failed("enter the tree's folder"))?;
    rustix::mount::mount_bind(tree, tree).map_err(failed("mount the tree"))?;
    let fewer = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::BIND;
    rustix::mount::mount_remount(tree, fewer, "").map_err(failed("restrict the tree's mount"))?;
    rustix::process::chdir(tree).map_err(failed("enter the tree"))?;
    match rustix::process::pivot_root(".", ".") {
        // What was the root lies over the tree, and goes.
        Ok(()) => rustix::mount::unmount(".", UnmountFlags::DETACH)
            .map_err(failed("unmount everything else"))?,
        Err(Errno::INVAL) => {
            rustix::process::chroot(".").map_err(failed("enter the tree for good"))?;
        }
        Err(errno) => return Err(failed("make the tree the root")(errno)),
    }
    rustix::process::chdir("/").map_err(failed("enter the tree"))
}

/// No mount of this process is seen outside from now on.
fn separate_mounts() -> Result<(), Errno> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    match rustix::mount::mount_change("/", private) {
        // In a chroot: its root is no mount.
        Err(Errno::INVAL) => {
            leave_chroot()?;
            rustix::mount::mount_change("/", private)
        }
        other => other,
    }
}

/// Whoever joins a mount namespace is at its root, even if it is in it already.
fn leave_chroot() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let own = rustix::process::getpid();
    match rustix::process::pidfd_open(own, PidfdFlags::empty()) {
        Ok(own) => join(&own),
        Err(errno) => Err(errno),
    }
    // Linux before 5.8, where it has a /proc.
    .or_else(|_| {
        join(&rustix::fs::open(
            "/proc/self/ns/mnt",
            flags,
            Mode::empty(),
        )?)
    })
}

fn join(namespace: &OwnedFd) -> Result<(), Errno> {
    let joined = nix::sched::setns(namespace, CloneFlags::CLONE_NEWNS);
    joined.map_err(|e| Errno::from_raw_os_error(e as i32))
}

fn limit_capabilities() -> Result<(), Errno> {
    let has = rustix::thread::capabilities(None)?.permitted;
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if CAPABILITIES.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Beyond the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            other => other?,
        }
    }
    let keep = has & CAPABILITIES;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: keep,
            permitted: keep,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// Ends this process at once: the import is gone or wants no more of it.
#[expect(clippy::exit, reason = "a helper process ends with the one it helps")]
pub(super) fn exit() -> ! {
    std::process::exit(1)
}
