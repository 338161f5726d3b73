//! `/var/lib/hatchery/exchange/NAME.json`: what is about to happen to a
//! machine. There only while it happens, and after a process was killed.

use super::folder::{FORMAT, Folder};
use super::previous::is_kept_name;
use super::{ExchangeError, Previous, TreeId};
use crate::places::Places;
use crate::record::Record;
use hatchery_image::MachineName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `format` of previous generations.
const PREVIOUS_FORMAT: u32 = 1;

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

    /// Whether it is one of this machine, and names nothing but what belongs to
    /// it: whoever mends has its lock and no other. A journal is ours alone to
    /// write, but a state folder that was copied from another host, or was
    /// somebody's for a while, must not have us rename or remove there.
    pub(super) fn check(&self, name: &MachineName, places: &Places) -> Result<(), ExchangeError> {
        let elsewhere = |path: &Path| ExchangeError::Elsewhere {
            name: name.clone(),
            path: path.to_owned(),
        };
        // Links above it are resolved when it is written.
        let root = places.machines.canonicalize();
        let root = root.unwrap_or_else(|_| places.machines.clone());
        if self.target != root.join(name.as_str()) {
            return Err(elsewhere(&self.target));
        }
        if self.hidden.parent() != Some(&root) || !is_kept_name(&self.hidden, name) {
            return Err(elsewhere(&self.hidden));
        }
        let records = [&self.comes.record, &self.goes.record];
        let mut records = records.into_iter().flatten();
        if let Some(other) = records.find(|record| !record.is_of(name, &self.target)) {
            return Err(elsewhere(&other.path));
        }
        if let Some(before) = &self.before {
            before.check(name)?;
        }
        match &self.settings {
            Some(path) if *path != places.settings_of(name) => Err(elsewhere(path)),
            _ => Ok(()),
        }
    }

    /// The tree that was kept before, if it is beside the others: one in
    /// another machines directory is not touched by whoever works in this one.
    pub(super) fn was_kept(&self, name: &MachineName) -> Option<&Path> {
        let kept = self.before.as_ref().map(|before| before.tree.as_path())?;
        let is_beside = kept.parent() == self.target.parent();
        (is_beside && is_kept_name(kept, name)).then_some(kept)
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
