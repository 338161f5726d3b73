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
use crate::record::{Record, Records};
use crate::settings::Installed;
use crate::{limit, repository, settings, tree};
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
    machines.sweep()?;
    let staging = machines.staging().map_err(ImportError::Staging)?;
    let limit = set_limit(&machines, staging.path(), &image, request, progress)?;
    unpack(&archive, &staging, &image, request, progress)
        .map_err(|error| early::over_limit(error, &machines, staging.path()))?;
    progress.check().map_err(ImportError::Interrupted)?;

    // Shown: settings, tree, record.
    let installed = install(settings.installed.as_deref(), request)?;
    let replaced = show(staging, &machines, request)?;
    let path = machines.path(&request.machine);
    let record = new_record(&catalog, &image, &path, limit, request);
    record_it(record, installed, replaced, &records)?;
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
    let _bound = limit::Bound::new();
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
/// one that replaced another stays, because the other is gone.
fn record_it(
    mut record: Record,
    installed: Option<Installed>,
    replaced: bool,
    records: &Records,
) -> Result<(), ImportError> {
    let installed = installed.map(Installed::keep);
    let before = records.find(&record.machine)?.and_then(|r| r.settings);
    // Settings of the machine that was replaced are still ours to remove.
    record.settings = installed.or(before.filter(|_| replaced));
    let Err(error) = records.write(&record) else {
        return Ok(());
    };
    if !replaced {
        if let Some(settings) = &record.settings {
            settings::remove(settings)?;
        }
        tree::remove(&record.path).map_err(|source| ImportError::Remains {
            path: record.path.clone(),
            source,
        })?;
    }
    Err(error.into())
}
