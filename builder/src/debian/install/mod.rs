//! From unpacked packages to installed ones: scripts, and the tree's own dpkg.
//!
//! The order is that of a bootstrap by apt: the base (what is essential, and
//! what that needs) is in the tree before its preinst scripts run, because
//! there is nothing else to run them with, and is configured alone. Then the
//! preinst scripts of the other packages run, their files are moved into the
//! tree, and `dpkg --configure` does the rest as it would anywhere.
//!
//! While scripts run, `policy-rc.d` and a `start-stop-daemon` that does
//! nothing keep services from starting, as debootstrap and mmdebstrap do it.

mod dpkg;
mod last;
mod preinst;
mod quiet;
mod rounds;
mod tidy;

use super::database::Database;
use super::unpack::{Packages, Tree, UnpackError, Unpacked, Unpacking, closure};
use crate::confine::{ConfineError, Confinement};
use crate::handover::side_by_side;
use dpkg::Dpkg;
use hatchery_image::Progress;
use hatchery_image::place::{Resolve, Root};
use hatchery_image::progress::{Stage, Unit};
use quiet::Quiet;
use std::sync::Arc;

/// Why packages are not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Unpacking failed, or writing the database.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A maintainer script failed.
    #[error("the {script} script of the package {package} failed{}", said(.tail))]
    Script {
        /// Whose.
        package: String,
        /// Such as `postinst`.
        script: String,
        /// Its last lines.
        tail: String,
    },
    /// dpkg failed otherwise.
    #[error("dpkg could not install the package {package}: {message}{}", said(.tail))]
    Dpkg {
        /// Which.
        package: String,
        /// What dpkg said about it.
        message: String,
        /// Its last lines.
        tail: String,
    },
    /// Programs could not be run inside the tree, or failed without saying
    /// because of which package.
    #[error("cannot configure the packages")]
    Confine(#[from] ConfineError),
    /// A program that must not run could not be put aside.
    #[error("cannot {doing} {path} in the tree")]
    Quiet {
        /// Such as `write`.
        doing: &'static str,
        /// Which.
        path: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

fn said(tail: &str) -> String {
    if tail.is_empty() {
        String::new()
    } else {
        format!("; its last lines:\n{tail}")
    }
}

/// Installs packages into the empty directory of `confinement` while `feed`
/// hands them to `unpacking`. If one of the two fails, the other one is
/// stopped. `unpacked` is called once all packages are in the tree but those
/// that dpkg itself unpacks, and before they are configured.
///
/// # Errors
/// Which package, script or step failed, and what it said; or the error of
/// `feed`.
///
/// # Panics
/// If `feed` does.
pub fn install<E: From<InstallError>>(
    unpacking: &Unpacking,
    confinement: &Confinement,
    unpacked: &(dyn Fn() + Sync),
    progress: &Progress,
    feed: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    side_by_side(
        || install_all(unpacking, confinement, unpacked, progress),
        feed,
        || unpacking.stop(),
        |error| matches!(error, InstallError::Unpack(UnpackError::Stopped)),
    )
}

fn install_all(
    unpacking: &Unpacking,
    confinement: &Confinement,
    unpacked: &(dyn Fn() + Sync),
    progress: &Progress,
) -> Result<(), InstallError> {
    let all: Vec<usize> = (0..unpacking.expected().len()).collect();
    let base = base(unpacking, &all)?;
    let stage = progress.begin(Stage::Configure, Some(all.len() as u64), Unit::Items);
    let architecture = &unpacking.options().architecture;
    let mut tree = Tree::create(&confinement.root, architecture)?;
    let root = tree.root().with(Resolve::InRoot);
    let root = root.map_err(UnpackError::Database)?;
    let mut installation = Installation {
        unpacking,
        tree: &mut tree,
        database: Database::create(&root, confinement.source_date_epoch, architecture)?,
        root: &root,
        confinement,
        progress,
        dpkg: Dpkg::new(confinement, &stage, progress),
        installed: Packages::new(),
    };
    let quiet = installation.base(base)?;
    installation.others(unpacking.wait(&all)?, unpacked)?;
    quiet.end()?;
    Ok(tidy::tidy(&root)?)
}

/// The packages that are installed first.
fn base(unpacking: &Unpacking, all: &[usize]) -> Result<Packages, UnpackError> {
    let expected = unpacking.expected();
    let said: Vec<usize> = all.iter().copied().filter(|i| expected[*i].base).collect();
    if !said.is_empty() {
        let packages = unpacking.wait(&said)?;
        return Ok(said.into_iter().zip(packages).collect());
    }
    let packages = unpacking.wait(all)?;
    let controls: Vec<_> = packages.iter().map(|p| &p.control).collect();
    let base = closure(&controls);
    let picked = base.into_iter().map(|i| (i, Arc::clone(&packages[i])));
    Ok(picked.collect())
}

/// An installation under way.
struct Installation<'i> {
    unpacking: &'i Unpacking,
    tree: &'i mut Tree,
    database: Database<'i>,
    root: &'i Root,
    confinement: &'i Confinement,
    progress: &'i Progress,
    dpkg: Dpkg<'i>,
    /// What is unpacked and configured.
    installed: Packages,
}

impl<'i> Installation<'i> {
    /// Unpacks and configures the base.
    fn base(&mut self, base: Packages) -> Result<Quiet<'i>, InstallError> {
        self.tree.merge(self.unpacking, &base)?;
        self.record(&base)?;
        let quiet = Quiet::keep(self.root)?;
        self.preinst(&base)?;
        self.tree.divert(&base)?;
        self.tree.give(&base)?;
        self.dpkg.configure(&["--pending"])?;
        self.installed = base;
        Ok(quiet)
    }

    /// Unpacks and configures what is not installed yet.
    fn others(
        &mut self,
        all: Vec<Arc<Unpacked>>,
        unpacked: &(dyn Fn() + Sync),
    ) -> Result<(), InstallError> {
        let rounds = rounds::Rounds::new(&all, &self.installed);
        let now: Packages = rounds
            .now
            .iter()
            .map(|index| (*index, Arc::clone(&all[*index])))
            .collect();
        if !now.is_empty() {
            self.preinst(&now)?;
            self.tree.divert(&self.installed)?;
            self.tree.merge(self.unpacking, &now)?;
            self.tree.give(&now)?;
            self.database
                .activate(&Tree::activated(&self.installed, &now))?;
            self.record(&now)?;
        }
        unpacked();
        self.unpacking.prune_cache();
        for late in &rounds.last {
            last::unpack(&all, late, self.root, &mut self.dpkg)?;
        }
        self.dpkg.configure(&["--pending"])
    }

    /// Adds packages to the database.
    fn record(&mut self, packages: &Packages) -> Result<(), UnpackError> {
        for (&index, package) in packages {
            let record = self.tree.record(index, package);
            self.database.add(&record)?;
        }
        self.database.finish()
    }

    fn preinst(&mut self, packages: &Packages) -> Result<(), InstallError> {
        let controls: Vec<_> = packages.values().map(|p| &p.control).collect();
        let mut known = packages.values().chain(self.installed.values());
        let dpkg = known.find(|p| p.control.package() == "dpkg");
        let dpkg = dpkg.map(|p| p.control.version());
        preinst::run(
            &controls,
            dpkg,
            &mut self.database,
            self.confinement,
            self.progress,
        )
    }
}
