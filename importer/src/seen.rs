//! `/var/lib/hatchery/repositories/ID.json`: what was seen of a repository,
//! and `ID.keys.json`: which of its keys handed over.
//!
//! Written as soon as a catalog was verified, under a lock, and never lowered,
//! so that what an attacker shows later can be compared with it. It survives
//! restarts and has nothing to do with the clock.
//!
//! A file that is damaged stops everything that needs it: an attacker who
//! could damage it would otherwise have made us forget. One that is gone is
//! the same as one that never was, which root alone can bring about;
//! [`crate::repository`] warns where machines tell that there must have been
//! one.

use crate::own_file;
use crate::repository::Refused;
use hatchery_image::catalog::{Catalog, Seen};
use hatchery_image::durable::{self, DirectoryLock, DurableError};
use hatchery_image::succession::{Followed, Succession};
use hatchery_image::{Sha256, Verified};
use serde::de::DeserializeOwned;
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

    fn keys_path(&self, repository: &str) -> PathBuf {
        self.root.join(format!("{repository}.keys.json"))
    }

    pub(crate) fn seen(&self, repository: &str) -> Result<Option<Seen>, StateError> {
        read(&self.path(repository))
    }

    /// Which keys of the repository handed over.
    pub(crate) fn followed(&self, repository: &str) -> Result<Followed, StateError> {
        read(&self.keys_path(repository)).map(Option::unwrap_or_default)
    }

    /// Notes that these statements were followed.
    pub(crate) fn follow(
        &self,
        repository: &str,
        steps: &[Verified<Succession>],
    ) -> Result<(), Refused> {
        if steps.is_empty() {
            return Ok(());
        }
        let write = |e| Refused::State(StateError::Write(e));
        let _lock = DirectoryLock::exclusive(&self.root).map_err(write)?;
        let before = self.followed(repository).map_err(Refused::State)?;
        let now = before.and(steps).map_err(Refused::Succession)?;
        let mut bytes = serde_json::to_vec_pretty(&now).expect("it has only string keys");
        bytes.push(b'\n');
        durable::write(&self.keys_path(repository), &bytes, 0o644).map_err(write)
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
        durable::make_folders(&self.root).map_err(failed)?;
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

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let failed = |source| StateError::Failed {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = own_file::read(path, SEEN_MAX).map_err(failed)? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|source| StateError::Damaged {
            path: path.to_owned(),
            source,
        })
}
