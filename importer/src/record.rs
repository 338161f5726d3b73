//! `/var/lib/hatchery/machines/NAME.json`: what was imported under a name.
//! Written last, so a machine with a record was imported whole.

use crate::own_file;
use hatchery_image::durable::{self, DurableError};
use hatchery_image::settings::Host0;
use hatchery_image::{
    Architecture, Fingerprint, ImageName, MachineName, RelativePath, Sha256, Version,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where what is remembered lies by default.
pub const STATE: &str = "/var/lib/hatchery";

/// Newest `format` that this program writes and reads.
const FORMAT: u32 = 1;

/// Largest record that is read, in bytes.
const RECORD_MAX: u64 = 1 << 20;

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Grows when an old reader would misunderstand a new record.
    pub format: u32,
    /// The machine.
    pub machine: MachineName,
    /// Its tree.
    pub path: PathBuf,
    /// The image it was made of.
    pub image: ImageName,
    /// The image's version.
    pub version: Version,
    /// The image's architecture.
    pub architecture: Architecture,
    /// Digest of the image's manifest.
    pub manifest: Sha256,
    /// Digest of the list of what was unpacked, of an archive that holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<Sha256>,
    /// Id of the repository it came from.
    pub repository: String,
    /// Primary fingerprint of the key that signed the catalog.
    pub signer: Fingerprint,
    /// When it was imported.
    pub imported: Timestamp,
    /// Disk limit in bytes, if one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The settings that were installed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<InstalledSettings>,
    /// Files that the import itself wrote into the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<WrittenFile>,
    /// The network of host0 that is in one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Host0>,
    /// Whether the machine was to start whenever the host boots. Written
    /// before it is enabled, so that no unit is forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
}

impl Record {
    /// Whether it is of this machine, whose tree is at `path`.
    pub(crate) fn is_of(&self, machine: &MachineName, path: &Path) -> bool {
        self.machine == *machine && self.path == path
    }
}

/// A file that an import wrote into the tree, on top of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path in the tree.
    pub path: RelativePath,
    /// Digest of what was written, by which a later change is noticed.
    pub sha256: Sha256,
}

/// A settings file that an import installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledSettings {
    /// Where it is.
    pub path: PathBuf,
    /// Digest of what was written, by which a later change is noticed.
    pub sha256: Sha256,
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
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
    /// It is not a record.
    #[error("{path} is not a machine's record")]
    Json {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error("{path} has format {format}; a newer hatchery is needed")]
    TooNew {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It cannot be written.
    #[error("cannot write a machine's record")]
    Write(#[source] DurableError),
}

/// The folder of records.
#[derive(Clone, Debug)]
pub struct Records {
    root: PathBuf,
}

impl Records {
    /// The records beneath the state folder (`/var/lib/hatchery`).
    #[must_use]
    pub fn beneath(state: &Path) -> Self {
        Self {
            root: state.join("machines"),
        }
    }

    /// The format of records that are written now.
    #[must_use]
    pub const fn format() -> u32 {
        FORMAT
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.json"))
    }

    /// The record of a machine, if there is one.
    ///
    /// # Errors
    /// A file that cannot be read or is no record.
    pub fn find(&self, name: &MachineName) -> Result<Option<Record>, RecordError> {
        let path = self.path(name.as_str());
        let failed = |source| RecordError::Failed {
            doing: "read",
            path: path.clone(),
            source,
        };
        let Some(bytes) = own_file::read(&path, RECORD_MAX).map_err(failed)? else {
            return Ok(None);
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|source| RecordError::Json {
                path: path.clone(),
                source,
            })?;
        if record.format > FORMAT {
            let format = record.format;
            return Err(RecordError::TooNew { path, format });
        }
        Ok(Some(record))
    }

    /// Writes the record of a machine, durably.
    ///
    /// # Errors
    /// The system refused.
    pub fn write(&self, record: &Record) -> Result<(), RecordError> {
        durable::make_folders(&self.root).map_err(|source| RecordError::Failed {
            doing: "make the directory",
            path: self.root.clone(),
            source,
        })?;
        let mut bytes = serde_json::to_vec_pretty(record).expect("a record has only string keys");
        bytes.push(b'\n');
        durable::write(&self.path(record.machine.as_str()), &bytes, 0o644)
            .map_err(RecordError::Write)
    }

    /// Removes the record of a machine, if there is one.
    ///
    /// # Errors
    /// The system refused.
    pub fn remove(&self, name: &MachineName) -> Result<(), RecordError> {
        let path = self.path(name.as_str());
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|source| RecordError::Failed {
                doing: "remove",
                path,
                source,
            })?,
        }
        durable::sync_directory(&self.root).map_err(RecordError::Write)
    }

    /// Names of the machines that have a record, sorted.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn names(&self) -> Result<Vec<MachineName>, RecordError> {
        let failed = |source| RecordError::Failed {
            doing: "list",
            path: self.root.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if let Some(name) = name.strip_suffix(".json").and_then(|n| n.parse().ok()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            format: FORMAT,
            machine: "web".parse().unwrap(),
            path: "/var/lib/machines/web".into(),
            image: "debian".parse().unwrap(),
            version: "20261122.3fa9c1".parse().unwrap(),
            architecture: Architecture::Amd64,
            manifest: Sha256::of(b"manifest"),
            listing: None,
            repository: "6d1c6ad5-0a5c-4a3b-9d1e-1f2e3d4c5b6a".to_owned(),
            signer: "0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap(),
            imported: "2026-11-23T10:00:00Z".parse().unwrap(),
            limit: Some(16 << 30),
            settings: None,
            written: Vec::new(),
            network: None,
            enabled: false,
        }
    }

    #[test]
    fn a_record_is_written_found_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::beneath(dir.path());
        let name = "web".parse().unwrap();
        assert_eq!(records.find(&name).unwrap(), None);
        assert!(records.names().unwrap().is_empty());
        records.write(&record()).unwrap();
        assert_eq!(records.find(&name).unwrap(), Some(record()));
        assert_eq!(records.names().unwrap(), std::slice::from_ref(&name));
        records.remove(&name).unwrap();
        records.remove(&name).unwrap();
        assert_eq!(records.find(&name).unwrap(), None);
    }

    #[test]
    fn a_record_of_a_newer_program_is_not_misread() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::beneath(dir.path());
        let mut newer = record();
        newer.format = FORMAT + 1;
        records.write(&newer).unwrap();
        let error = records.find(&newer.machine).unwrap_err();
        assert!(matches!(error, RecordError::TooNew { .. }));
    }
}
