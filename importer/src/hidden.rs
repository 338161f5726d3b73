//! A tree that is no machine any more: renamed in one step to a name that
//! [`durable::sweep`] removes if this process is killed, and locked so that
//! nobody does so while it lives.

use crate::tree;
use hatchery_image::durable::{self, STAGING_PREFIX};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::io;
use std::path::{Path, PathBuf};

/// A tree that is to be removed.
#[derive(Debug)]
pub(crate) struct Hidden {
    path: PathBuf,
    _lock: OwnedFd,
}

/// Sixteen digits that nobody else uses.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 8];
    // It does not fail once the kernel's generator is seeded, and what is as
    // short comes whole.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

impl Hidden {
    /// Hides the tree at `path`; none if there is none.
    pub(crate) fn new(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = match rustix::fs::open(path, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let hidden = path.with_file_name(format!("{STAGING_PREFIX}{}", random_id()));
        rustix::fs::rename(path, &hidden)?;
        let parent = path.parent().unwrap_or_else(|| Path::new("."));
        durable::sync_directory(parent).map_err(|error| error.source)?;
        Ok(Some(Self {
            path: hidden,
            _lock: lock,
        }))
    }

    /// Removes it with everything in it.
    pub(crate) fn remove(self) -> io::Result<()> {
        tree::remove(&self.path)
    }
}
