//! `/var/lib/hatchery/exchange/NAME.json`: what is about to happen to a
//! machine. There only while it happens, and after a process was killed.

use super::{ExchangeError, Previous, TreeId};
use crate::record::Record;
use hatchery_image::MachineName;
use hatchery_image::durable;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Newest `format` that this program reads, and that of journals; the second
/// one says when a tree was made.
const FORMAT: u32 = 2;

/// `format` of previous generations.
const PREVIOUS_FORMAT: u32 = 1;

/// Largest file that is read, in bytes: three records, and settings of at
/// most 1 MiB each.
const FILE_MAX: u64 = 16 << 20;

/// Most files of the folder that are looked at.
const FILES_MAX: usize = 100_000;

/// What belongs to a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Generation {
    /// The tree, if there is one.
    pub(crate) tree: Option<TreeId>,
    /// Its record, if we imported it.
    pub(crate) record: Option<Record>,
    /// The text of its settings file, if there is one.
    pub(crate) settings: Option<String>,
}

/// What is about to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    format: u32,
    /// The machine's place.
    pub(crate) target: PathBuf,
    /// Where the tree that comes is before, and the one that goes after.
    pub(crate) hidden: PathBuf,
    /// Whether the tree that comes is nobody's before.
    pub(crate) fresh: bool,
    /// What comes.
    pub(crate) comes: Generation,
    /// What goes.
    pub(crate) goes: Generation,
    /// The settings file, if the two have different ones.
    pub(crate) settings: Option<PathBuf>,
    /// What was kept before.
    pub(crate) before: Option<Previous>,
    /// When it began.
    pub(crate) begun: Timestamp,
}

impl Journal {
    /// One of the present format.
    pub(crate) fn new(
        (target, hidden): (PathBuf, PathBuf),
        fresh: bool,
        (goes, comes): (Generation, Generation),
        before: Option<Previous>,
        begun: Timestamp,
    ) -> Self {
        Self {
            format: FORMAT,
            settings: settings(goes.record.as_ref(), comes.record.as_ref()),
            target,
            hidden,
            fresh,
            comes,
            goes,
            before,
            begun,
        }
    }

    /// Whether the trees have changed places.
    pub(crate) fn has_happened(&self) -> Result<bool, ExchangeError> {
        Ok(is_at(self.comes.tree, &self.target)? || is_at(self.goes.tree, &self.hidden)?)
    }

    /// What is kept of what went.
    pub(crate) fn kept(&self) -> Previous {
        Previous {
            format: PREVIOUS_FORMAT,
            tree: self.hidden.clone(),
            record: self.goes.record.clone(),
            settings: self.goes.settings.clone(),
            since: self.begun,
        }
    }
}

/// Whether there is such a tree, and it is at `path`.
pub(super) fn is_at(tree: Option<TreeId>, path: &Path) -> Result<bool, ExchangeError> {
    let found = TreeId::of(path)?;
    Ok(found.zip(tree).is_some_and(|(found, tree)| found.is(tree)))
}

/// The settings file that changes hands: one that either generation has
/// installed, unless both have the same.
fn settings(goes: Option<&Record>, comes: Option<&Record>) -> Option<PathBuf> {
    let of = |record: Option<&Record>| record.and_then(|record| record.settings.clone());
    let (goes, comes) = (of(goes), of(comes));
    if goes == comes {
        return None;
    }
    comes.or(goes).map(|installed| installed.path)
}

/// The folder of journals.
pub(crate) struct Journals(Folder);

impl Journals {
    pub(crate) fn beneath(state: &Path) -> Self {
        Self(Folder(state.join("exchange")))
    }

    pub(crate) fn find(&self, name: &MachineName) -> Result<Option<Journal>, ExchangeError> {
        self.0.find(name)
    }

    pub(crate) fn write(&self, name: &MachineName, journal: &Journal) -> Result<(), ExchangeError> {
        self.0.write(name, journal)
    }

    pub(crate) fn remove(&self, name: &MachineName) -> Result<(), ExchangeError> {
        self.0.remove(name)
    }

    pub(crate) fn names(&self) -> Result<Vec<MachineName>, ExchangeError> {
        self.0.names()
    }
}

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
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
            Ok(stat) if stat.len() > FILE_MAX => {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            Ok(_) => (),
        }
        let bytes = match fs::read(&path) {
            // Whoever works on the machine has finished meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(failed)?,
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
