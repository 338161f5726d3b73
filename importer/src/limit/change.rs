//! `hatchery limit`: changes the limit of a machine that is there, running or
//! not, or of all machines together. The kernel holds the new limit from the
//! next write on.
//!
//! What will be done is said before it is done. Where systemd-machined is in
//! charge it does it, so that both agree; afterwards the limit is read from
//! the kernel, whoever has set it.

use super::{DiskUse, Kind, LimitError, Place, btrfs, is_free, project, read, say_exempt};
use crate::exchange;
use crate::hold::Hold;
use crate::machined;
use crate::machines::Machines;
use crate::places::Places;
use crate::quota::State;
use crate::run::RunError;
use hatchery_image::MachineName;
use hatchery_image::progress::{Progress, Stage};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the state folder is asked for while others hold it.
const WAIT: Duration = Duration::from_millis(20);

/// Who has set a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Through {
    /// systemd-machined, over D-Bus.
    Machined,
    /// We, by telling the kernel.
    Kernel,
    /// Nobody: there was no limit, and none was asked for.
    Nothing,
}

/// What was changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The machine; none if it is the limit of all of them together.
    pub machine: Option<MachineName>,
    /// Its tree, or the machines directory.
    pub path: PathBuf,
    /// How it is limited.
    pub kind: Option<Kind>,
    /// The limit before, in bytes.
    pub before: Option<u64>,
    /// The limit now, in bytes.
    pub limit: Option<u64>,
    /// Bytes in use.
    pub used: Option<u64>,
    /// Who has set it.
    pub through: Through,
}

/// Limits a machine to `limit` bytes, or takes its limit away. With `force`
/// also to less than it takes.
///
/// # Errors
/// There is none, it cannot be limited, it takes more already, or which step
/// failed.
pub fn change(
    name: &MachineName,
    limit: Option<u64>,
    force: bool,
    places: &Places,
    progress: &Progress,
) -> Result<Changed, LimitError> {
    let machines = Machines::open(&places.machines)?;
    let path = machines.path(name);
    if !path.symlink_metadata().is_ok_and(|stat| stat.is_dir()) {
        return Err(LimitError::NotFound {
            name: name.clone(),
            root: machines.root().to_owned(),
        });
    }
    let subject = Subject {
        machines: &machines,
        machine: Some(name),
        path: &path,
    };
    let changed = subject.change(limit, force, progress)?;
    note(name, &machines, places, progress)?;
    Ok(changed)
}

/// Repeats the limit in the machine's record. A machine that runs holds its
/// lock, so this cannot take it; the state folder is held alone instead, so
/// that nobody replaces or removes the machine between the reading of its
/// record and the writing.
fn note(
    name: &MachineName,
    machines: &Machines,
    places: &Places,
    progress: &Progress,
) -> Result<(), LimitError> {
    let path = machines.path(name);
    let _held = loop {
        if let Some(hold) = Hold::alone(&places.state)? {
            break hold;
        }
        progress.check().map_err(LimitError::Interrupted)?;
        std::thread::sleep(WAIT);
    };
    // What a killed process began belongs to whoever mends it, and it may have
    // been removed or replaced meanwhile: what counts is what is there now.
    let is_there = path.symlink_metadata().is_ok_and(|stat| stat.is_dir());
    if !is_there || exchange::is_begun(name, places)? {
        return Ok(());
    }
    let records = places.records();
    let ours = records.find(name)?.filter(|record| record.path == path);
    if let Some(mut record) = ours {
        let limit = read(machines, &path)?.limit;
        if record.limit != limit {
            record.limit = limit;
            records.write(&record)?;
        }
    }
    Ok(())
}

/// Limits all machines together to `limit` bytes, or takes that limit away.
///
/// # Errors
/// As [`change`].
pub fn change_pool(
    limit: Option<u64>,
    force: bool,
    places: &Places,
    progress: &Progress,
) -> Result<Changed, LimitError> {
    let machines = Machines::open(&places.machines)?;
    if !machines.is_btrfs()? && limit.is_some() {
        let path = machines.root().to_owned();
        return Err(LimitError::NoPool { path });
    }
    let subject = Subject {
        machines: &machines,
        machine: None,
        path: machines.root(),
    };
    subject.change(limit, force, progress)
}

/// What is limited.
struct Subject<'a> {
    machines: &'a Machines,
    machine: Option<&'a MachineName>,
    path: &'a Path,
}

impl Subject<'_> {
    fn describe(&self) -> String {
        match self.machine {
            Some(name) => name.to_string(),
            None => format!("all machines in {}", self.path.display()),
        }
    }

    fn change(
        &self,
        limit: Option<u64>,
        force: bool,
        progress: &Progress,
    ) -> Result<Changed, LimitError> {
        if limit.is_none() && !is_free(self.machines)? {
            return Ok(self.changed(DiskUse::default(), DiskUse::default(), Through::Nothing));
        }
        let place = Place::of(self.machines)?;
        self.prepare(&place, progress)?;
        let before = read(self.machines, self.path)?;
        if let (Some(used), Some(limit)) = (before.used, limit)
            && used > limit
            && !force
        {
            let what = self.describe();
            return Err(LimitError::BelowUse { what, used, limit });
        }
        let through = match &place {
            Place::Project(device, _) => {
                self.say(limit, "", progress);
                let root = self.machines.root();
                project::set(root, self.path, device, limit)?;
                if limit.is_some() {
                    say_exempt(root, progress)?;
                }
                Through::Kernel
            }
            _ => self.set_on_btrfs(limit, progress)?,
        };
        let now = read(self.machines, self.path)?;
        Ok(self.changed(before, now, through))
    }

    /// Makes sure that it is counted, and that the count is that of now.
    fn prepare(&self, place: &Place, progress: &Progress) -> Result<(), LimitError> {
        let root = self.machines.root();
        let path = || root.to_owned();
        match place {
            Place::Btrfs if self.machine.is_none() => btrfs::prepare_pool(root, progress)?,
            Place::Btrfs => btrfs::prepare(root, self.path, progress)?,
            Place::Project(_, State::Enforced) => return project::possible(root),
            Place::Project(..) => return Err(LimitError::NotEnforced { path: path() }),
            Place::Nothing => return Err(LimitError::Unlimited { path: path() }),
        }
        btrfs::commit(root)
    }

    fn set_on_btrfs(&self, limit: Option<u64>, progress: &Progress) -> Result<Through, LimitError> {
        if machined::is_in_charge(self.machines) {
            self.say(limit, "systemd-machined: ", progress);
            match self.ask_machined(limit) {
                Ok(()) => return Ok(Through::Machined),
                Err(error) => progress.warn(format!("{error}; the kernel is told directly")),
            }
        }
        self.say(limit, "", progress);
        btrfs::set(self.machines.root(), self.path, limit)?;
        Ok(Through::Kernel)
    }

    fn ask_machined(&self, limit: Option<u64>) -> Result<(), RunError> {
        match self.machine {
            Some(name) => machined::set_limit(name, limit),
            None => machined::set_pool_limit(limit),
        }
    }

    fn say(&self, limit: Option<u64>, who: &str, progress: &Progress) {
        let what = self.describe();
        let text = match limit {
            Some(bytes) => format!("{who}limiting {what} to {bytes} bytes"),
            None => format!("{who}taking the limit of {what} away"),
        };
        progress.message(Stage::Limit, text);
    }

    fn changed(&self, before: DiskUse, now: DiskUse, through: Through) -> Changed {
        Changed {
            machine: self.machine.cloned(),
            path: self.path.to_owned(),
            kind: now.kind,
            before: before.limit,
            limit: now.limit,
            used: before.used,
            through,
        }
    }
}
