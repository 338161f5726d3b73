//! `hatchery remove`: undoes an import. The tree vanishes in one rename, then
//! what belongs to it, then its files; what a killed removal leaves hidden is
//! removed by the next import or removal.

use crate::exchange::{self, ExchangeError, Previous, PreviousOnes};
use crate::gc::{self, GcError};
use crate::hidden::Hidden;
use crate::hold::{Hold, HoldError};
use crate::leftovers;
use crate::lock::{self, LockError};
use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use crate::record::{Record, RecordError};
use crate::settings::{self, SettingsError};
use crate::unit::{self, UnitError};
use hatchery_image::MachineName;
use hatchery_image::progress::{Progress, Stage, Unit};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What was removed.
#[derive(Clone, Debug, Serialize)]
pub struct Removed {
    /// The machine.
    pub machine: MachineName,
    /// Its tree, if it was there.
    pub path: Option<PathBuf>,
    /// The tree of the generation before, if one was kept.
    pub previous: Option<PathBuf>,
    /// Settings that were removed with it.
    pub settings: Option<PathBuf>,
    /// Settings that were changed after the import, and therefore left.
    pub kept_settings: Option<PathBuf>,
    /// Whether it started whenever the host booted, and does no more.
    pub disabled: bool,
}

/// Why nothing, or not all, was removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// There is no such machine.
    #[error("there is no machine {name} in {root}")]
    NotFound {
        /// The name.
        name: MachineName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// A name that is a file or a link.
    #[error("{path} is no machine's tree")]
    NotATree {
        /// What is there.
        path: PathBuf,
    },
    /// It runs.
    #[error(
        "{name} is running, or another program works on it; \
         stop it first (`machinectl poweroff {name}`), or remove it with --stop"
    )]
    Running {
        /// The machine.
        name: MachineName,
    },
    /// It cannot be locked.
    #[error(transparent)]
    Lock(LockError),
    /// A step on the tree failed.
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
    /// The state folder cannot be locked.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// What was begun before cannot be finished.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// What is remembered of its image cannot be removed.
    #[error(transparent)]
    Gc(#[from] GcError),
    /// The settings cannot be removed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The unit that an import enabled cannot be disabled.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// The record cannot be read or removed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Removes a machine: its tree with everything in it and the one that is kept
/// of the generation before, the quota groups, the settings that its import
/// installed, the record, and what is remembered of an image of which this was
/// the last machine.
///
/// # Errors
/// There is none, it runs, or which step failed. A removal that failed can be
/// tried again.
pub fn remove(
    name: &MachineName,
    places: &Places,
    progress: &Progress,
) -> Result<Removed, RemoveError> {
    let machines = Machines::open(&places.machines)?;
    let records = places.records();
    let path = machines.path(name);
    let _lock = machines.lock(name).map_err(|error| match error {
        LockError::Busy { .. } => RemoveError::Running { name: name.clone() },
        error => RemoveError::Lock(error),
    })?;
    leftovers::sweep(&machines, places)?;
    let held = Hold::shared(&places.state)?;
    exchange::mend(name, places, &held)?;
    let _running = progress.begin(Stage::Remove, None, Unit::Items);

    // A record of a tree elsewhere is not this machine's.
    let ours = records.find(name)?.filter(|record| record.path == path);
    let previous = PreviousOnes::beneath(&places.state);
    let is_ours = |kept: &Previous| kept.tree.parent() == Some(machines.root());
    let kept = previous.find(name)?.filter(is_ours);
    // Somebody may have booted what is kept, to look at it.
    if let Some(kept) = kept.as_ref().filter(|kept| lock::is_held(&kept.tree)) {
        let path = kept.tree.clone();
        return Err(RemoveError::Lock(LockError::Busy { path }));
    }
    let disabled = disable(name, ours.as_ref(), kept.as_ref())?;
    let kept = kept.map(|kept| kept.tree);
    let hidden = hide(&path)?;
    if hidden.is_none() && ours.is_none() && kept.is_none() {
        let root = machines.root().to_owned();
        let name = name.clone();
        return Err(RemoveError::NotFound { name, root });
    }
    let mut removed = Removed {
        machine: name.clone(),
        path: hidden.as_ref().map(|_| path.clone()),
        previous: kept.clone(),
        settings: None,
        kept_settings: None,
        disabled,
    };
    if let Some(record) = ours {
        if let Some(installed) = record.settings {
            let gone = settings::remove(&installed)?;
            let place = if gone {
                &mut removed.settings
            } else {
                &mut removed.kept_settings
            };
            *place = Some(installed.path);
        }
        records.remove(name)?;
    }
    let hidden_too = kept.as_deref().map(hide_kept).transpose()?.flatten();
    if kept.is_some() {
        previous.remove(name)?;
    }
    drop(held);
    for tree in [hidden, hidden_too].into_iter().flatten() {
        tree.remove().map_err(failed("remove", &path))?;
    }
    gc::forget_unused(places)?;
    Ok(removed)
}

/// Disables the machine's unit, if an import enabled it; whether one did.
fn disable(
    name: &MachineName,
    record: Option<&Record>,
    kept: Option<&Previous>,
) -> Result<bool, UnitError> {
    let mut records = record
        .into_iter()
        .chain(kept.and_then(|k| k.record.as_ref()));
    let is_enabled = records.any(|record| record.enabled);
    if is_enabled {
        unit::disable(name)?;
    }
    Ok(is_enabled)
}

/// Renames the machine's tree so that it is no machine any more.
fn hide(path: &Path) -> Result<Option<Hidden>, RemoveError> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("examine", path)(e)),
        Ok(stat) if !stat.is_dir() => {
            let path = path.to_owned();
            return Err(RemoveError::NotATree { path });
        }
        Ok(_) => (),
    }
    hide_kept(path)
}

fn hide_kept(path: &Path) -> Result<Option<Hidden>, RemoveError> {
    Hidden::new(path).map_err(failed("hide", path))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RemoveError {
    let path = path.to_owned();
    move |source| RemoveError::Failed {
        doing,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &std::path::Path) -> Places {
        Places {
            machines: root.join("machines"),
            state: root.join("state"),
            cache: root.join("cache"),
            settings: root.join("nspawn"),
        }
    }

    #[test]
    fn a_machine_of_anybody_is_removed_and_an_absent_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let name = "web".parse().unwrap();
        let tree = places.machines.join("web");
        fs::create_dir_all(tree.join("etc")).unwrap();
        let removed = remove(&name, &places, &Progress::silent()).unwrap();
        assert_eq!(removed.path, Some(tree.canonicalize().unwrap_or(tree)));
        assert_eq!(fs::read_dir(&places.machines).unwrap().count(), 0);
        let error = remove(&name, &places, &Progress::silent()).unwrap_err();
        assert!(matches!(error, RemoveError::NotFound { .. }), "{error}");
    }

    #[test]
    fn one_that_is_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let name = "web".parse().unwrap();
        let tree = places.machines.join("web");
        fs::create_dir_all(&tree).unwrap();
        let machines = Machines::open(&places.machines).unwrap();
        let _lock = machines.lock(&name).unwrap();
        let error = remove(&name, &places, &Progress::silent()).unwrap_err();
        assert!(matches!(error, RemoveError::Running { .. }), "{error}");
        assert!(tree.exists());
    }

    /// What a machine was before is a tree, too, which somebody may have booted.
    #[test]
    fn one_whose_kept_tree_is_in_use_stays_and_is_not_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        let name = "web".parse().unwrap();
        fs::create_dir_all(places.machines.join("web")).unwrap();
        let machines = Machines::open(&places.machines).unwrap();
        let kept = exchange::kept_name(&machines.path(&name), &name);
        fs::create_dir(&kept).unwrap();
        let previous = serde_json::json!({
            "format": 1, "tree": kept, "record": null, "settings": null,
            "since": "2026-11-22T00:00:00Z",
        });
        let previous = serde_json::from_value(previous).unwrap();
        let ones = PreviousOnes::beneath(&places.state);
        ones.write(&name, &previous).unwrap();

        let lock = lock::MachineLock::try_exclusive(&kept).unwrap();
        let is_kept = |path: &PathBuf| *path == kept;
        let error = remove(&name, &places, &Progress::silent()).unwrap_err();
        assert!(
            matches!(&error, RemoveError::Lock(LockError::Busy { path }) if is_kept(path)),
            "{error}"
        );
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let error = crate::rollback(&name, &places, now).unwrap_err();
        assert!(error.to_string().contains(".previous-"), "{error}");
        let request = gc::GcRequest {
            places: places.clone(),
            download_age: gc::DOWNLOAD_AGE,
            dry_run: false,
            now,
        };
        let collected = gc::gc(&request, &Progress::silent()).unwrap();
        assert!(collected.removed.is_empty(), "{collected:?}");
        assert!(kept.exists() && places.machines.join("web").exists());

        drop(lock);
        remove(&name, &places, &Progress::silent()).unwrap();
        assert!(!kept.exists());
    }
}
