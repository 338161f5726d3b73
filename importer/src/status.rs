//! `hatchery status`: what a machine is, takes, may take, and whether there is
//! a newer image. Changes nothing but what is remembered of catalogs.
//!
//! What can be read from the host is read from it: usage and limit from the
//! kernel (so a limit that `machinectl set-limit` has changed is shown as it
//! is), ports and bridge from the settings that systemd-nspawn would read.
//! Only what the host cannot know comes from the record. Whether there is
//! something newer is asked of the mirrors with little patience: a host that
//! is offline is told so, and its machines are shown all the same.

use crate::limit::{self, DiskUse, LimitError};
use crate::list::{ListError, Listed, list};
use crate::machines::{Machines, MachinesError};
use crate::places::Places;
use crate::record::Record;
use crate::repository::{self, Repository};
use hatchery_image::catalog::{Catalog, Selector};
use hatchery_image::progress::Progress;
use hatchery_image::settings::Nspawn;
use hatchery_image::{MachineName, Sha256, Verified, Version};
use hatchery_transfer::{Client, Settings};
use jiff::Timestamp;
use serde::Serialize;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where machined keeps what it knows of running machines.
const RUNNING: &str = "/run/systemd/machines";

/// Longest wait for a mirror to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Longest time in which a mirror may send next to nothing.
const STALL: Duration = Duration::from_secs(5);

/// Largest settings file that is read, in bytes.
const SETTINGS_MAX: u64 = 64 << 10;

/// A machine.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its tree.
    pub path: PathBuf,
    /// What it does.
    pub state: State,
    /// What it takes and may take.
    pub disk: DiskUse,
    /// What was imported, if we did.
    pub record: Option<Record>,
    /// Whether there is a newer image.
    pub update: Update,
    /// The settings that systemd-nspawn would read.
    pub settings: Option<SettingsStatus>,
}

/// What a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is registered with machined.
    Running,
    /// It runs unregistered, or a program works on its tree.
    InUse,
    /// Neither.
    Stopped,
    /// There is a record, and no tree.
    Gone,
}

/// Whether there is a newer image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Update {
    /// Nobody was asked.
    NotAsked,
    /// It is not known where the machine came from.
    NotImported,
    /// The newest is here.
    Current,
    /// There is another version in the channel `latest`.
    Available {
        /// Which.
        version: Version,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Settings of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsStatus {
    /// Where they are.
    pub path: PathBuf,
    /// Whether an import installed them and nobody changed them since.
    pub is_ours: bool,
    /// Ports of the host that lead into the machine.
    pub ports: Vec<String>,
    /// The bridge that it is on.
    pub bridge: Option<String>,
    /// Why ports and bridge could not be read, if so.
    pub unread: Option<String>,
}

/// Whom to ask for newer images.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Where images come from.
    pub repository: &'a Repository,
    /// The time.
    pub now: Timestamp,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The machines directory cannot be used.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// Machines cannot be listed.
    #[error(transparent)]
    List(#[from] ListError),
    /// There is no such machine.
    #[error("there is no machine {name} in {root}")]
    NotFound {
        /// The name.
        name: MachineName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// Usage and limit cannot be read.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// The status of one machine, or of all, by name.
///
/// # Errors
/// There is no such machine, or the host cannot be read. That no mirror
/// answers is none: it is part of the status.
pub fn status(
    name: Option<&MachineName>,
    places: &Places,
    ask: Option<Ask<'_>>,
    progress: &Progress,
) -> Result<Vec<Status>, StatusError> {
    let machines = Machines::open(&places.machines)?;
    let mut listed = list(places)?;
    if let Some(name) = name {
        listed.retain(|machine| machine.name == name.as_str());
        if listed.is_empty() {
            let root = machines.root().to_owned();
            let name = name.clone();
            return Err(StatusError::NotFound { name, root });
        }
    }
    // Nobody is asked about machines that came from elsewhere.
    let asked = ask.filter(|_| listed.iter().any(|machine| machine.record.is_some()));
    let catalog = asked.map(|ask| catalog(&ask, places, progress));
    let of = |listed| one(listed, &machines, places, catalog.as_ref());
    listed.into_iter().map(of).collect()
}

/// The newest catalog, or why there is none.
type Answer = Result<Verified<Catalog>, String>;

fn catalog(ask: &Ask<'_>, places: &Places, progress: &Progress) -> Answer {
    let impatient = Settings {
        connect: CONNECT,
        stall: STALL,
        pauses: Vec::new(),
        ..Settings::default()
    };
    let client = Client::with(impatient).map_err(|error| chain(&error))?;
    let (state, now) = (&places.state, ask.now);
    repository::fetch(ask.repository, state, &client, now, progress).map_err(|error| chain(&error))
}

/// An error in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn one(
    listed: Listed,
    machines: &Machines,
    places: &Places,
    catalog: Option<&Answer>,
) -> Result<Status, StatusError> {
    let is_registered = Path::new(RUNNING).join(&listed.name).exists();
    let state = match (listed.is_there, listed.in_use) {
        (false, _) => State::Gone,
        (true, true) if is_registered => State::Running,
        (true, true) => State::InUse,
        (true, false) => State::Stopped,
    };
    // A record may be of a tree in another machines directory.
    let is_here = listed.path.parent() == Some(machines.root());
    let disk = if listed.is_there && is_here {
        limit::read(machines, &listed.path)?
    } else {
        DiskUse::default()
    };
    Ok(Status {
        state,
        disk,
        update: update(listed.record.as_ref(), catalog),
        settings: settings(&listed, places),
        name: listed.name,
        path: listed.path,
        record: listed.record,
    })
}

fn update(record: Option<&Record>, catalog: Option<&Answer>) -> Update {
    let Some(record) = record else {
        return Update::NotImported;
    };
    let catalog = match catalog {
        None => return Update::NotAsked,
        Some(Err(why)) => return Update::Unknown { why: why.clone() },
        Some(Ok(catalog)) => catalog,
    };
    if catalog.repository != record.repository {
        let why = format!(
            "it came from the repository {}, and the mirrors are those of {}",
            record.repository, catalog.repository
        );
        return Update::Unknown { why };
    }
    match catalog.resolve(&record.image, record.architecture, &Selector::default()) {
        Ok(found) if *found.version == record.version => Update::Current,
        Ok(found) => Update::Available {
            version: found.version.clone(),
        },
        Err(error) => Update::Unknown { why: chain(&error) },
    }
}

fn settings(listed: &Listed, places: &Places) -> Option<SettingsStatus> {
    let path = places.settings.join(format!("{}.nspawn", listed.name));
    let length = fs::metadata(&path).ok()?.len();
    let installed = listed.record.as_ref().and_then(|r| r.settings.as_ref());
    let mut status = SettingsStatus {
        is_ours: false,
        ports: Vec::new(),
        bridge: None,
        unread: None,
        path,
    };
    if length > SETTINGS_MAX {
        status.unread = Some(format!("it is larger than {SETTINGS_MAX} bytes"));
        return Some(status);
    }
    let bytes = match fs::read(&status.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            status.unread = Some(error.to_string());
            return Some(status);
        }
    };
    status.is_ours =
        installed.is_some_and(|i| i.path == status.path && i.sha256 == Sha256::of(&bytes));
    // An administrator's own may hold keys that we would not install.
    match Nspawn::parse(&String::from_utf8_lossy(&bytes)) {
        Ok(nspawn) => {
            status.ports = nspawn.ports.iter().map(ToString::to_string).collect();
            status.bridge = nspawn.bridge.map(|bridge| bridge.to_string());
        }
        Err(error) => status.unread = Some(chain(&error)),
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places {
            machines: root.join("machines"),
            state: root.join("state"),
            cache: root.join("cache"),
            settings: root.join("nspawn"),
        }
    }

    #[test]
    fn a_machine_of_others_has_a_status_too() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        fs::create_dir_all(places.machines.join("web")).unwrap();
        fs::create_dir_all(&places.settings).unwrap();
        let text = "[Network]\nBridge=br0\nPort=tcp:8080:80\n";
        fs::write(places.settings.join("web.nspawn"), text).unwrap();
        let name = "web".parse().unwrap();
        let of = |name| status(Some(name), &places, None, &Progress::silent());
        let found = of(&name).unwrap().remove(0);
        assert_eq!(found.state, State::Stopped);
        assert_eq!(found.update, Update::NotImported);
        let settings = found.settings.unwrap();
        assert_eq!(settings.ports, ["tcp:8080:80"]);
        assert_eq!(settings.bridge.as_deref(), Some("br0"));
        assert!(!settings.is_ours);

        let text = "[Network]\nNonsense=1\n";
        fs::write(places.settings.join("web.nspawn"), text).unwrap();
        let settings = of(&name).unwrap().remove(0).settings.unwrap();
        assert!(settings.unread.is_some() && settings.ports.is_empty());
        assert!(matches!(
            of(&"absent".parse().unwrap()),
            Err(StatusError::NotFound { .. })
        ));
    }
}
