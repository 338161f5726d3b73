//! `hatchery gc`: removes what is kept and no longer wanted: the trees of
//! machines' previous generations, what is remembered of images that no
//! machine is of, what killed processes left, and downloads that nobody has
//! used for a while.
//!
//! Safe beside live imports, rollbacks and removals: they hold the state
//! folder while something is there that nothing refers to yet
//! ([`crate::hold`]), and then all of that is spared; staging and partial
//! downloads are locked by whoever fills them. Machines that run are no
//! obstacle. What is decided under the lock is only renamed then; removing
//! the files comes after it.

mod error;
mod referred;

pub use error::GcError;

use crate::exchange::{self, ExchangeError, PreviousOnes, machine_of};
use crate::hidden::Hidden;
use crate::hold::Hold;
use crate::machines::Machines;
use crate::places::Places;
use crate::{lock, tree, usage};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_image::{MachineName, durable};
use hatchery_transfer::Cache;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long nobody must have used a download, unless the caller says otherwise.
pub const DOWNLOAD_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a tree stays that somebody has booted from where it is kept.
const IN_USE: &str = "it is running, or another program works on it";

/// What to collect.
#[derive(Clone, Debug)]
pub struct GcRequest {
    /// The host's folders.
    pub places: Places,
    /// How long nobody must have used a download.
    pub download_age: Duration,
    /// Whether to remove nothing, and only say what would be.
    pub dry_run: bool,
    /// The time.
    pub now: Timestamp,
}

/// What was, or would be, removed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Collected {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// Each with the space that it took.
    pub removed: Vec<Garbage>,
    /// What stays for the time being, and why.
    pub spared: Vec<Spared>,
    /// Bytes in all. Less is freed where others share them, as snapshots do.
    pub bytes: u64,
}

/// One thing that was, or would be, removed.
#[derive(Clone, Debug, Serialize)]
pub struct Garbage {
    /// What it is.
    pub what: What,
    /// Where.
    pub path: PathBuf,
    /// Bytes that it took.
    pub bytes: u64,
}

/// What is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The tree of a machine's previous generation.
    Previous,
    /// What is remembered of an image.
    Image,
    /// What a killed process left.
    Staging,
    /// A file in the cache.
    Download,
}

/// Something that stays for the time being.
#[derive(Clone, Debug, Serialize)]
pub struct Spared {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Collects.
///
/// # Errors
/// A record cannot be read, so that nobody knows what is needed, or a step
/// failed. What was removed before stays removed.
pub fn gc(request: &GcRequest, progress: &Progress) -> Result<Collected, GcError> {
    let machines = Machines::open(&request.places.machines)?;
    let _running = progress.begin(Stage::Remove, None, Unit::Items);
    let mut collection = Collection {
        request,
        machines: &machines,
        collected: Collected {
            dry_run: request.dry_run,
            ..Collected::default()
        },
        going: BTreeSet::new(),
        hidden: Vec::new(),
    };
    match Hold::alone(&request.places.state)? {
        Some(held) => {
            collection.kept_trees(&held)?;
            collection.images(&held)?;
        }
        None => collection.spare(
            &request.places.state,
            "an import, a rollback or a removal is under way",
        ),
    }
    for hidden in std::mem::take(&mut collection.hidden) {
        progress.check().map_err(GcError::Interrupted)?;
        let removed = hidden.remove();
        removed.map_err(error::failed("remove a tree in", machines.root()))?;
    }
    collection.staging()?;
    collection.downloads()?;
    Ok(collection.collected)
}

/// Removes what is remembered of images that no machine is of, unless somebody
/// works on something: then the next `gc` does.
pub(crate) fn forget_unused(places: &Places) -> Result<(), GcError> {
    let Some(held) = Hold::alone(&places.state)? else {
        return Ok(());
    };
    let tables = places.tables();
    let unused = tables.unused(&referred::images(places, &BTreeSet::new())?)?;
    Ok(tables.remove(&unused, &held)?)
}

struct Collection<'a> {
    request: &'a GcRequest,
    machines: &'a Machines,
    collected: Collected,
    /// Machines whose previous generation goes, so that its image is not needed
    /// for that.
    going: BTreeSet<MachineName>,
    /// Trees that are to be removed once others may work again.
    hidden: Vec<Hidden>,
}

impl Collection<'_> {
    fn spare(&mut self, path: &Path, why: impl Into<String>) {
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
    fn kept_trees(&mut self, held: &Hold) -> Result<(), GcError> {
        let places = &self.request.places;
        self.mend(held)?;
        let all = PreviousOnes::beneath(&places.state);
        for name in all.names()? {
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
        let hidden = Hidden::new(tree).map_err(error::failed("hide", tree))?;
        self.hidden.extend(hidden);
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

    fn images(&mut self, held: &Hold) -> Result<(), GcError> {
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
    fn staging(&mut self) -> Result<(), GcError> {
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

    fn downloads(&mut self) -> Result<(), GcError> {
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
