//! Pools: a btrfs in a sparse file, for hosts whose own file system cannot
//! limit a directory. One lasts and holds the machines of a host
//! (`lasting.rs`), with the unit that mounts it when the host boots
//! (`unit.rs`); one is made for a while (`temporary.rs`).
//!
//! Made with the programs that every host with btrfs has (`mkfs.btrfs`,
//! `btrfs`, `mount`, `losetup`), which find loop devices and load modules.

mod about;
mod lasting;
mod temporary;
mod unit;

pub use about::{PoolPlaces, PoolStatus, status};
pub use lasting::{create, grow, remove};
pub use temporary::Pool;
pub use unit::UNITS;

use crate::machines::MachinesError;
use crate::run::{self, RunError};
use hatchery_image::durable::DurableError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Smallest pool that mkfs.btrfs makes without complaint, in bytes.
pub const SIZE_MIN: u64 = 128 << 20;

/// How long mkfs, mount or umount may take.
const COMMAND: Duration = Duration::from_secs(60);

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Too small to be one.
    #[error("a pool of {0} bytes is too small; {SIZE_MIN} are the least")]
    TooSmall(u64),
    /// A path that a unit cannot hold as it is.
    #[error(
        "{0} cannot be in a unit of systemd; take an absolute path of letters, digits, \
         and the characters /._- only"
    )]
    Path(PathBuf),
    /// Something is where the pool would be.
    #[error(
        "{path} holds something already ({found}); a pool would hide it. Move it away and \
         into the pool afterwards, or make a pool elsewhere with --machines DIR and --file FILE"
    )]
    NotEmpty {
        /// The machines directory.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// There is one.
    #[error("{path} exists already; `hatchery pool status` shows the pool, `grow` enlarges it")]
    Exists {
        /// Its file, or its unit.
        path: PathBuf,
    },
    /// It can limit machines without.
    #[error("{path} is on btrfs already, where machines have limits without a pool")]
    Needless {
        /// The machines directory.
        path: PathBuf,
    },
    /// Something else is mounted there.
    #[error("something is mounted on {path} already, so no pool can be")]
    Mounted {
        /// The machines directory.
        path: PathBuf,
    },
    /// There is none.
    #[error("{unit} is not there, or is not ours: {path} is no pool that hatchery has made")]
    None {
        /// The machines directory.
        path: PathBuf,
        /// Its unit.
        unit: PathBuf,
    },
    /// It is there and not mounted.
    #[error("the pool in {file} is not mounted; mount it with `mount -o loop {file} {path}`")]
    NotMounted {
        /// Its file.
        file: PathBuf,
        /// Where it should be mounted.
        path: PathBuf,
    },
    /// It would get smaller.
    #[error("the pool has {now} bytes already; it can only grow, and {wanted} are not more")]
    Smaller {
        /// Its size.
        now: u64,
        /// What was asked for.
        wanted: u64,
    },
    /// There are machines in it.
    #[error("there are machines in {path} ({names}); remove them first: hatchery remove NAME")]
    InUse {
        /// The machines directory.
        path: PathBuf,
        /// Some of them.
        names: String,
    },
    /// A step on its files failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The unit cannot be written.
    #[error("cannot write the pool's unit")]
    Unit(#[source] DurableError),
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// The file system cannot be made.
    #[error("cannot make a btrfs; mkfs.btrfs is in the package btrfs-progs")]
    Mkfs(#[source] RunError),
    /// The file system cannot be mounted.
    #[error("cannot mount the pool; loop devices and a kernel with btrfs are needed")]
    Mount(#[source] RunError),
    /// The file system cannot be unmounted.
    #[error("cannot unmount the pool")]
    Unmount(#[source] RunError),
    /// The file system cannot be enlarged.
    #[error("cannot enlarge the pool; `hatchery pool grow` can be tried again")]
    Grow(#[source] RunError),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PoolError {
    let path = path.to_owned();
    move |source| PoolError::Failed {
        doing,
        path,
        source,
    }
}

/// Makes a btrfs in a new sparse file of `size` bytes.
fn make(file: &Path, size: u64) -> Result<(), PoolError> {
    fs::File::create_new(file)
        .and_then(|f| f.set_len(size))
        .map_err(failed("make the file", file))?;
    let mkfs = [Path::new("mkfs.btrfs"), Path::new("--quiet"), file];
    run::run(&mkfs, COMMAND).map(drop).map_err(PoolError::Mkfs)
}

fn mount(file: &Path, target: &Path, options: &str) -> Result<(), PoolError> {
    let mount = ["mount", "-t", "btrfs", "-o", options].map(Path::new);
    let mount = [&mount[..], &[file, target]].concat();
    run::run(&mount, COMMAND)
        .map(drop)
        .map_err(PoolError::Mount)
}

fn unmount(target: &Path) -> Result<(), PoolError> {
    let umount = [Path::new("umount"), target];
    run::run(&umount, COMMAND)
        .map(drop)
        .map_err(PoolError::Unmount)
}

/// Removes a path unless it is gone already.
fn gone(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), PoolError> {
    match remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(failed("remove", path)),
    }
}

/// Whether something is mounted on a directory.
fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev).ok();
    let parent = path.parent().and_then(device);
    matches!((device(path), parent), (Some(a), Some(b)) if a != b)
}
