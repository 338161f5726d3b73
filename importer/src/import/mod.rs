//! `hatchery import`: from a reference to a machine.
//!
//! Nothing is visible before all of it is: the tree is made hidden beside its
//! final place, and one rename (or exchange, with `force`) shows it. The
//! record is written last. Whatever fails or is interrupted before takes back
//! what it did; what a killed process could not take back, the next import
//! removes. Downloads are kept, so that the next try goes on where this ended.

mod early;
mod error;
mod request;

pub use error::{ImportError, Kind};
pub use request::{DiskLimit, ImportRequest, Imported, Settings};

use crate::image::{self, Image};
use crate::machines::Machines;
use crate::pending::Pending;
use crate::record::{Record, Records};
use crate::settings::Installed;
use crate::{limit, remove, repository};
use hatchery_image::Verified;
use hatchery_image::archive;
use hatchery_image::catalog::Catalog;
use hatchery_image::durable::{Existing, Staging};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::{Progress, Stage};
use hatchery_transfer::{Cache, Client};
use std::io;
use std::path::Path;

/// Imports an image as a machine.
///
/// # Errors
/// Which step failed and why. Nothing is left of a failed import but what was
/// downloaded.
pub fn import(request: &ImportRequest, progress: &Progress) -> Result<Imported, ImportError> {
    let places = &request.places;
    let machines = Machines::open(&places.machines)?;
    let records = places.records();
    let client = Client::new().map_err(ImportError::Client)?;
    let cache = Cache::open(&places.cache).map_err(ImportError::Client)?;

    // Whose word counts, and for what.
    let catalog = repository::fetch(
        &request.repository,
        &places.state,
        &client,
        request.now,
        progress,
    )?;
    let _lock = early::claim(&machines, &records, request)?;
    let image = find(&catalog, request, &client, progress)?;

    // Whatever can be refused is refused before the download.
    early::refuse(&machines, &cache, &image, request)?;
    let settings = early::settings(&image, &records, request, &client, progress)?;
    let archive = image.fetch_archive(&client, &cache, progress)?;
    progress.check().map_err(ImportError::Interrupted)?;

    // Hidden, limited before the first byte, and whole.
    let staging = machines.staging().map_err(ImportError::Staging)?;
    let limit = set_limit(&machines, staging.path(), &image, request, progress)?;
    unpack(&archive, &staging, &image, request, progress)?;
    progress.check().map_err(ImportError::Interrupted)?;

    // Shown: settings, tree, record.
    let path = machines.path(&request.machine);
    let mut record = new_record(&catalog, &image, &path, limit, request);
    let pending = prepare(&mut record, &settings, &staging, &records, request)?;
    let installed = install(settings.installed.as_deref(), request)?;
    let replaced = show(staging, &machines, request)?;
    record_it(&record, installed, replaced, (&machines, &records), pending)?;
    image.forget_archive(&cache);
    Ok(Imported {
        machine: request.machine.clone(),
        path,
        version: image.manifest.version.clone(),
        signer: catalog.signer().clone(),
        limit,
        settings: shown(settings, request),
        replaced,
    })
}

/// What is said about the settings.
fn shown(wanted: early::Wanted, request: &ImportRequest) -> Option<Settings> {
    let path = || request.places.settings_of(&request.machine);
    let installed = wanted.installed.map(|text| Settings {
        text,
        installed: Some(path()),
    });
    let offered = wanted.offered.map(|text| Settings {
        text,
        installed: None,
    });
    installed.or(offered)
}

fn find(
    catalog: &Verified<Catalog>,
    request: &ImportRequest,
    client: &Client,
    progress: &Progress,
) -> Result<Image, ImportError> {
    let image = image::find(
        catalog,
        &request.reference,
        request.architecture,
        &request.repository.locations,
        client,
        progress,
    )?;
    let text = format!(
        "{}@{} ({}), signed by {}",
        image.manifest.name,
        image.manifest.version,
        image.manifest.architecture,
        catalog.signer()
    );
    progress.message(Stage::Verify, text);
    Ok(image)
}

fn set_limit(
    machines: &Machines,
    path: &Path,
    image: &Image,
    request: &ImportRequest,
    progress: &Progress,
) -> Result<Option<u64>, ImportError> {
    let bytes = match (request.limit, image.manifest.disk_limit) {
        (DiskLimit::Bytes(bytes), _) => Some(bytes),
        (DiskLimit::Suggested, Some(suggested)) if limit::is_free(machines)? => Some(suggested),
        (DiskLimit::Suggested, Some(suggested)) => {
            let text = format!(
                "the image suggests a disk limit of {suggested} bytes; \
                 none is set, because quota is not on here"
            );
            progress.message(Stage::Limit, text);
            None
        }
        _ => None,
    };
    match bytes {
        Some(bytes) => limit::set(machines, path, bytes, progress)?,
        None => limit::join(machines, path)?,
    }
    Ok(bytes)
}

fn unpack(
    archive: &archive::VerifiedArchive,
    staging: &Staging,
    image: &Image,
    request: &ImportRequest,
    progress: &Progress,
) -> Result<(), ImportError> {
    let root = Root::open(staging.path(), Resolve::Beneath).map_err(ImportError::Root)?;
    let limits = &image.manifest.unpacked;
    archive::unpack(archive, &root, limits, request.threads, progress).map_err(|source| {
        ImportError::Unpack {
            image: request.reference.clone(),
            source,
        }
    })
}

fn install(
    settings: Option<&str>,
    request: &ImportRequest,
) -> Result<Option<Installed>, ImportError> {
    let Some(text) = settings else {
        return Ok(None);
    };
    let path = request.places.settings_of(&request.machine);
    Ok(Some(Installed::new(&path, text)?))
}

/// Completes the record, and writes down what is about to be shown.
fn prepare(
    record: &mut Record,
    wanted: &early::Wanted,
    staging: &Staging,
    records: &Records,
    request: &ImportRequest,
) -> Result<Pending, ImportError> {
    let settings = request.places.settings_of(&request.machine);
    let installing = wanted.installed.as_ref();
    let installing = installing.map(|text| Installed::note(&settings, text));
    // Settings of a machine that is replaced are still ours to remove.
    record.settings = match &installing {
        Some(installing) => Some(installing.clone()),
        None => records.find(&record.machine)?.and_then(|r| r.settings),
    };
    Ok(Pending::begin(
        &request.places,
        record,
        staging.path(),
        installing,
    )?)
}

/// Puts the tree into its place; whether another one was there.
fn show(
    staging: Staging,
    machines: &Machines,
    request: &ImportRequest,
) -> Result<bool, ImportError> {
    let target = machines.path(&request.machine);
    let replaced = request.force && target.symlink_metadata().is_ok();
    let existing = if replaced {
        Existing::Replace
    } else {
        Existing::Keep
    };
    match staging.publish(&target, existing) {
        Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {
            Err(ImportError::Exists { path: target })
        }
        result => result.map(|()| replaced).map_err(ImportError::Publish),
    }
}

fn new_record(
    catalog: &Verified<Catalog>,
    image: &Image,
    path: &Path,
    limit: Option<u64>,
    request: &ImportRequest,
) -> Record {
    let manifest = &image.manifest;
    Record {
        format: Records::format(),
        machine: request.machine.clone(),
        path: path.to_owned(),
        image: manifest.name.clone(),
        version: manifest.version.clone(),
        architecture: manifest.architecture,
        manifest: image.digest,
        repository: catalog.repository.clone(),
        signer: catalog.signer().clone(),
        imported: request.now,
        limit,
        settings: None,
    }
}

/// Writes the record. A new machine that cannot be recorded is taken back;
/// one that replaced another stays, because the other is gone, and the next
/// import or removal records it.
fn record_it(
    record: &Record,
    installed: Option<Installed>,
    replaced: bool,
    (machines, records): (&Machines, &Records),
    pending: Pending,
) -> Result<(), ImportError> {
    let path = record.path.clone();
    let keep = |installed: Option<Installed>| {
        if let Some(installed) = installed {
            installed.keep();
        }
    };
    let Err(source) = records.write(record) else {
        keep(installed);
        return Ok(());
    };
    if replaced {
        keep(installed);
        pending.leave();
        return Err(ImportError::Unrecorded { path, source });
    }
    if let Err(source) = remove::take_back(machines, &record.machine) {
        keep(installed);
        pending.leave();
        let source = Box::new(source);
        return Err(ImportError::Remains { path, source });
    }
    // A record that could not be made lasting may be there all the same.
    let _ = records.remove(&record.machine);
    drop(installed);
    Err(source.into())
}
