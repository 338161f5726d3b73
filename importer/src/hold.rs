//! The lock of the state folder, by which `gc` keeps off what others work on.
//!
//! Who writes something that nothing refers to yet (an image's table, a tree
//! under a hidden name), or exchanges trees, holds it shared, from then until
//! the record is written; `gc` holds it alone while it decides what nothing
//! refers to, and `limit` while it changes a record. A machine's own lock
//! would not do: a machine that runs holds that, too, and what is kept beside
//! it must be removable.

use hatchery_image::durable;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Name of the lock file.
const LOCK: &str = ".lock";

/// The state folder cannot be locked.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {path}")]
pub struct HoldError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The state folder is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    _file: OwnedFd,
}

impl Hold {
    /// With others, waiting while `gc` decides.
    pub(crate) fn shared(state: &Path) -> Result<Self, HoldError> {
        let file = open(state)?;
        rustix::fs::flock(&file, FlockOperation::LockShared)
            .map_err(|errno| failed(state, errno))?;
        Ok(Self { _file: file })
    }

    /// Alone; none while anybody else holds it.
    pub(crate) fn alone(state: &Path) -> Result<Option<Self>, HoldError> {
        let file = open(state)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(failed(state, errno)),
            Ok(()) => Ok(Some(Self { _file: file })),
        }
    }
}

fn failed(state: &Path, source: impl Into<io::Error>) -> HoldError {
    HoldError {
        path: state.join(LOCK),
        source: source.into(),
    }
}

fn open(state: &Path) -> Result<OwnedFd, HoldError> {
    durable::make_folders(state).map_err(|source| failed(state, source))?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(state.join(LOCK), flags, Mode::from_raw_mode(0o600))
        .map_err(|errno| failed(state, errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_or_several_together() {
        let dir = tempfile::tempdir().unwrap();
        let first = Hold::shared(dir.path()).unwrap();
        let second = Hold::shared(dir.path()).unwrap();
        drop(first);
        assert!(Hold::alone(dir.path()).unwrap().is_none());
        drop(second);
        let alone = Hold::alone(dir.path()).unwrap();
        assert!(alone.is_some());
        assert!(Hold::alone(dir.path()).unwrap().is_none());
    }
}
