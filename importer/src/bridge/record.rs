//! `/var/lib/hatchery/host/BRIDGE.json`: what was changed on the host for a
//! bridge, written before it is changed, so that it can be undone however it
//! ended.

use super::BridgeError;
use crate::own_file;
use hatchery_image::settings::{Bridge, IpPrefix};
use hatchery_image::{Sha256, durable};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Newest `format` that this program writes and reads.
const FORMAT: u32 = 1;

/// Largest record that is read, in bytes.
const RECORD_MAX: u64 = 64 << 10;

/// Most records that are looked at.
const RECORDS_MAX: usize = 10_000;

/// What was changed for a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeRecord {
    /// Grows when an old reader would misunderstand a new record.
    pub format: u32,
    /// The link.
    pub name: String,
    /// The host's address.
    pub address: IpPrefix,
    /// Whether addresses are handed out.
    pub dhcp: bool,
    /// Whether the host forwarded before its first bridge.
    pub forwarded_before: bool,
    /// The files that were written, with their digests.
    pub files: Vec<WrittenFile>,
}

/// A file of the host that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Where.
    pub path: PathBuf,
    /// Digest, by which a later change is noticed.
    pub sha256: Sha256,
}

impl BridgeRecord {
    pub(super) fn new(
        bridge: &Bridge,
        forwarded_before: bool,
        files: &[(PathBuf, String)],
    ) -> Self {
        let written = files.iter().map(|(path, text)| WrittenFile {
            path: path.clone(),
            sha256: Sha256::of(text.as_bytes()),
        });
        Self {
            format: FORMAT,
            name: bridge.name.to_string(),
            address: bridge.address,
            dhcp: bridge.dhcp,
            forwarded_before,
            files: written.collect(),
        }
    }

    /// Whether it describes this bridge.
    pub(super) fn is_of(&self, bridge: &Bridge) -> bool {
        self.address == bridge.address && self.dhcp == bridge.dhcp
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("host")
}

fn path(state: &Path, name: &str) -> PathBuf {
    folder(state).join(format!("{name}.json"))
}

/// The record of a bridge, if we made it.
pub(super) fn find(state: &Path, name: &str) -> Result<Option<BridgeRecord>, BridgeError> {
    read(&path(state, name))
}

fn read(path: &Path) -> Result<Option<BridgeRecord>, BridgeError> {
    let failed = |source| BridgeError::Failed {
        doing: "read",
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = own_file::read(path, RECORD_MAX).map_err(failed)? else {
        return Ok(None);
    };
    let record: BridgeRecord =
        serde_json::from_slice(&bytes).map_err(|e| failed(io::Error::other(e)))?;
    if record.format > FORMAT {
        return Err(failed(io::Error::other("a newer hatchery wrote it")));
    }
    Ok(Some(record))
}

/// The bridges that were made for machines, sorted by name. `state` is
/// `/var/lib/hatchery`.
///
/// # Errors
/// A record cannot be read.
pub fn bridges(state: &Path) -> Result<Vec<BridgeRecord>, BridgeError> {
    let folder = folder(state);
    let failed = |source| BridgeError::Failed {
        doing: "list",
        path: folder.clone(),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries.take(RECORDS_MAX) {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "json") {
            found.extend(read(&path)?);
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

pub(super) fn write(state: &Path, record: &BridgeRecord) -> Result<(), BridgeError> {
    let folder = folder(state);
    durable::make_folders(&folder).map_err(|source| BridgeError::Failed {
        doing: "make the folder",
        path: folder,
        source,
    })?;
    let mut bytes = serde_json::to_vec_pretty(record).expect("a record has only string keys");
    bytes.push(b'\n');
    durable::write(&path(state, &record.name), &bytes, 0o644).map_err(BridgeError::Write)
}

pub(super) fn remove(state: &Path, name: &str) -> Result<(), BridgeError> {
    let path = path(state, name);
    match fs::remove_file(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(|source| BridgeError::Failed {
            doing: "remove",
            path,
            source,
        })?,
    }
    durable::sync_directory(&folder(state)).map_err(BridgeError::Write)
}
