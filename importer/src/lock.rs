//! The lock of a machine's tree, as systemd takes it (`image_path_lock`): an
//! open-file-description lock on `.#NAME.lck` beside the tree, and one on
//! `/run/systemd/nspawn/locks/inode-DEVICE:INODE`.
//!
//! systemd-nspawn holds both while a machine runs, machined while it clones,
//! renames or removes one. So whoever holds ours keeps theirs away, and a
//! machine that runs is noticed without asking anybody.

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Where systemd keeps the locks of trees by inode.
const INODE_LOCKS: &str = "/run/systemd/nspawn/locks";

/// How often a lock file that was removed meanwhile is made again.
const TRIES: u32 = 100;

/// How often a lock that is held is asked for, and how long apart: a sweeper
/// holds each for a moment to see whether anybody else does.
const BUSY_TRIES: u32 = 5;
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// Why a tree could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error("{path} is in use: it is running, or another program works on it")]
    Busy {
        /// The tree.
        path: PathBuf,
    },
    /// The lock file cannot be made or locked.
    #[error("cannot lock {path}")]
    Failed {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A machine's tree is ours until this is dropped.
#[derive(Debug)]
pub struct MachineLock {
    _beside: LockFile,
    _inode: Option<LockFile>,
}

impl MachineLock {
    /// Locks the tree at `path`, which need not exist, without waiting.
    ///
    /// # Errors
    /// [`LockError::Busy`] if somebody holds it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Self, LockError> {
        let busy = || LockError::Busy {
            path: path.to_owned(),
        };
        let beside = LockFile::take(&beside(path), BUSY_TRIES)?.ok_or_else(busy)?;
        let inode = match fs::symlink_metadata(path) {
            Ok(stat) => {
                let name = format!("inode-{}:{}", stat.dev(), stat.ino());
                inode_lock(&name)?.map(|lock| lock.ok_or_else(busy))
            }
            Err(_) => None,
        };
        Ok(Self {
            _beside: beside,
            _inode: inode.transpose()?,
        })
    }
}

/// The lock file beside a tree.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().display();
    path.with_file_name(format!(".#{name}.lck"))
}

/// Takes systemd's lock of an inode. The outer `None`: this host has no such
/// locks (no /run to write to), so nobody holds any. The inner: it is held.
fn inode_lock(name: &str) -> Result<Option<Option<LockFile>>, LockError> {
    let directory = Path::new(INODE_LOCKS);
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create("/run/systemd/nspawn")
        .and_then(
            |()| match fs::DirBuilder::new().mode(0o700).create(directory) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                result => result,
            },
        );
    if made.is_err() {
        return Ok(None);
    }
    LockFile::take(&directory.join(name), BUSY_TRIES).map(Some)
}

/// Whether somebody holds the lock of the tree at `path`. Takes none, so that
/// nobody who wants it meanwhile is refused.
pub(crate) fn is_held(path: &Path) -> bool {
    let mut files = vec![beside(path)];
    if let Ok(stat) = fs::symlink_metadata(path) {
        let name = format!("inode-{}:{}", stat.dev(), stat.ino());
        files.push(Path::new(INODE_LOCKS).join(name));
    }
    files.iter().any(|file| {
        let Ok(file) = File::open(file) else {
            return false;
        };
        let mut found = whole_file();
        let asked = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut found)).is_ok();
        asked && found.l_type != libc::F_UNLCK as libc::c_short
    })
}

/// An exclusive lock on a whole file, as fcntl(2) takes it.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// A file that is locked, and removed when the lock is dropped.
#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    _file: File,
}

impl LockFile {
    /// Takes a lock; `None` if somebody else has it each time it is asked for.
    fn take(path: &Path, mut busy_tries: u32) -> Result<Option<Self>, LockError> {
        let failed = |source| LockError::Failed {
            path: path.to_owned(),
            source,
        };
        for _ in 0..TRIES {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY)
                .open(path)
                .map_err(failed)?;
            let whole = whole_file();
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
                Ok(_) => (),
                Err(nix::Error::EAGAIN | nix::Error::EACCES) => {
                    busy_tries = busy_tries.saturating_sub(1);
                    if busy_tries == 0 {
                        return Ok(None);
                    }
                    thread::sleep(BUSY_WAIT);
                    continue;
                }
                Err(errno) => return Err(failed(errno.into())),
            }
            // The last holder may have removed the file before letting go;
            // then this lock is one on nothing.
            if file.metadata().map_err(failed)?.nlink() > 0 {
                let path = path.to_owned();
                return Ok(Some(Self { path, _file: file }));
            }
        }
        Err(failed(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Still held here, so nobody else's is removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes lock files in `directory` that nobody holds: what killed processes left.
pub(crate) fn sweep(directory: &Path) -> Result<(), LockError> {
    let entries = fs::read_dir(directory).map_err(|source| LockError::Failed {
        path: directory.to_owned(),
        source,
    })?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".#") && bytes.ends_with(b".lck") {
            drop(LockFile::take(&entry.path(), 1)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_nothing_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("debian");
        let held = MachineLock::try_exclusive(&path).unwrap();
        let error = MachineLock::try_exclusive(&path).unwrap_err();
        assert!(matches!(error, LockError::Busy { .. }));
        assert!(is_held(&path));
        assert!(dir.path().join(".#debian.lck").exists());
        sweep(dir.path()).unwrap();
        assert!(dir.path().join(".#debian.lck").exists());
        drop(held);
        assert!(!is_held(&path));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        MachineLock::try_exclusive(&path).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".#debian.lck"), "").unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
