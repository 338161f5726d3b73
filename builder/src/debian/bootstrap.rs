//! From a plan to a tree whose packages are configured: downloads, unpacking
//! and decompression overlap, then maintainer scripts run.

use super::install::{InstallError, install};
use super::unpack::{Expected, UnpackError, UnpackOptions, Unpacking};
use crate::confine::Confinement;
use crate::plan::Plan;
use hatchery_image::Progress;
use hatchery_transfer::{Cache, Client, TransferError};
use std::path::Path;

/// Connections at once: enough to hide the latency of a far mirror, few
/// enough to be a good guest there.
const DOWNLOADS: usize = 8;

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A package could not be fetched.
    #[error("cannot download the packages")]
    Download(#[from] TransferError),
    /// A package could not be unpacked.
    #[error("cannot unpack the packages")]
    Unpack(#[from] UnpackError),
    /// A package could not be installed.
    #[error("cannot install the packages")]
    Install(#[from] InstallError),
}

/// With what, and where, to bootstrap.
#[derive(Clone, Copy)]
pub struct BootstrapOptions<'a> {
    /// A folder for work, on the tree's file system, that is not there yet.
    pub work: &'a Path,
    /// Fetches.
    pub client: &'a Client,
    /// Downloads, and unpacked packages.
    pub cache: &'a Cache,
    /// Where scripts run; its root is the empty folder that becomes the tree.
    pub confinement: &'a Confinement,
    /// How many packages are unpacked at once.
    pub threads: usize,
    /// Called once nearly all files are in the tree, and what is left is
    /// running scripts.
    pub unpacked: &'a (dyn Fn() + Sync),
}

/// Installs a plan's packages.
///
/// # Errors
/// What could not be fetched, unpacked or configured.
pub fn bootstrap(
    plan: &Plan,
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
    } = *options;
    // A plan begins with what is essential and what that needs.
    let base = plan.packages.iter().rposition(|p| p.essential);
    let expected = plan.packages.iter().enumerate().map(|(n, p)| Expected {
        base: base.is_some_and(|last| n <= last),
        ..Expected::from(p)
    });
    let options = UnpackOptions {
        architecture: plan.wanted.architecture.debian().to_owned(),
        work: work.to_owned(),
        cache: Some(cache.root().to_owned()),
        parallel: threads,
    };
    let unpacking = Unpacking::new(expected.collect(), options, progress)?;
    install(&unpacking, confinement, unpacked, progress, || {
        let done = |index, deb| Ok::<_, BootstrapError>(unpacking.package(index, deb)?);
        client.download_all(&plan.requests(), cache, DOWNLOADS, &done, progress)
    })
}
