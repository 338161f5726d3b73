//! `/var/lib/hatchery/pending/NAME.json`: what an import is about to show.
//!
//! Settings, tree and record are three files in three folders, so no rename
//! shows them in one step. The import writes down what all three will be
//! before it changes the first, and removes the note after the last. Whoever
//! locks the name next and finds a note knows that its writer was killed: if
//! the tree is in its place, the record is written after all; if not, the
//! settings are put back. Either way the three agree.

use crate::machines::Machines;
use crate::places::Places;
use crate::record::{InstalledSettings, Record, RecordError};
use crate::settings::{self, SettingsError};
use crate::tree;
use hatchery_image::MachineName;
use hatchery_image::durable::{self, DurableError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest note that is read, in bytes: a record and a settings file.
const NOTE_MAX: u64 = 4 << 20;

/// Why a note cannot be written, or followed.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
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
    /// It is not such a note.
    #[error("{path} is not the note of an import; if no import runs, remove it")]
    Json {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It cannot be written.
    #[error("cannot write down what the import will show")]
    Write(#[source] DurableError),
    /// The record of an import that was killed cannot be written.
    #[error("cannot complete an import that was killed")]
    Record(#[source] RecordError),
    /// The settings of an import that was killed cannot be put back.
    #[error("cannot undo an import that was killed")]
    Settings(#[source] SettingsError),
}

/// What an import is about to show.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    record: Record,
    /// Which tree: [`tree::identity`].
    tree: u64,
    /// Settings that are about to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installing: Option<InstalledSettings>,
    /// What is in their place before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

/// A note that was written. Removed when dropped, unless it is to be followed
/// by the next process.
#[derive(Debug)]
pub(crate) struct Pending {
    path: PathBuf,
    keep: bool,
}

fn path(places: &Places, name: &MachineName) -> PathBuf {
    places.state.join("pending").join(format!("{name}.json"))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PendingError {
    let path = path.to_owned();
    move |source| PendingError::Failed {
        doing,
        path,
        source,
    }
}

impl Pending {
    /// Writes down that the tree at `staging` and `record` are about to be
    /// shown, and the settings `installing`.
    ///
    /// # Errors
    /// The system refused.
    pub(crate) fn begin(
        places: &Places,
        record: &Record,
        staging: &Path,
        installing: Option<InstalledSettings>,
    ) -> Result<Self, PendingError> {
        let before = match &installing {
            Some(installing) => settings::current(&installing.path),
            None => Ok(None),
        };
        let note = Note {
            record: record.clone(),
            tree: tree::identity(staging).map_err(failed("examine", staging))?,
            installing,
            before: before.map_err(PendingError::Settings)?,
        };
        let path = path(places, &record.machine);
        let folder = path.parent().unwrap_or(&places.state);
        fs::create_dir_all(folder).map_err(failed("make the directory", folder))?;
        let bytes = serde_json::to_vec(&note).expect("a note has only string keys");
        // It may be there although it could not be made lasting: dropping
        // removes it then, too.
        let pending = Self { path, keep: false };
        durable::write(&pending.path, &bytes, 0o600).map_err(PendingError::Write)?;
        Ok(pending)
    }

    /// Leaves it to the next process, because this one could not finish.
    pub(crate) fn leave(mut self) {
        self.keep = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.keep {
            // Following a note that is left does nothing more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Completes or undoes an import of this name that was killed. The name must
/// be locked.
///
/// # Errors
/// Which step failed.
pub(crate) fn settle(
    machines: &Machines,
    places: &Places,
    name: &MachineName,
) -> Result<(), PendingError> {
    let path = path(places, name);
    let Some(note) = read(&path)? else {
        return Ok(());
    };
    let target = machines.path(name);
    if note.record.path != target {
        // One of another machines directory, to be settled there.
        return Ok(());
    }
    if tree::identity(&target).is_ok_and(|found| found == note.tree) {
        let records = places.records();
        records.write(&note.record).map_err(PendingError::Record)?;
    } else if let Some(installing) = &note.installing {
        let before = note.before.as_deref();
        settings::put_back(installing, before).map_err(PendingError::Settings)?;
    }
    fs::remove_file(&path).map_err(failed("remove", &path))
}

fn read(path: &Path) -> Result<Option<Note>, PendingError> {
    let length = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed("read", path))?.len(),
    };
    if length > NOTE_MAX {
        return Err(failed("read", path)(io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = fs::read(path).map_err(failed("read", path))?;
    let note = serde_json::from_slice(&bytes).map_err(|source| PendingError::Json {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(note))
}
