//! Files of the store, and what tells one from another.

use super::Holdings;
use super::error::{HoldingsError, Result};
use crate::store::{self, CATALOG};
use bytes::Bytes;
use hatchery_image::layout::CERTIFICATES;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What tells that a file is still the one that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
}

impl Identity {
    /// When it became this file, by the clock of this host: a copy may keep the
    /// time at which what it was copied from was modified.
    fn changed_at(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.changed;
        let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let nanoseconds = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        let changed = UNIX_EPOCH.checked_add(seconds.saturating_add(nanoseconds));
        changed.unwrap_or(UNIX_EPOCH)
    }
}

/// A file that was opened, and what the system says about it.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) identity: Identity,
    pub(crate) modified: SystemTime,
}

impl Holdings {
    /// Which file the catalog is now. Quick enough for any thread: nothing is
    /// opened.
    pub(crate) fn catalog_identity(&self) -> Option<Identity> {
        self.identity(CATALOG)
    }

    /// When the catalog or the certificates beside it became what they are.
    pub(crate) fn changed(&self) -> SystemTime {
        let files = [CATALOG, CERTIFICATES].into_iter();
        let identities = files.filter_map(|name| self.identity(name));
        let changed = identities.map(|identity| identity.changed_at()).max();
        changed.unwrap_or(UNIX_EPOCH)
    }

    fn identity(&self, name: &str) -> Option<Identity> {
        let stat = self.store.stat(name).ok()?;
        Some(Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).ok()?,
            modified: (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).ok()?),
            changed: (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).ok()?),
        })
    }

    /// Opens a file beneath the store's root, if it is there.
    pub(crate) fn open(&self, path: &Path) -> Result<Option<Opened>> {
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

    /// All of a file that was opened, of at most `limit` bytes.
    pub(crate) fn read(&self, path: &Path, opened: &Opened, limit: u64) -> Result<Bytes> {
        store::read_limited(&opened.file, limit)
            .map(Bytes::from)
            .map_err(|source| HoldingsError::Read {
                path: self.store.root().join(path),
                source,
            })
    }
}
