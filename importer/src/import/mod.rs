//! `hatchery import`: from a reference to a machine.
//!
//! Nothing is visible before all of it is: the tree is made hidden beside its
//! final place, and one rename (or exchange, with `force`) shows it, with its
//! settings and its record (see [`crate::exchange`]); a tree that was there is
//! kept for [`crate::rollback`]. Whatever fails or is interrupted before takes back
//! what it did; what a killed process could not take back, the next import
//! removes. Downloads are kept, so that the next try goes on where this ended.

mod early;
mod error;
mod request;
mod show;

pub use error::{ImportError, Kind};
pub use request::{Consent, DiskLimit, ImportRequest, Imported, Settings};

use crate::image::{self, Image};
use crate::machines::Machines;
use crate::network::{self, Plan};
use crate::record::{Record, Records, WrittenFile};
use crate::unpack::{self, Failure, Signed, Unpacking, Way};
use crate::{limit, repository, unit};
use hatchery_image::Verified;
use hatchery_image::catalog::Catalog;
use hatchery_image::durable::Staging;
use hatchery_image::progress::{Progress, Stage};
use hatchery_transfer::{Cache, Client, Driver};
use show::Table;
use std::path::Path;

/// Imports an image as a machine. The settings beside the image are taken if
/// the request says so.
///
/// # Errors
/// As [`import_asking`].
pub fn import(request: &ImportRequest, progress: &Progress) -> Result<Imported, ImportError> {
    import_asking(request, &|_| false, progress)
}

/// Imports an image as a machine. The settings beside it are taken if the
/// request says so, or else if `consent` does, which is asked before the
/// download.
///
/// # Errors
/// Which step failed and why. Nothing is left of a failed import but what was
/// downloaded; a machine whose unit alone failed is there and whole.
pub fn import_asking(
    request: &ImportRequest,
    consent: Consent<'_>,
    progress: &Progress,
) -> Result<Imported, ImportError> {
    let places = &request.places;
    let machines = Machines::open(&places.machines)?;
    let records = places.records();
    let client = Client::with(patience()).map_err(ImportError::Client)?;
    let cache = Cache::open(&places.cache).map_err(ImportError::Client)?;

    // Whose word counts, and for what.
    let catalog = repository::fetch(
        &request.repository,
        &places.state,
        &client,
        request.now,
        progress,
    )?;
    let lock = early::claim(&machines, &records, request)?;
    let image = find(&catalog, request, &client, progress)?;

    // Whatever can be refused is refused before the download.
    early::refuse(&machines, &cache, &image, request)?;
    let asked = (request, consent);
    let settings = early::settings(&image, &records, asked, &client, progress)?;
    let plan = early::network(&machines, &settings, request, progress)?;

    // Hidden, limited before the first byte, and whole.
    let (staging, signed, limit) = fill(&machines, &image, (&client, &cache), request, progress)?;
    let table = Table::of(signed, staging.path(), progress)?;
    let written = write_network(staging.path(), &plan, request, progress)?;
    progress.check().map_err(ImportError::Interrupted)?;

    // Shown: settings, tree, record.
    let path = machines.path(&request.machine);
    let network = (!written.is_empty()).then_some(plan.host0);
    let record = Record {
        network: network.clone(),
        written,
        listing: table.made(),
        ..new_record(&catalog, &image, &path, limit, request)
    };
    let held = show::remember(&image, &table, request)?;
    let text = settings.installed.as_deref();
    let replaced = show::show(staging, record, text, &machines, request, &held)?;
    drop(held);
    image.forget_archive(&cache);

    // Its unit, once it is whole: systemd-nspawn takes the lock itself.
    drop(lock);
    run_unit(request)?;
    Ok(Imported {
        machine: request.machine.clone(),
        path,
        version: image.manifest.version.clone(),
        signer: catalog.signer().clone(),
        limit,
        settings: shown(settings, request),
        replaced,
        network,
        enabled: request.network.enable,
        started: request.network.start,
    })
}

/// Enables and starts the machine, as the request says.
fn run_unit(request: &ImportRequest) -> Result<(), ImportError> {
    if request.network.enable {
        unit::enable(&request.machine)?;
    }
    if request.network.start {
        unit::start(&request.machine)?;
    }
    Ok(())
}

/// The machine's own network, in the tree that is not shown yet.
fn write_network(
    tree: &Path,
    plan: &Plan,
    request: &ImportRequest,
    progress: &Progress,
) -> Result<Vec<WrittenFile>, ImportError> {
    let (written, warnings) = network::write(tree, &plan.host0, request.now.as_second())?;
    for line in warnings {
        progress.warn(line);
    }
    Ok(written)
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

/// The usual patience, for one download after another.
fn patience() -> hatchery_transfer::Settings {
    hatchery_transfer::Settings {
        driver: Driver::Caller,
        ..Default::default()
    }
}

/// A hidden tree with what the image holds, what the archive lists, and the
/// tree's limit.
fn fill(
    machines: &Machines,
    image: &Image,
    from: (&Client, &Cache),
    request: &ImportRequest,
    progress: &Progress,
) -> Result<(Staging, Option<Signed>, Option<u64>), ImportError> {
    let mut way = Way::Arriving;
    loop {
        let staging = machines.staging().map_err(ImportError::Staging)?;
        let limit = set_limit(machines, staging.path(), image, request, progress)?;
        let unpacking = Unpacking {
            helper: &request.helper,
            tree: staging.path(),
            threads: request.threads,
        };
        match unpack::fetch_and_unpack(image, from, way, &unpacking, progress) {
            Ok(signed) => return Ok((staging, signed, limit)),
            // Whole, each mirror is asked until one has the right bytes.
            Err(Failure::OtherBytes) if way == Way::Arriving => way = Way::Whole,
            Err(failure) => {
                let error = ImportError::of_unpacking(failure, request);
                return Err(early::over_limit(error, machines, staging.path()));
            }
        }
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
        listing: None,
        repository: catalog.repository.clone(),
        signer: catalog.signer().clone(),
        imported: request.now,
        limit,
        settings: None,
        written: Vec::new(),
        network: None,
        enabled: request.network.enable,
    }
}
