//! From a plan to a tree whose packages are configured: downloads, unpacking
//! and decompression overlap, then maintainer scripts run.

use super::install::{InstallError, install};
use super::unpack::{Expected, UnpackError, UnpackOptions, Unpacking};
use crate::family::BootstrapOptions;
use crate::plan::{DOWNLOADS, Plan};
use hatchery_image::Progress;
use hatchery_transfer::TransferError;

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
        now: _,
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
