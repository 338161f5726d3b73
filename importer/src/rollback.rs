//! `hatchery rollback`: the generation of a machine that `import --force`
//! replaced comes back, tree, record and settings, and the present one is kept
//! in its stead, so that a second rollback undoes the first.

use crate::exchange::{self, ExchangeError, Generation, Journal, Previous, PreviousOnes, TreeId};
use crate::hold::{Hold, HoldError};
use crate::lock::{self, LockError};
use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use crate::settings;
use hatchery_image::{ImageName, MachineName, Version, shown};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What came back.
#[derive(Clone, Debug, Serialize)]
pub struct RolledBack {
    /// The machine.
    pub machine: MachineName,
    /// Its tree.
    pub path: PathBuf,
    /// The image that it is of now, if it was imported.
    pub image: Option<ImageName>,
    /// And its version.
    pub version: Option<Version>,
    /// When it had been replaced.
    pub replaced: Timestamp,
    /// Where the tree that went is kept, if there was one.
    pub kept: Option<PathBuf>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// It runs.
    #[error(
        "{name} is running, or another program works on it; \
         stop it first (`machinectl poweroff {name}`)"
    )]
    Running {
        /// The machine.
        name: MachineName,
    },
    /// It cannot be locked.
    #[error(transparent)]
    Lock(LockError),
    /// The state folder cannot be locked.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// Nothing is kept.
    #[error(
        "nothing is kept of {name} before the present one: \
         it was not replaced, or `hatchery gc` removed it"
    )]
    NoPrevious {
        /// The machine.
        name: MachineName,
    },
    /// What was kept is gone.
    #[error(
        "{} is gone, which was kept of {name}; import the version that you want",
        shown::path(path)
    )]
    Gone {
        /// The machine.
        name: MachineName,
        /// The tree.
        path: PathBuf,
    },
    /// Something that is no tree has the machine's name.
    #[error("{path} is no machine's tree")]
    NotATree {
        /// What is there.
        path: PathBuf,
    },
    /// A step failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

/// Brings the previous generation of a machine back.
///
/// # Errors
/// There is none, the machine runs, or which step failed; all is then as it
/// was, or is mended by whoever next works on the machine.
pub fn rollback(
    name: &MachineName,
    places: &Places,
    now: Timestamp,
) -> Result<RolledBack, RollbackError> {
    let machines = Machines::open(&places.machines)?;
    let target = machines.path(name);
    let _lock = machines.lock(name).map_err(|error| match error {
        LockError::Busy { .. } => RollbackError::Running { name: name.clone() },
        error => RollbackError::Lock(error),
    })?;
    let held = Hold::shared(&places.state)?;
    exchange::mend(name, places, &held)?;
    let is_ours = |previous: &Previous| previous.tree.parent() == Some(machines.root());
    let previous = PreviousOnes::beneath(&places.state).find(name)?;
    let previous = previous
        .filter(is_ours)
        .ok_or_else(|| RollbackError::NoPrevious { name: name.clone() })?;
    // Somebody may have booted what is kept, to look at it.
    if lock::is_held(&previous.tree) {
        let path = previous.tree;
        return Err(RollbackError::Lock(LockError::Busy { path }));
    }
    let journal = journal(name, &target, previous, places, now)?;
    exchange::exchange(name, &journal, places, &held, |_| Ok(()))?;

    let came = journal.comes.record.as_ref();
    Ok(RolledBack {
        machine: name.clone(),
        path: target,
        image: came.map(|record| record.image.clone()),
        version: came.map(|record| record.version.clone()),
        replaced: journal.before.map_or(now, |before| before.since),
        kept: journal.goes.tree.map(|_| journal.hidden),
    })
}

fn journal(
    name: &MachineName,
    target: &Path,
    previous: Previous,
    places: &Places,
    now: Timestamp,
) -> Result<Journal, RollbackError> {
    let mut comes = Generation {
        tree: TreeId::of(&previous.tree)?,
        record: previous.record.clone(),
        settings: previous.settings.clone(),
    };
    if comes.tree.is_none() {
        let (name, path) = (name.clone(), previous.tree);
        return Err(RollbackError::Gone { name, path });
    }
    let records = places.records();
    let record = records.find(name).map_err(ExchangeError::Record)?;
    let settings = settings::text(&places.settings_of(name)).map_err(ExchangeError::Settings)?;
    let goes = Generation {
        tree: TreeId::of(target)?,
        record: record.filter(|record| record.path == target),
        settings,
    };
    if goes.tree.is_none() && target.symlink_metadata().is_ok() {
        let path = target.to_owned();
        return Err(RollbackError::NotATree { path });
    }
    // The unit belongs to the name, whichever generation enabled it.
    if let (Some(comes), Some(goes)) = (&mut comes.record, &goes.record) {
        comes.enabled |= goes.enabled;
    }
    let trees = (target.to_owned(), previous.tree.clone());
    Ok(Journal::new(
        trees,
        false,
        (goes, comes),
        Some(previous),
        now,
    ))
}
