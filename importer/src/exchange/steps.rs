//! The steps of an exchange, forwards and backwards. Each is on the disk before
//! it returns; which of them come, and in what order, [`super`] says.

use super::journal::is_at;
use super::{ExchangeError, Generation, Journal, Previous, PreviousOnes};
use crate::hidden::Hidden;
use crate::places::Places;
use crate::record::Record;
use crate::{lock, settings};
use hatchery_image::MachineName;
use hatchery_image::durable;
use rustix::fs::{CWD, RenameFlags};
use std::path::Path;

/// What they work on.
pub(super) struct Steps<'a> {
    pub(super) name: &'a MachineName,
    pub(super) journal: &'a Journal,
    pub(super) places: &'a Places,
}

impl Steps<'_> {
    /// The settings of a generation, if they are another's.
    pub(super) fn settings(&self, generation: &Generation) -> Result<(), ExchangeError> {
        match &self.journal.settings {
            Some(path) => Ok(settings::put(path, generation.settings.as_deref())?),
            None => Ok(()),
        }
    }

    pub(super) fn switch(&self) -> Result<(), ExchangeError> {
        let Journal { target, hidden, .. } = self.journal;
        let flags = match self.journal.goes.tree {
            Some(_) => RenameFlags::EXCHANGE,
            None => RenameFlags::NOREPLACE,
        };
        self.rename(hidden, target, flags)
    }

    fn rename(&self, from: &Path, to: &Path, flags: RenameFlags) -> Result<(), ExchangeError> {
        let failed = |source| ExchangeError::Failed {
            doing: "put the machine into its place,",
            path: self.journal.target.clone(),
            source,
        };
        rustix::fs::renameat_with(CWD, from, CWD, to, flags).map_err(|e| failed(e.into()))?;
        let parent = to.parent().unwrap_or_else(|| Path::new("/"));
        durable::sync_directory(parent).map_err(|e| failed(e.source))
    }

    /// After the switch: everything that comes with the tree.
    pub(super) fn forward(&self) -> Result<(), ExchangeError> {
        let journal = self.journal;
        self.settings(&journal.comes)?;
        if journal.goes.tree.is_some() {
            self.previous(Some(&journal.kept()))?;
        } else if journal.was_kept(self.name) == Some(journal.hidden.as_path()) {
            self.previous(None)?;
        }
        self.record(journal.comes.record.as_ref())
    }

    /// Hides the tree that nobody keeps any more.
    pub(super) fn hide_older(&self) -> Result<Option<Hidden>, ExchangeError> {
        let journal = self.journal;
        let was_kept = journal
            .was_kept(self.name)
            .filter(|_| journal.goes.tree.is_some());
        match was_kept.filter(|tree| *tree != journal.hidden) {
            // Somebody has booted it from where it is kept: `gc` removes it later.
            Some(tree) if lock::is_held(tree) => Ok(None),
            Some(tree) => Hidden::new(tree).map_err(|source| ExchangeError::Failed {
                doing: "hide",
                path: tree.to_owned(),
                source,
            }),
            None => Ok(None),
        }
    }

    /// After a failure: the trees go back, too.
    pub(super) fn undo(&self) -> Result<(), ExchangeError> {
        let Journal { target, hidden, .. } = self.journal;
        if self.journal.has_happened()? {
            match self.journal.goes.tree {
                Some(_) => self.rename(hidden, target, RenameFlags::EXCHANGE)?,
                None => self.rename(target, hidden, RenameFlags::NOREPLACE)?,
            }
        }
        self.back()
    }

    /// Before the switch: everything as it was. A tree that is nobody's yet is
    /// removed.
    pub(super) fn back(&self) -> Result<(), ExchangeError> {
        let journal = self.journal;
        self.settings(&journal.goes)?;
        self.previous(journal.before.as_ref())?;
        self.record(journal.goes.record.as_ref())?;
        if !journal.fresh || !is_at(journal.comes.tree, &journal.hidden)? {
            return Ok(());
        }
        let removed = Hidden::new(&journal.hidden).and_then(|h| h.map_or(Ok(()), Hidden::remove));
        removed.map_err(|source| ExchangeError::Failed {
            doing: "remove the new tree of",
            path: journal.target.clone(),
            source,
        })
    }

    fn record(&self, record: Option<&Record>) -> Result<(), ExchangeError> {
        let records = self.places.records();
        match record {
            Some(record) => records.write(record)?,
            None => records.remove(self.name)?,
        }
        Ok(())
    }

    fn previous(&self, previous: Option<&Previous>) -> Result<(), ExchangeError> {
        let all = PreviousOnes::beneath(&self.places.state);
        match previous {
            Some(previous) => all.write(self.name, previous),
            None => all.remove(self.name),
        }
    }
}
