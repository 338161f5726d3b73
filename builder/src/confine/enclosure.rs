//! Shuts the calling process into a tree: namespaces, mounts, capabilities.
//!
//! Everything is made in a mount namespace of its own, whose end takes the
//! mounts along; nothing is left behind in the tree but the mount points
//! `/proc`, `/dev`, `/run` and `/tmp`, which are part of every image. The same
//! calls work for root and inside a user namespace: device nodes are bound
//! from the host, not made.
//!
//! The tree is mounted `nodev`, so that a node made inside opens nothing of
//! the host; `/proc`'s writable parts are read-only as in every container
//! runtime. `/sys` is not there.

use super::loopback;
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_bind, mount_change, mount_remount, move_mount, open_tree, unmount,
};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Longest `/etc/resolv.conf` of the host that is shown inside, in bytes.
const RESOLV_CONF_MAX: u64 = 64 << 10;

/// Most open files, soft and hard: what a login on Debian gets. Some programs
/// close every possible descriptor one by one.
const OPEN_FILES: (u64, u64) = (1024, 524_288);

/// Device nodes that programs may expect; `tty` fails to open without a
/// controlling terminal, as it should.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Parts of `/proc` through which root could change the host.
const PROC_READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// Parts of `/proc` that tell too much about the host.
const PROC_HIDDEN: [&str; 4] = ["kcore", "keys", "kmsg", "timer_list"];

/// What maintainer scripts may need: Docker's default set without raw
/// sockets. Debian's packages are installed with it in container builds every
/// day.
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::AUDIT_WRITE)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// Where the tree is mounted for process 1.
const TREE: &str = "/tree";

/// A step of it that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}")]
pub(super) struct EnclosureError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

type Result<T> = std::result::Result<T, EnclosureError>;

fn failed<E: Into<io::Error>>(
    doing: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> EnclosureError {
    let path = path.as_ref().to_owned();
    move |source| EnclosureError {
        doing,
        path,
        source: source.into(),
    }
}

/// Namespaces of the calling process in which the tree is mounted; its mount
/// points are still empty and the host is still in reach.
pub(super) struct Prepared {
    /// The host's root directory.
    host: OwnedFd,
    resolv_conf: Option<Vec<u8>>,
}

/// Moves the calling process, the first of its pid namespace, to namespaces of
/// its own. Its root directory is an empty one with the tree at [`TREE`].
pub(super) fn prepare(root: &Path, network: bool) -> Result<Prepared> {
    let mut namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if !network {
        namespaces |= UnshareFlags::NEWNET;
    }
    unshare(namespaces).map_err(failed("make namespaces for", root))?;
    if !network {
        loopback::up().map_err(failed("bring up", "the loopback interface"))?;
    }
    let resolv_conf = network.then(host_resolv_conf).flatten();
    let down = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", down).map_err(failed("detach the mounts of", "/"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let host = rustix::fs::open("/", flags, Mode::empty()).map_err(failed("open", "/"))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, root, flags).map_err(failed("bind", root))?;
    // The tree itself serves as mount point of the empty directory; what is
    // mounted there covers it.
    mount("base", root, "tmpfs", MountFlags::NODEV, c"mode=755")
        .map_err(failed("mount an empty directory on", root))?;
    let inside = root.join(&TREE[1..]);
    fs::create_dir(&inside).map_err(failed("make", &inside))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&tree, "", CWD, &inside, flags).map_err(failed("bind", root))?;
    drop(tree);
    without_devices(&inside)?;
    rustix::process::chdir(root).map_err(failed("enter", root))?;
    rustix::process::pivot_root(".", ".").map_err(failed("make a root of", root))?;
    Ok(Prepared { host, resolv_conf })
}

/// What the first process does once another one entered the tree.
pub(super) fn retreat(prepared: Prepared) -> Result<()> {
    drop(prepared);
    rustix::process::chdir("/").map_err(failed("enter", "/"))?;
    limit_capabilities().map_err(failed("limit the capabilities of", "process 1"))
}

impl Prepared {
    /// Makes the tree the calling process's root directory, and mounts what
    /// belongs in it.
    ///
    /// By chroot, so that the first process's root is another one: programs
    /// that ask whether they are in a chroot (`ischroot`, `systemctl`) must
    /// find that they are, as with every other bootstrapper.
    pub(super) fn enter(self) -> Result<()> {
        rustix::process::chroot(TREE).map_err(failed("enter", TREE))?;
        // From here on absolute paths are inside the tree; relative ones are
        // the host's, until its root is detached.
        rustix::process::fchdir(&self.host).map_err(failed("enter", "the host's root"))?;
        mount_proc()?;
        mount_dev()?;
        mount_tmpfs("/run", c"mode=755")?;
        directory("/run/lock", 0o1777)?;
        mount_tmpfs("/tmp", c"mode=1777")?;
        if let Some(text) = &self.resolv_conf {
            show_resolv_conf(text)?;
        }
        unmount(".", UnmountFlags::DETACH).map_err(failed("detach", "the host's root"))?;
        rustix::process::chdir("/").map_err(failed("enter", "/"))?;
        rustix::system::sethostname(b"localhost").map_err(failed("set", "the hostname"))?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        limit_open_files();
        limit_capabilities().map_err(failed("limit the capabilities in", "the tree"))
    }
}

/// Moves the calling thread into new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "unsafe only for FILES and for threads that share a working directory; there is one thread"
    )]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

/// As root the tree loses `noexec` and `nosuid` that its file system may be
/// mounted with; in a user namespace such flags are locked and stay.
fn without_devices(root: &Path) -> Result<()> {
    let bind = MountFlags::BIND | MountFlags::NODEV;
    let Err(first) = mount_remount(root, bind, c"") else {
        return Ok(());
    };
    let locked = rustix::fs::statvfs(root)
        .map(|s| locked_flags(s.f_flag))
        .unwrap_or(MountFlags::empty());
    mount_remount(root, bind | locked, c"")
        .map_err(|_| failed("forbid device nodes in", root)(first))
}

fn locked_flags(has: StatVfsMountFlags) -> MountFlags {
    [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ]
    .into_iter()
    .filter(|(flag, _)| has.contains(*flag))
    .fold(MountFlags::empty(), |all, (_, flag)| all | flag)
}

fn mount_proc() -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    directory("/proc", 0o755)?;
    mount("proc", "/proc", "proc", flags, c"").map_err(failed("mount", "/proc"))?;
    for name in PROC_READ_ONLY {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            bind_read_only(&path, &path)?;
        }
    }
    for name in PROC_HIDDEN {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            // Relative: the host's, which the tree cannot have replaced.
            bind_read_only(Path::new("dev/null"), &path)?;
        }
    }
    Ok(())
}

fn bind_read_only(source: &Path, target: &Path) -> Result<()> {
    mount_bind(source, target).map_err(failed("bind", target))?;
    let flags = MountFlags::BIND | MountFlags::RDONLY;
    let locked = rustix::fs::statvfs(target)
        .map(|s| locked_flags(s.f_flag))
        .unwrap_or(MountFlags::empty());
    mount_remount(target, flags | locked, c"").map_err(failed("make read-only", target))
}

fn mount_dev() -> Result<()> {
    directory("/dev", 0o755)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("dev", "/dev", "tmpfs", flags, c"mode=755").map_err(failed("mount", "/dev"))?;
    for name in DEVICES {
        let source = Path::new("dev").join(name);
        let target = Path::new("/dev").join(name);
        if name == "tty" && !source.exists() {
            continue;
        }
        fs::write(&target, "").map_err(failed("make", &target))?;
        mount_bind(&source, &target).map_err(failed("bind", &target))?;
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, to) in links {
        let path = Path::new("/dev").join(name);
        symlink(to, &path).map_err(failed("make", &path))?;
    }
    directory("/dev/pts", 0o755)?;
    let options = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    mount("devpts", "/dev/pts", "devpts", flags, options).map_err(failed("mount", "/dev/pts"))?;
    mount_tmpfs("/dev/shm", c"mode=1777")
}

fn mount_tmpfs(path: &str, options: &CStr) -> Result<()> {
    directory(path, 0o755)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", path, "tmpfs", flags, options).map_err(failed("mount", path))
}

fn directory(path: &str, mode: u32) -> Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed("make", path)(e)),
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(failed("set the mode of", path)),
    }
}

fn host_resolv_conf() -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = fs::File::open("/etc/resolv.conf").ok()?;
    file.take(RESOLV_CONF_MAX).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Makes `/etc/resolv.conf` read like the host's. What a link to `/run` needs
/// is made in the tmpfs there; otherwise a read-only file is bound over what
/// there is, or over an empty file that the parent removes afterwards.
fn show_resolv_conf(text: &[u8]) -> Result<()> {
    let path = Path::new("/etc/resolv.conf");
    let target = match fs::read_link(path) {
        Ok(link) => Path::new("/etc").join(link),
        Err(_) => path.to_owned(),
    };
    let beneath_run = target
        .strip_prefix("/etc/..")
        .or_else(|_| target.strip_prefix("/"))
        .is_ok_and(|rest| rest.starts_with("run"));
    if beneath_run {
        let parent = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        return fs::write(&target, text).map_err(failed("write", &target));
    }
    let source = Path::new("/run/.resolv.conf");
    fs::write(source, text).map_err(failed("write", source))?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map_err(failed("make", path))?;
    bind_read_only(source, path)
}

/// A limit that cannot be set stays as it is.
fn limit_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let hard = hard.min(OPEN_FILES.1);
    let limit = |soft, hard| Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    let _ = setrlimit(Resource::Nofile, limit(OPEN_FILES.0.min(hard), hard));
    let _ = setrlimit(Resource::Core, limit(0, 0));
}

fn limit_capabilities() -> rustix::io::Result<()> {
    let has = rustix::thread::capabilities(None)?.permitted;
    for capability in CapabilitySet::from_bits_retain(u64::MAX).iter_bits() {
        if CAPABILITIES.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Beyond the last one that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
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

/// Every single bit.
trait Bits: Sized {
    fn iter_bits(self) -> impl Iterator<Item = Self>;
}

impl Bits for CapabilitySet {
    fn iter_bits(self) -> impl Iterator<Item = Self> {
        (0..64)
            .map(|bit| Self::from_bits_retain(1 << bit))
            .filter(move |b| self.contains(*b))
    }
}
