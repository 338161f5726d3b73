//! Files of the store, and what tells one from another.

use super::Holdings;
use super::error::{HoldingsError, Result};
use crate::store::{self, CATALOG};
use bytes::Bytes;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

/// What tells that a file is still the one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

/// A file that was opened, and what the system says about it.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) identity: Identity,
    pub(super) modified: SystemTime,
}

impl Holdings {
    /// Which file the catalog is now. Quick enough for any thread: nothing is
    /// opened.
    pub(crate) fn catalog_identity(&self) -> Option<Identity> {
        let stat = self.store.stat(CATALOG).ok()?;
        Some(Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }

    pub(super) fn open(&self, path: &Path) -> Result<Option<Opened>> {
        let failed = |source| HoldingsError::Read {
            path: self.store.root().join(path),
            source,
        };
        let Some(file) = self.store.open_file(path).map_err(failed)? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(failed)?;
        Ok(Some(Opened {
            file,
            identity: Identity {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            modified: metadata.modified().map_err(failed)?,
        }))
    }

    pub(super) fn read(&self, path: &Path, opened: &Opened, limit: u64) -> Result<Bytes> {
        store::read_limited(&opened.file, limit)
            .map(Bytes::from)
            .map_err(|source| HoldingsError::Read {
                path: self.store.root().join(path),
                source,
            })
    }
}
