//! A folder of the state folder with a JSON file a machine: written durably,
//! and read as [`own_file`] does. It knows nothing of what the files say.

use super::ExchangeError;
use crate::own_file;
use hatchery_image::MachineName;
use hatchery_image::durable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Newest `format` that this program reads, and that of journals; the second
/// one says when a tree was made.
pub(super) const FORMAT: u32 = 2;

/// Largest file that is read, in bytes: three records, and settings of at
/// most 1 MiB each.
const FILE_MAX: u64 = 16 << 20;

/// Most files of the folder that are looked at.
const FILES_MAX: usize = 100_000;

/// A folder of JSON files, one a machine.
pub(super) struct Folder(pub(super) PathBuf);

/// What every file says first.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Folder {
    fn path(&self, name: &MachineName) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    pub(super) fn find<T: DeserializeOwned>(
        &self,
        name: &MachineName,
    ) -> Result<Option<T>, ExchangeError> {
        let path = self.path(name);
        let failed = |source| ExchangeError::Failed {
            doing: "read",
            path: path.clone(),
            source,
        };
        let Some(bytes) = own_file::read(&path, FILE_MAX).map_err(failed)? else {
            return Ok(None);
        };
        let json = |source| ExchangeError::Json {
            path: path.clone(),
            source,
        };
        let Head { format } = serde_json::from_slice(&bytes).map_err(json)?;
        if format > FORMAT {
            return Err(ExchangeError::TooNew { path, format });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(json)
    }

    pub(super) fn write<T: Serialize>(
        &self,
        name: &MachineName,
        value: &T,
    ) -> Result<(), ExchangeError> {
        durable::make_folders(&self.0).map_err(|source| ExchangeError::Failed {
            doing: "make the folder",
            path: self.0.clone(),
            source,
        })?;
        let mut bytes = serde_json::to_vec_pretty(value).expect("it has only string keys");
        bytes.push(b'\n');
        // Settings may hold what only an administrator should see.
        durable::write(&self.path(name), &bytes, 0o600).map_err(ExchangeError::Write)
    }

    pub(super) fn remove(&self, name: &MachineName) -> Result<(), ExchangeError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|source| ExchangeError::Failed {
                doing: "remove",
                path,
                source,
            })?,
        }
        durable::sync_directory(&self.0).map_err(ExchangeError::Write)
    }

    pub(super) fn names(&self) -> Result<Vec<MachineName>, ExchangeError> {
        let failed = |source| ExchangeError::Failed {
            doing: "list",
            path: self.0.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries.take(FILES_MAX) {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            names.extend(name.strip_suffix(".json").and_then(|n| n.parse().ok()));
        }
        names.sort();
        Ok(names)
    }
}
