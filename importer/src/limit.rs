//! A machine's disk limit.
//!
//! On btrfs by quota groups, as systemd's `set-limit` does it. Quota is
//! switched on for the file system only when a limit was asked for, and that
//! is said, because it costs every writer on it a little. Elsewhere there is
//! no limit yet, which is found out and said before anything is downloaded.

use crate::machines::{Machines, MachinesError};
use crate::{btrfs, qgroup};
use hatchery_image::progress::{Interrupted, Progress, Stage};
use rustix::fd::{AsFd as _, BorrowedFd};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often the kernel is asked whether it has counted.
const COUNTED: Duration = Duration::from_millis(50);

/// Why there is no limit.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// No file system of this kind can limit a directory.
    #[error(
        "{path} is not on btrfs, so a disk limit cannot be set there; \
         use a machines directory that is on btrfs, or import without a limit"
    )]
    NotBtrfs {
        /// The machines directory.
        path: PathBuf,
    },
    /// The image alone is larger.
    #[error("a disk limit of {limit} bytes is too small: the image alone takes {needed}")]
    TooSmall {
        /// The limit.
        limit: u64,
        /// Bytes of the image's files.
        needed: u64,
    },
    /// A step failed.
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
    /// The machines directory cannot be examined.
    #[error(transparent)]
    Machines(MachinesError),
    /// The user asked to stop.
    #[error("the import was stopped")]
    Interrupted(#[source] Interrupted),
}

/// Whether a limit of `bytes` can be set for an image whose files take
/// `needed` bytes. Changes nothing.
///
/// # Errors
/// It cannot: why, and what would help.
pub fn possible(machines: &Machines, bytes: u64, needed: u64) -> Result<(), LimitError> {
    if !machines.is_btrfs().map_err(LimitError::Machines)? {
        let path = machines.root().to_owned();
        return Err(LimitError::NotBtrfs { path });
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
    if !machines.is_btrfs().map_err(LimitError::Machines)? {
        return Ok(false);
    }
    let pool = open(machines.root())?;
    btrfs::quota_is_on(pool.as_fd()).map_err(|source| LimitError::Failed {
        doing: "read the quota state of",
        path: machines.root().to_owned(),
        source,
    })
}

/// Limits the tree at `path`, a subvolume in `machines`, to `bytes`.
///
/// # Errors
/// Which step failed.
pub fn set(
    machines: &Machines,
    path: &Path,
    bytes: u64,
    progress: &Progress,
) -> Result<(), LimitError> {
    let pool = open(machines.root())?;
    let tree = open(path)?;
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| LimitError::Failed {
            doing,
            path,
            source,
        }
    };
    let root = machines.root();
    let on = btrfs::quota_is_on(pool.as_fd());
    if !on.map_err(failed("read the quota state of", root))? {
        let text = format!(
            "switching quota on for the btrfs that holds {}",
            root.display()
        );
        progress.message(Stage::Limit, text);
        btrfs::enable_quota(pool.as_fd()).map_err(failed("switch quota on for", root))?;
    }
    wait_until_counted(pool.as_fd(), root, progress)?;
    join_pool(&pool, &tree).map_err(failed("make quota groups for", path))?;
    qgroup::set_limit(tree.as_fd(), bytes).map_err(failed("limit", path))
}

/// Has a tree that is not limited itself count towards the limit of all
/// machines together, where quota is on. Does nothing elsewhere.
///
/// # Errors
/// Which step failed.
pub(crate) fn join(machines: &Machines, path: &Path) -> Result<(), LimitError> {
    let pool = open(machines.root())?;
    let tree = open(path)?;
    let failed = |source| LimitError::Failed {
        doing: "make quota groups for",
        path: path.to_owned(),
        source,
    };
    let is_subvolume = btrfs::is_subvolume(tree.as_fd()).map_err(failed)?;
    if !is_subvolume || !btrfs::quota_is_on(pool.as_fd()).map_err(failed)? {
        return Ok(());
    }
    join_pool(&pool, &tree).map_err(failed)
}

fn join_pool(pool: &File, tree: &File) -> io::Result<()> {
    // The machines directory may be an ordinary one; then it has no groups.
    if btrfs::is_subvolume(pool.as_fd())? {
        qgroup::adopt(pool.as_fd())?;
    }
    qgroup::adopt(tree.as_fd())
}

fn open(path: &Path) -> Result<File, LimitError> {
    File::open(path).map_err(|source| LimitError::Failed {
        doing: "open",
        path: path.to_owned(),
        source,
    })
}

fn wait_until_counted(
    pool: BorrowedFd<'_>,
    path: &Path,
    progress: &Progress,
) -> Result<(), LimitError> {
    loop {
        let counting = btrfs::is_rescanning(pool).map_err(|source| LimitError::Failed {
            doing: "read the quota state of",
            path: path.to_owned(),
            source,
        })?;
        if !counting {
            return Ok(());
        }
        progress.check().map_err(LimitError::Interrupted)?;
        thread::sleep(COUNTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_had_is_refused_beforehand() {
        let shm = tempfile::tempdir_in("/dev/shm").unwrap();
        let machines = Machines::open(shm.path()).unwrap();
        let error = possible(&machines, 16 << 30, 1).unwrap_err();
        assert!(matches!(error, LimitError::NotBtrfs { .. }), "{error}");
        assert!(error.to_string().contains("without a limit"), "{error}");
    }
}
