//! What one `gc` finds, and removes unless it is only asked what it would.

use super::error::failed;
use super::{Collected, Garbage, GcError, GcRequest, Spared, What, referred};
use crate::exchange::{self, ExchangeError, PreviousOnes, machine_of};
use crate::hidden::Hidden;
use crate::hold::Hold;
use crate::machines::Machines;
use crate::{lock, tree, usage};
use hatchery_image::progress::Progress;
use hatchery_image::{MachineName, durable};
use hatchery_transfer::Cache;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Why a tree stays that somebody has booted from where it is kept.
const IN_USE: &str = "it is running, or another program works on it";

/// One collection, step by step.
pub(super) struct Collection<'a> {
    request: &'a GcRequest,
    machines: &'a Machines,
    pub(super) collected: Collected,
    /// Machines whose previous generation goes, so that its image is not needed
    /// for that.
    going: BTreeSet<MachineName>,
    /// Trees that are to be removed once others may work again.
    hidden: Vec<Hidden>,
}

impl<'a> Collection<'a> {
    pub(super) fn new(request: &'a GcRequest, machines: &'a Machines) -> Self {
        Self {
            request,
            machines,
            collected: Collected {
                dry_run: request.dry_run,
                ..Collected::default()
            },
            going: BTreeSet::new(),
            hidden: Vec::new(),
        }
    }

    pub(super) fn spare(&mut self, path: &Path, why: impl Into<String>) {
        self.collected.spared.push(Spared {
            path: path.to_owned(),
            why: why.into(),
        });
    }

    fn add(&mut self, what: What, path: PathBuf) {
        let bytes = usage::of(&path);
        self.collected.bytes += bytes;
        let garbage = Garbage { what, path, bytes };
        self.collected.removed.push(garbage);
    }

    /// Trees of previous generations, and such as nothing refers to.
    pub(super) fn kept_trees(&mut self, held: &Hold) -> Result<(), GcError> {
        let places = &self.request.places;
        self.mend(held)?;
        let all = PreviousOnes::beneath(&places.state);
        for name in all.names()? {
            // One that is not of this machine ends all: which tree is kept is
            // not known then, and none must be taken for one that is not.
            let Some(previous) = all.find(&name)? else {
                continue;
            };
            // Not mended: it was spared, and which tree is which is not sure.
            if exchange::is_begun(&name, places)? {
                continue;
            }
            if previous.tree.parent() != Some(self.machines.root()) {
                self.spare(&previous.tree, "it is in another machines directory");
                continue;
            }
            if lock::is_held(&previous.tree) {
                self.spare(&previous.tree, IN_USE);
                continue;
            }
            self.add(What::Previous, previous.tree.clone());
            self.going.insert(name.clone());
            if !self.request.dry_run {
                self.hide(&previous.tree)?;
                all.remove(&name)?;
            }
        }
        for path in self.machines.hidden()? {
            let Some(name) = path.file_name().and_then(machine_of) else {
                continue;
            };
            let is_known = self.collected.removed.iter().any(|g| g.path == path)
                || self.collected.spared.iter().any(|s| s.path == path);
            if is_known || exchange::is_begun(&name, places)? {
                continue;
            }
            // A program with another state folder may be about to show it.
            let Ok(_lock) = self.machines.lock(&name) else {
                self.spare(&path, format!("{name} is in use"));
                continue;
            };
            if lock::is_held(&path) {
                self.spare(&path, IN_USE);
                continue;
            }
            self.add(What::Previous, path.clone());
            if !self.request.dry_run {
                self.hide(&path)?;
            }
        }
        Ok(())
    }

    fn hide(&mut self, tree: &Path) -> Result<(), GcError> {
        let hidden = Hidden::new(tree).map_err(failed("hide", tree))?;
        self.hidden.extend(hidden);
        Ok(())
    }

    /// Removes the trees that were hidden.
    pub(super) fn remove_hidden(&mut self, progress: &Progress) -> Result<(), GcError> {
        for hidden in std::mem::take(&mut self.hidden) {
            progress.check().map_err(GcError::Interrupted)?;
            let removed = hidden.remove();
            removed.map_err(failed("remove a tree in", self.machines.root()))?;
        }
        Ok(())
    }

    /// Finishes or takes back what killed processes began.
    fn mend(&mut self, held: &Hold) -> Result<(), GcError> {
        let places = &self.request.places;
        for name in exchange::begun(places)? {
            if self.request.dry_run {
                let path = self.machines.path(&name);
                self.spare(&path, "what a killed process began there is to be mended");
                continue;
            }
            let Ok(_lock) = self.machines.lock(&name) else {
                let path = self.machines.path(&name);
                self.spare(&path, format!("{name} is in use"));
                continue;
            };
            match exchange::mend(&name, places, held) {
                Err(error @ ExchangeError::Elsewhere { .. }) => {
                    self.spare(&self.machines.path(&name), error.to_string());
                }
                mended => mended?,
            }
        }
        Ok(())
    }

    pub(super) fn images(&mut self, held: &Hold) -> Result<(), GcError> {
        let places = &self.request.places;
        let used = referred::images(places, &self.going)?;
        let unused = places.tables().unused(&used)?;
        for folder in &unused {
            self.add(What::Image, folder.clone());
        }
        if !self.request.dry_run {
            places.tables().remove(&unused, held)?;
        }
        Ok(())
    }

    /// What killed processes left: trees, and small files beside those that
    /// they wrote.
    pub(super) fn staging(&mut self) -> Result<(), GcError> {
        let places = &self.request.places;
        let mut folders = vec![self.machines.root().to_owned(), places.settings.clone()];
        let state = ["machines", "previous", "exchange", "images"];
        folders.extend(state.map(|name| places.state.join(name)));
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            for left in durable::abandoned(folder).map_err(GcError::Staging)? {
                self.add(What::Staging, left.path().to_owned());
                if !self.request.dry_run {
                    let removed = left.remove(tree::remove);
                    removed.map_err(GcError::Staging)?;
                }
            }
        }
        if !self.request.dry_run {
            self.machines.sweep()?;
        }
        Ok(())
    }

    pub(super) fn downloads(&mut self) -> Result<(), GcError> {
        let Some(cache) = Cache::existing(&self.request.places.cache) else {
            return Ok(());
        };
        let now = Duration::from_secs(u64::try_from(self.request.now.as_second()).unwrap_or(0));
        let before = SystemTime::UNIX_EPOCH + now.saturating_sub(self.request.download_age);
        for path in cache.idle_since(before).map_err(GcError::Cache)? {
            self.add(What::Download, path.clone());
            if !self.request.dry_run {
                cache.forget(&path).map_err(GcError::Cache)?;
            }
        }
        Ok(())
    }
}
