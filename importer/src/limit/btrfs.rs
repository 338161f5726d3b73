//! Disk limits on btrfs: when quota is switched on, and which quota groups
//! are asked. The groups themselves are systemd's, see `qgroup.rs`.

use super::{DiskUse, Kind, LimitError, failed, open, qgroup};
use crate::btrfs;
use hatchery_image::progress::{Progress, Stage};
use rustix::fd::{AsFd as _, BorrowedFd};
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often the kernel is asked whether it has counted.
const COUNTED: Duration = Duration::from_millis(50);

/// How often that is at most for an empty file system, which takes none.
const COUNTED_TRIES: u32 = 200;

/// Whether quota is on for the file system of a directory.
pub(super) fn is_on(root: &Path) -> Result<bool, LimitError> {
    let pool = open(root)?;
    btrfs::quota_is_on(pool.as_fd()).map_err(failed("read the quota state of", root))
}

/// Switches quota on where it is off, saying so, and gives the subvolume at
/// `path` its groups.
pub(super) fn prepare(root: &Path, path: &Path, progress: &Progress) -> Result<(), LimitError> {
    let pool = open(root)?;
    let tree = open(path)?;
    require_subvolume(&tree, path)?;
    switch_on(&pool, root, progress)?;
    // What removals of others left would be in the way of nothing, but grows.
    let newest = btrfs::subvolume_id(tree.as_fd()).map_err(failed("examine", path))?;
    let _ = qgroup::sweep(pool.as_fd(), Some(newest));
    join_pool(&pool, &tree).map_err(failed("make quota groups for", path))
}

/// The same for all machines together.
pub(super) fn prepare_pool(root: &Path, progress: &Progress) -> Result<(), LimitError> {
    let pool = open(root)?;
    let is_subvolume = btrfs::is_subvolume(pool.as_fd()).map_err(failed("examine", root))?;
    if !is_subvolume {
        let path = root.to_owned();
        return Err(LimitError::NoPool { path });
    }
    switch_on(&pool, root, progress)?;
    qgroup::adopt(pool.as_fd()).map_err(failed("make quota groups for", root))
}

fn switch_on(pool: &File, root: &Path, progress: &Progress) -> Result<(), LimitError> {
    let on = btrfs::quota_is_on(pool.as_fd()).map_err(failed("read the quota state of", root))?;
    if !on {
        let text = format!(
            "switching quota on for the btrfs that holds {}",
            root.display()
        );
        progress.message(Stage::Limit, text);
        btrfs::enable_quota(pool.as_fd()).map_err(failed("switch quota on for", root))?;
    }
    wait_until_counted(pool.as_fd(), root, progress)
}

/// Limits the subvolume at `path`, which has its groups and lies in `root` or
/// is it.
pub(super) fn set(root: &Path, path: &Path, bytes: Option<u64>) -> Result<(), LimitError> {
    let pool = open(root)?;
    let tree = open(path)?;
    // The kernel's word for no limit, and systemd's for infinity.
    let bytes = bytes.unwrap_or(u64::MAX);
    qgroup::set_limit(pool.as_fd(), tree.as_fd(), bytes).map_err(|source| match source.kind() {
        io::ErrorKind::QuotaExceeded => LimitError::Full {
            path: root.to_owned(),
            source,
        },
        _ => failed("limit", path)(source),
    })
}

/// Has a subvolume count towards the limit of all machines together, where
/// quota is on.
pub(super) fn join(root: &Path, path: &Path) -> Result<(), LimitError> {
    let pool = open(root)?;
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

fn require_subvolume(tree: &File, path: &Path) -> Result<(), LimitError> {
    match btrfs::is_subvolume(tree.as_fd()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(LimitError::NotCounted {
            path: path.to_owned(),
            kind: Kind::Btrfs,
        }),
        Err(e) => Err(failed("examine", path)(e)),
    }
}

/// What a subvolume takes with what is made inside it, and may take.
pub(super) fn read(path: &Path) -> Result<DiskUse, LimitError> {
    let tree = open(path)?;
    let now = qgroup::read(tree.as_fd()).map_err(failed("read the quota groups of", path))?;
    Ok(DiskUse {
        kind: Some(Kind::Btrfs),
        used: now.map(|group| group.used),
        limit: now.and_then(|group| group.limit),
        root_is_exempt: false,
    })
}

/// Has the kernel write down what it has counted.
pub(super) fn commit(root: &Path) -> Result<(), LimitError> {
    let pool = open(root)?;
    rustix::fs::syncfs(&pool).map_err(|e| failed("sync", root)(e.into()))
}

fn wait_until_counted(
    pool: BorrowedFd<'_>,
    path: &Path,
    progress: &Progress,
) -> Result<(), LimitError> {
    loop {
        let counting =
            btrfs::is_rescanning(pool).map_err(failed("read the quota state of", path))?;
        if !counting {
            return Ok(());
        }
        progress.check().map_err(LimitError::Interrupted)?;
        thread::sleep(COUNTED);
    }
}

/// Switches quota on for an empty file system, and has the directory counted
/// with all that is made in it.
pub(crate) fn count_all(root: &Path) -> io::Result<()> {
    let pool = File::open(root)?;
    btrfs::enable_quota(pool.as_fd())?;
    for _ in 0..COUNTED_TRIES {
        if !btrfs::is_rescanning(pool.as_fd())? {
            break;
        }
        thread::sleep(COUNTED);
    }
    qgroup::adopt(pool.as_fd())
}
