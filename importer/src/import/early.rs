//! What is refused before anything is downloaded.

use super::error::ImportError;
use super::request::{Consent, DiskLimit, ImportRequest};
use crate::exchange;
use crate::hold::Hold;
use crate::host::Host;
use crate::image::{Image, ImageError};
use crate::lock::{LockError, MachineLock};
use crate::machines::Machines;
use crate::network::{self, Plan};
use crate::record::{Record, Records};
use crate::{limit, settings, space};
use hatchery_image::progress::{Progress, Stage};
use hatchery_image::settings::Nspawn;
use hatchery_transfer::{Cache, Client};
use std::error::Error;
use std::io;
use std::path::Path;

/// Locks the name, and refuses one that is taken.
pub(super) fn claim(
    machines: &Machines,
    records: &Records,
    request: &ImportRequest,
) -> Result<MachineLock, ImportError> {
    let name = &request.machine;
    let target = machines.path(name);
    let lock = machines.lock(name).map_err(|error| match error {
        LockError::Busy { .. } if target.symlink_metadata().is_err() => {
            ImportError::Underway { name: name.clone() }
        }
        error => ImportError::Lock(error),
    })?;
    exchange::mend(name, &request.places, &Hold::shared(&request.places.state)?)?;
    if let Some(path) = machines.existing(name) {
        if path != target {
            return Err(ImportError::DiskImage { path });
        }
        if !request.force {
            return Err(ImportError::Exists { path });
        }
        if !path.symlink_metadata().is_ok_and(|stat| stat.is_dir()) {
            return Err(ImportError::NotATree { path });
        }
    }
    // One whose tree is gone is a leftover and is replaced.
    let elsewhere = |record: &Record| record.path != target && record.path.exists();
    if let Some(record) = records.find(name)?.filter(elsewhere) {
        return Err(ImportError::Elsewhere { path: record.path });
    }
    Ok(lock)
}

/// Refuses what this host cannot boot, limit or hold.
pub(super) fn refuse(
    machines: &Machines,
    cache: &Cache,
    image: &Image,
    request: &ImportRequest,
) -> Result<(), ImportError> {
    let manifest = &image.manifest;
    if !request.accept_unsuitable {
        let image = request.reference.clone();
        Host::current()
            .can_boot(&manifest.requires)
            .map_err(|source| ImportError::Unsuitable { image, source })?;
    }
    // Holes take no space, and the tar stream has none.
    let needed = space::unpacked(manifest.tar.size, manifest.unpacked.entries);
    if let DiskLimit::Bytes(bytes) = request.limit {
        limit::possible(machines, bytes, manifest.tar.size)?;
    }
    let missing = image.missing(cache)?;
    space::possible((machines.root(), needed), (cache.root(), missing))?;
    Ok(())
}

/// Names the limit as the reason, if the tree could not be unpacked because
/// it was used up.
pub(super) fn over_limit(error: ImportError, machines: &Machines, tree: &Path) -> ImportError {
    let ImportError::Unpack { image, source } = error else {
        return error;
    };
    let mut cause: Option<&(dyn Error + 'static)> = Some(&source);
    let mut limit = None;
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        limit = limit.or_else(|| limit::is_exhausted(machines, tree, io?));
        cause = error.source();
    }
    match limit {
        Some(limit) => ImportError::OverLimit {
            image,
            limit,
            source,
        },
        None => ImportError::Unpack { image, source },
    }
}

/// Settings of a machine.
pub(super) struct Wanted {
    /// Those that are published beside the image.
    pub(super) offered: Option<String>,
    /// Those that are to be installed.
    pub(super) installed: Option<String>,
}

/// The settings beside the image, and those that are to be installed. Ones
/// that cannot be understood stop the import only if they were among them.
pub(super) fn settings(
    image: &Image,
    records: &Records,
    (request, consent): (&ImportRequest, Consent<'_>),
    client: &Client,
    progress: &Progress,
) -> Result<Wanted, ImportError> {
    let offered = match image.fetch_settings(client, progress) {
        Err(error @ ImageError::Settings { .. }) if !request.accept_settings => {
            let source = Error::source(&error);
            let why = source.map(ToString::to_string).unwrap_or_default();
            progress.warn(format!("the image's settings are not shown: {why}"));
            None
        }
        result => result?,
    };
    let is_accepted = request.accept_settings || offered.as_deref().is_some_and(consent);
    if offered.is_some() && !is_accepted {
        let text = "the settings beside the image are not taken; --accept-settings does";
        progress.message(Stage::Settings, text);
    }
    let installed = merged(offered.as_deref().filter(|_| is_accepted), request)?;
    if let Some(text) = &installed {
        let before = records.find(&request.machine)?.and_then(|r| r.settings);
        let path = request.places.settings_of(&request.machine);
        settings::possible(&path, text, before.as_ref())?;
    }
    Ok(Wanted { offered, installed })
}

/// What is to be installed: the image's settings, if they were accepted, and
/// the administrator's own.
fn merged(accepted: Option<&str>, request: &ImportRequest) -> Result<Option<String>, ImportError> {
    let own = &request.own_settings;
    if own.is_empty() {
        return Ok(accepted.map(str::to_owned));
    }
    let image = match accepted {
        Some(text) => Nspawn::parse(text)?,
        None => Nspawn::default(),
    };
    let merged = network::merged(image, own);
    merged.check().map_err(ImportError::Contradiction)?;
    Ok(Some(merged.render()))
}

/// Refuses a network that this host cannot give the machine, and says what
/// will be done for it.
pub(super) fn network(
    machines: &Machines,
    settings: &Wanted,
    request: &ImportRequest,
    progress: &Progress,
) -> Result<Plan, ImportError> {
    let (name, places) = (&request.machine, &request.places);
    let installed = settings.installed.as_deref().map(Nspawn::parse);
    let installed = installed.transpose()?;
    let effective = installed.clone().unwrap_or_default();
    let plan = network::check(name, &request.network, &effective, (machines, places))?;
    let asked = (&request.network, &plan);
    network::announce(name, asked, installed.as_ref(), places, progress);
    Ok(plan)
}
