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

mod collection;
mod error;
mod referred;

pub use error::GcError;

use crate::hold::Hold;
use crate::machines::Machines;
use crate::places::Places;
use collection::Collection;
use hatchery_image::progress::{Progress, Stage, Unit};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// How long nobody must have used a download, unless the caller says otherwise.
pub const DOWNLOAD_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

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
    let mut collection = Collection::new(request, &machines);
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
    collection.remove_hidden(progress)?;
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
