//! `/var/lib/hatchery/repositories/ID.json`: what was seen of a repository.
//!
//! Written as soon as a catalog was verified, under a lock, and never lowered,
//! so that what an attacker shows later can be compared with it. It survives
//! restarts and has nothing to do with the clock.

use crate::repository::Refused;
use hatchery_image::catalog::{Catalog, Seen};
use hatchery_image::durable::{self, DirectoryLock, DurableError};
use hatchery_image::{Sha256, Verified};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file of what was seen, in bytes.
const SEEN_MAX: u64 = 64 << 10;

/// Why what was seen cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A step on the file failed.
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
    /// It is damaged. It protects from old catalogs, so it is not ignored.
    #[error(
        "{path} cannot be read; without it an old catalog would not be noticed. \
         Remove it only if you know why it is damaged"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error("cannot remember which catalog was seen")]
    Write(#[source] DurableError),
}

/// What was seen of repositories.
pub(crate) struct State {
    root: PathBuf,
}

impl State {
    pub(crate) fn beneath(state: &Path) -> Self {
        Self {
            root: state.join("repositories"),
        }
    }

    /// The id is checked to be a plain file name when a catalog is opened.
    fn path(&self, repository: &str) -> PathBuf {
        self.root.join(format!("{repository}.json"))
    }

    pub(crate) fn seen(&self, repository: &str) -> Result<Option<Seen>, StateError> {
        let path = self.path(repository);
        let failed = |source| StateError::Failed {
            doing: "read",
            path: path.clone(),
            source,
        };
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
            Ok(stat) if stat.len() > SEEN_MAX => {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            Ok(_) => (),
        }
        let bytes = fs::read(&path).map_err(failed)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StateError::Damaged {
                path: path.clone(),
                source,
            })
    }

    /// Notes that a catalog was seen, unless another process has seen a newer.
    pub(crate) fn remember(
        &self,
        catalog: &Verified<Catalog>,
        digest: Sha256,
    ) -> Result<(), Refused> {
        let failed = |source| {
            Refused::State(StateError::Failed {
                doing: "make the folder",
                path: self.root.clone(),
                source,
            })
        };
        fs::create_dir_all(&self.root).map_err(failed)?;
        let write = |e| Refused::State(StateError::Write(e));
        let _lock = DirectoryLock::exclusive(&self.root).map_err(write)?;
        let before = self.seen(&catalog.repository).map_err(Refused::State)?;
        let now = match &before {
            Some(seen) => seen.check(catalog, digest).map_err(Refused::Seen)?,
            None => Seen::first(catalog, digest),
        };
        if before.as_ref() == Some(&now) {
            return Ok(());
        }
        let mut bytes = serde_json::to_vec_pretty(&now).expect("it has only string keys");
        bytes.push(b'\n');
        durable::write(&self.path(&catalog.repository), &bytes, 0o644).map_err(write)
    }
}
