//! From a plan to a tree whose packages are installed: downloads, signature
//! checks, decompression and unpacking overlap, and so do scriptlets.

use super::install::{InstallError, Installing, folder, install};
use super::package::{PackageError, Stager, VerifiedPackage};
use super::pattern::Patterns;
use super::request::{Repository, Request};
use crate::family::BootstrapOptions;
use crate::handover::{Gone, Handover, side_by_side};
use crate::plan::{DOWNLOADS, Plan, PlannedPackage};
use hatchery_image::Progress;
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::Interrupted;
use hatchery_transfer::TransferError;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Installing failed; its error is the one to show.
    #[error("unpacking was stopped")]
    Stopped,
    /// A package could not be fetched.
    #[error("cannot download the packages")]
    Download(#[from] TransferError),
    /// A package could not be verified or unpacked.
    #[error("cannot unpack the packages")]
    Package(#[from] PackageError),
    /// A package could not be installed.
    #[error("cannot install the packages")]
    Install(#[from] InstallError),
    /// A folder for packages cannot be made.
    #[error("cannot make the folder {} to unpack in", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The plan has a repository that was not asked for.
    #[error("the plan has packages of the repository {0}, which the recipe does not have")]
    Repository(String),
}

impl From<Gone> for BootstrapError {
    fn from(gone: Gone) -> Self {
        match gone {
            Gone::Stopped => Self::Stopped,
            Gone::Interrupted(stop) => Self::Interrupted(stop),
        }
    }
}

/// Installs a plan's packages, which `request` asked for.
///
/// # Errors
/// What could not be fetched, verified, unpacked or installed.
pub fn bootstrap(
    plan: &Plan,
    request: &Request,
    options: &BootstrapOptions<'_>,
    progress: &Progress,
) -> Result<(), BootstrapError> {
    let BootstrapOptions {
        work,
        client,
        cache,
        confinement,
        threads,
        unpacked,
        now,
    } = *options;
    let repositories = repositories(plan, request)?;
    make_folder(work)?;
    let sizes = plan.packages.iter().map(|p| p.size);
    let packages = Handover::new(sizes, threads, progress);
    let no_extract = Patterns::new(&request.pacman.no_extract);
    let stager = Stager {
        no_extract: &no_extract,
        progress,
    };
    let unpack = |index: usize, file: File| -> Result<(), BootstrapError> {
        let _slot = packages.slot()?;
        let planned: &PlannedPackage = &plan.packages[index];
        let repository = repositories[planned.repository];
        let package = VerifiedPackage::verify(file, planned, repository, now, progress)?;
        let path = folder(work, index);
        make_folder(&path)?;
        let failed = |source| PackageError::Place {
            package: planned.name.to_string(),
            source,
        };
        let root = Root::open(&path, Resolve::InRoot).map_err(failed)?;
        let staged = stager.stage(package, planned, &root)?;
        packages.put(index, staged, planned.size);
        Ok(())
    };
    let installing = Installing {
        plan,
        request,
        packages: &packages,
        work,
        confinement,
        unpacked,
        progress,
    };
    side_by_side(
        || install(&installing),
        || client.download_all(&plan.requests(), cache, DOWNLOADS, &unpack, progress),
        || packages.stop(),
        |error| matches!(error, InstallError::Stopped),
    )
}

/// What was asked of each repository of the plan.
fn repositories<'r>(
    plan: &Plan,
    request: &'r Request,
) -> Result<Vec<&'r Repository>, BootstrapError> {
    let found = |name: &String| {
        let repository = request.repositories.iter().find(|r| r.name == *name);
        repository.ok_or_else(|| BootstrapError::Repository(name.clone()))
    };
    plan.repositories.iter().map(|r| found(&r.suite)).collect()
}

fn make_folder(path: &std::path::Path) -> Result<(), BootstrapError> {
    fs::create_dir(path).map_err(|source| BootstrapError::Folder {
        path: path.to_owned(),
        source,
    })
}
