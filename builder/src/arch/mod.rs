//! Arch Linux and its family: from a recipe to a plan, and from that to a
//! tree.
//!
//! No pacman or gpg is needed. Databases are read, packages chosen and put in
//! order as pacman would; each package's signature is verified in process
//! against the keyring in `keys/`, whichever host this is; and the tree is the
//! one that pacstrap would have made.
//!
//! Looked at: pacstrap needs a pacman on the host and spends most of its time
//! in one gpg process a signature; mkosi fetches the keyring itself without
//! verifying it where the host has none. The crates of the alpm project were
//! tried: their parsers refuse databases that pacman takes, and bring 58
//! further crates. So versions, databases and package metadata are read here,
//! each tested against pacman's own answers.

mod bootstrap;
pub mod database;
pub mod dependency;
mod install;
pub mod keyring;
mod package;
mod pattern;
mod repository;
mod request;
pub mod resolve;
pub mod version;

pub use bootstrap::{BootstrapError, bootstrap};
pub use install::InstallError;
pub use package::PackageError;
pub use repository::{RepositoryError, Unbelieved};
pub use request::{Mirrors, Repository, Request};

use crate::parallel::each_at_once;
use crate::plan::{PACKAGE_MAX, Plan, PlannedPackage, Signature, is_word};
use crate::recipe::SigLevel;
use database::{Database, Package};
use hatchery_image::Progress;
use hatchery_image::progress::{Interrupted, Stage, Unit};
use hatchery_transfer::{Client, Location};
use jiff::Timestamp;
use repository::{Fetched, Fetching};
use resolve::{Resolution, ResolveError};

/// The architecture of packages for all of them.
const ANY: &str = "any";

/// Most bytes that a package may say to take when it is installed: a thousand
/// times those of the largest in Arch, and no sum of them overflows.
const INSTALLED_MAX: u64 = 1 << 40;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A snapshot is wanted and no mirror keeps any.
    #[error(
        "the recipe names no mirror that keeps the packages of {0}: give its snapshots = [...], or --mirror"
    )]
    NoSnapshots(jiff::civil::Date),
    /// A repository cannot be used.
    #[error("cannot use the repository {name}")]
    Repository {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<RepositoryError>,
    },
    /// The packages cannot be chosen.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A package whose digest is not known cannot be pinned.
    #[error(
        "the database of {repository} has no SHA-256 of the package {package}: its owner has to \
         add the package again with a newer repo-add"
    )]
    NoDigest {
        /// Which.
        package: String,
        /// Whose.
        repository: String,
    },
    /// A package of another architecture.
    #[error("the package {package} of {repository} is for {found}, and {wanted} was asked for")]
    Architecture {
        /// Which.
        package: String,
        /// Whose.
        repository: String,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A package whose file name, version, architecture or size is none.
    #[error("the database of {repository} has an unusable {what} for the package {package}")]
    Unusable {
        /// Which.
        package: String,
        /// Whose.
        repository: String,
        /// Such as `version`.
        what: &'static str,
    },
}

/// Fetches databases, and chooses packages. `now` is what time is compared
/// with.
///
/// # Errors
/// A repository that cannot be fetched or trusted; packages that do not exist
/// or do not go together.
pub fn plan(
    request: &Request,
    client: &Client,
    now: Timestamp,
    progress: &Progress,
) -> Result<Plan, PlanError> {
    let steps = request.repositories.len() as u64 + 1;
    let running = progress.begin(Stage::Resolve, Some(steps), Unit::Items);
    if let Some(day) = request.snapshot
        && request.repositories.iter().any(|r| r.locations.is_empty())
    {
        return Err(PlanError::NoSnapshots(day));
    }
    for repository in &request.repositories {
        if repository.sig_level == SigLevel::Never {
            let name = &repository.name;
            progress.warn(format!(
                "nothing of the repository {name} is verified: its sig_level is \"never\""
            ));
        }
    }
    let fetching = Fetching {
        client,
        now,
        progress,
    };
    let fetched = fetch_all(request, fetching, &|| running.advance(1))?;
    progress.check()?;
    for found in &fetched {
        for warning in &found.database.warnings {
            progress.warn(format!("{}: {warning}", found.planned.suite));
        }
    }
    let resolution = resolved(request, &fetched)?;
    for warning in &resolution.warnings {
        progress.warn(warning.clone());
    }
    let packages = packages(request, &fetched, &resolution, fetching)?;
    running.advance(1);
    Ok(Plan {
        wanted: request.wanted(),
        source_date_epoch: fetched
            .iter()
            .map(|f| f.planned.date.as_second())
            .max()
            .unwrap_or_default()
            .max(0),
        packages,
        repositories: fetched.into_iter().map(|f| f.planned).collect(),
    })
}

fn resolved(request: &Request, fetched: &[Fetched]) -> Result<Resolution, ResolveError> {
    let repositories: Vec<(&str, &Database)> = fetched
        .iter()
        .map(|f| (f.planned.suite.as_str(), &f.database))
        .collect();
    let patterns = |globs: &[crate::recipe::Glob]| globs.iter().map(ToString::to_string).collect();
    resolve::resolve(
        &repositories,
        &resolve::Request {
            targets: request.packages.clone(),
            ignore: patterns(&request.pacman.ignore_pkg),
            ignore_groups: patterns(&request.pacman.ignore_group),
            assume_installed: Vec::new(),
        },
    )
}

/// Fetches all repositories at a time.
fn fetch_all(
    request: &Request,
    fetching: Fetching<'_>,
    done: &(dyn Fn() + Sync),
) -> Result<Vec<Fetched>, PlanError> {
    let results = each_at_once(&request.repositories, |repository| {
        let fetched = fetching.fetch(repository);
        done();
        fetched.map_err(|source| failed(&repository.name, source))
    });
    results.into_iter().collect()
}

fn failed(name: &str, source: RepositoryError) -> PlanError {
    match source {
        RepositoryError::Interrupted(stop) => PlanError::Interrupted(stop),
        source => PlanError::Repository {
            name: name.to_owned(),
            source: Box::new(source),
        },
    }
}

fn packages(
    request: &Request,
    fetched: &[Fetched],
    resolution: &Resolution,
    fetching: Fetching<'_>,
) -> Result<Vec<PlannedPackage>, PlanError> {
    let chosen: Vec<(&Repository, &[Location], &Package)> = resolution
        .packages
        .iter()
        .map(|chosen| {
            let found = &fetched[chosen.repository];
            (
                &request.repositories[chosen.repository],
                found.planned.locations.as_slice(),
                &found.database.packages[chosen.package],
            )
        })
        .collect();
    let signatures = fetching.signatures(&chosen);
    let signatures = signatures.map_err(|(repository, source)| failed(&repository, source))?;
    let all = resolution.packages.iter().zip(&chosen).zip(signatures);
    all.map(|((chosen, (repository, _, package)), signature)| {
        let wanted = request.architecture.machine();
        if package.architecture != ANY && package.architecture != wanted {
            return Err(PlanError::Architecture {
                package: package.name.to_string(),
                repository: repository.name.clone(),
                found: package.architecture.clone(),
                wanted,
            });
        }
        planned(package, &repository.name, signature).map(|planned| PlannedPackage {
            repository: chosen.repository,
            named: chosen.explicit,
            ..planned
        })
    })
    .collect()
}

/// A package as a plan says it.
fn planned(
    package: &Package,
    repository: &str,
    signature: Option<Signature>,
) -> Result<PlannedPackage, PlanError> {
    let unusable = |what| PlanError::Unusable {
        package: package.name.to_string(),
        repository: repository.to_owned(),
        what,
    };
    for (what, text) in [
        ("version", package.version.as_str()),
        ("architecture", &package.architecture),
    ] {
        if !is_word(text) {
            return Err(unusable(what));
        }
    }
    if package.compressed_size > PACKAGE_MAX || package.installed_size > INSTALLED_MAX {
        return Err(unusable("size"));
    }
    let base = Some(&package.base).filter(|base| base.as_str() != package.name.as_str());
    Ok(PlannedPackage {
        name: package.name.clone(),
        version: package.version.to_string(),
        architecture: package.architecture.clone(),
        source: base.filter(|b| !b.is_empty()).cloned(),
        size: package.compressed_size,
        installed_size: package.installed_size,
        sha256: package.sha256.ok_or_else(|| PlanError::NoDigest {
            package: package.name.to_string(),
            repository: repository.to_owned(),
        })?,
        path: package
            .file_name
            .parse()
            .map_err(|_| unusable("file name"))?,
        repository: 0,
        named: false,
        essential: false,
        licenses: package.licenses.clone(),
        signature,
    })
}
