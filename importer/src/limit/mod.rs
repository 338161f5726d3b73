//! A machine's disk limit, whatever the file system calls it.
//!
//! On btrfs by quota groups, as systemd's `set-limit` does it (`btrfs.rs`), on
//! ext4 and xfs by project quotas where they are mounted with them
//! (`project.rs`). Nothing is switched on that was not asked for: btrfs's
//! quota costs every writer a little, so it is switched on when a limit was
//! asked for, and that is said; project quotas are on or off with the mount.
//! Elsewhere there is no limit, which is found out and said before anything is
//! downloaded, with the way out: a pool, which is never made silently.
//!
//! What the limit is is always read from the kernel. The record of a machine
//! repeats it only for those who read records.

mod btrfs;
mod change;
mod error;
mod project;
pub(crate) mod qgroup;

pub(crate) use btrfs::count_all;
pub use change::{Changed, Through, change, change_pool};
pub use error::LimitError;
pub(crate) use project::{forget, of};

use crate::machines::Machines;
use crate::quota::State;
use hatchery_image::progress::Progress;
use serde::Serialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// How a limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// By btrfs's quota groups.
    Btrfs,
    /// By the project quotas of ext4 or xfs.
    Project,
}

impl Kind {
    /// What people call it.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs quota group",
            Self::Project => "project quota",
        }
    }
}

/// What a tree takes and may take, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiskUse {
    /// How it is, or can be, limited.
    pub kind: Option<Kind>,
    /// Bytes, if they are counted. On btrfs as of its last commit, at most
    /// half a minute ago.
    pub used: Option<u64>,
    /// Limit in bytes, if there is one.
    pub limit: Option<u64>,
    /// Whether the limit does not bind root outside a user namespace: see
    /// [`ROOT_IS_EXEMPT`].
    pub root_is_exempt: bool,
}

/// What ext4's limits are worth.
pub const ROOT_IS_EXEMPT: &str = "on ext4 it does not bind a machine whose root is the host's; \
     machines in a user namespace are bound, as `machinectl start` and PrivateUsers= have them";

/// What the file system of a machines directory can do.
enum Place {
    /// btrfs.
    Btrfs,
    /// A file system with project quotas on this device.
    Project(PathBuf, State),
    /// Nothing.
    Nothing,
}

impl Place {
    fn of(machines: &Machines) -> Result<Self, LimitError> {
        if machines.is_btrfs()? {
            return Ok(Self::Btrfs);
        }
        match project::device_and_state(machines.root())? {
            Some((device, state)) => Ok(Self::Project(device, state)),
            None => Ok(Self::Nothing),
        }
    }
}

/// How machines here can be limited, if they can.
///
/// # Errors
/// The file system cannot be asked.
pub fn kind(machines: &Machines) -> Result<Option<Kind>, LimitError> {
    Ok(match Place::of(machines)? {
        Place::Btrfs => Some(Kind::Btrfs),
        Place::Project(_, State::Enforced) => Some(Kind::Project),
        Place::Project(..) | Place::Nothing => None,
    })
}

/// Whether a limit of `bytes` can be set for an image whose files take
/// `needed` bytes. Changes nothing.
///
/// # Errors
/// It cannot: why, and what would help.
pub fn possible(machines: &Machines, bytes: u64, needed: u64) -> Result<(), LimitError> {
    let path = || machines.root().to_owned();
    match Place::of(machines)? {
        Place::Btrfs => (),
        Place::Project(_, State::Enforced) => project::possible(machines.root())?,
        Place::Project(..) => return Err(LimitError::NotEnforced { path: path() }),
        Place::Nothing => return Err(LimitError::Unlimited { path: path() }),
    }
    if bytes < needed {
        let limit = bytes;
        return Err(LimitError::TooSmall { limit, needed });
    }
    Ok(())
}

/// Whether a limit can be set without switching quota on.
///
/// # Errors
/// The file system cannot be asked.
pub(crate) fn is_free(machines: &Machines) -> Result<bool, LimitError> {
    match Place::of(machines)? {
        Place::Btrfs => btrfs::is_on(machines.root()),
        Place::Project(_, State::Enforced) => Ok(project::possible(machines.root()).is_ok()),
        Place::Project(..) | Place::Nothing => Ok(false),
    }
}

/// Limits the new, empty tree at `path` in `machines` to `bytes`.
///
/// # Errors
/// Which step failed.
pub fn set(
    machines: &Machines,
    path: &Path,
    bytes: u64,
    progress: &Progress,
) -> Result<(), LimitError> {
    match Place::of(machines)? {
        Place::Btrfs => {
            btrfs::prepare(machines.root(), path, progress)?;
            btrfs::set(machines.root(), path, Some(bytes))
        }
        Place::Project(device, _) => {
            project::claim(machines.root(), path, &device)?;
            project::set(machines.root(), path, &device, Some(bytes))?;
            say_exempt(machines.root(), progress)
        }
        Place::Nothing => Err(LimitError::Unlimited {
            path: machines.root().to_owned(),
        }),
    }
}

/// Says what a limit that has been set does not do.
fn say_exempt(root: &Path, progress: &Progress) -> Result<(), LimitError> {
    if project::exempts_root(root)? {
        progress.warn(format!("a disk limit is set; {ROOT_IS_EXEMPT}"));
    }
    Ok(())
}

/// Has a new tree that is not limited itself be counted, where that costs
/// nothing: towards the limit of all machines together, and so that it can be
/// limited later. Does nothing elsewhere.
///
/// # Errors
/// Which step failed.
pub(crate) fn join(machines: &Machines, path: &Path) -> Result<(), LimitError> {
    match Place::of(machines)? {
        Place::Btrfs => btrfs::join(machines.root(), path),
        Place::Project(device, State::Enforced | State::Counted)
            if project::possible(machines.root()).is_ok() =>
        {
            project::claim(machines.root(), path, &device).map(drop)
        }
        Place::Project(..) | Place::Nothing => Ok(()),
    }
}

/// What the tree at `path` in `machines` takes and may take.
///
/// # Errors
/// The file system cannot be asked.
pub fn read(machines: &Machines, path: &Path) -> Result<DiskUse, LimitError> {
    match Place::of(machines)? {
        Place::Btrfs => btrfs::read(path),
        Place::Project(device, State::Enforced) => project::read(machines.root(), path, &device),
        // A limit that nobody enforces is none.
        Place::Project(device, State::Counted) => Ok(DiskUse {
            used: project::read(machines.root(), path, &device)?.used,
            ..DiskUse::default()
        }),
        Place::Project(_, State::Off) | Place::Nothing => Ok(DiskUse::default()),
    }
}

/// Whether a tree that could not be written to was full: it is limited, and
/// next to nothing of the limit is left. (xfs answers a full project with the
/// error of a full disk.)
pub(crate) fn is_exhausted(machines: &Machines, path: &Path, error: &io::Error) -> Option<u64> {
    // What no single write of an import exceeds by far.
    const NEARLY: u64 = 16 << 20;
    let now = read(machines, path).ok()?;
    let limit = now.limit?;
    let is_near = now
        .used
        .is_some_and(|used| limit.saturating_sub(used) < NEARLY);
    match error.kind() {
        io::ErrorKind::QuotaExceeded => Some(limit),
        io::ErrorKind::StorageFull if is_near => Some(limit),
        _ => None,
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LimitError {
    let path = path.to_owned();
    move |source| LimitError::Failed {
        doing,
        path,
        source,
    }
}

fn open(path: &Path) -> Result<File, LimitError> {
    File::open(path).map_err(failed("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_had_is_refused_with_the_way_out() {
        let shm = tempfile::tempdir_in("/dev/shm").unwrap();
        let machines = Machines::open(shm.path()).unwrap();
        let error = possible(&machines, 16 << 30, 1).unwrap_err();
        assert!(matches!(error, LimitError::Unlimited { .. }), "{error}");
        assert!(
            error.to_string().contains("hatchery pool create"),
            "{error}"
        );
        assert_eq!(kind(&machines).unwrap(), None);
        assert_eq!(read(&machines, shm.path()).unwrap(), DiskUse::default());
    }
}
