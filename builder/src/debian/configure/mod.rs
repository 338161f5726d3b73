//! From unpacked packages to installed ones: scripts, and the tree's own dpkg.
//!
//! The order is that of a bootstrap: the first packages are there, their
//! preinst scripts run, the packages that waited for theirs are placed, and
//! `dpkg --configure` does the rest as it would anywhere. While scripts run,
//! `policy-rc.d` and a `start-stop-daemon` that does nothing keep services
//! from starting, as debootstrap and mmdebstrap do it.

mod last;
mod quiet;
mod status;

use super::database::Database;
use super::preinst;
use super::unpack::{Rounds, UnpackError, Unpacking};
use crate::confine::{ConfineError, Confinement, Program, STATUS_FD, Said};
use hatchery_image::Progress;
use hatchery_image::place::Resolve;
use hatchery_image::progress::{Stage, Unit};
use quiet::Quiet;
use status::Watch;

/// Why packages are not installed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// Unpacking what was held back failed, or writing the database.
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

/// Installs everything that was unpacked.
///
/// # Errors
/// Which script or step failed, and what it said.
pub fn configure(
    mut unpacking: Unpacking,
    confinement: &Confinement,
    progress: &Progress,
) -> Result<(), ConfigureError> {
    let time = confinement.source_date_epoch;
    let rounds = unpacking.first_round()?;
    let root = unpacking.root().with(Resolve::InRoot);
    let root = root.map_err(UnpackError::Database)?;
    let mut database = Database::create(&root, time)?;
    write_database(&mut database, &mut unpacking, &rounds.first)?;
    for &index in &rounds.second {
        database.add_control_files(unpacking.control(index)?)?;
    }
    let quiet = Quiet::keep(&root)?;
    run_preinsts(&mut unpacking, &rounds, confinement, progress)?;
    unpacking.second_round(&rounds)?;
    let placed: Vec<usize> = rounds.first.iter().chain(&rounds.second).copied().collect();
    write_database(&mut database, &mut unpacking, &placed)?;
    let stage = progress.begin(
        Stage::Configure,
        Some(unpacking.count() as u64),
        Unit::Items,
    );
    let mut watch = Watch::new(&stage);
    for late in &rounds.last {
        last::unpack(&mut unpacking, late, confinement, &mut watch, progress)?;
    }
    dpkg(
        &["--configure", "--pending"],
        confinement,
        &mut watch,
        progress,
    )?;
    drop(stage);
    quiet.end()
}

/// Writes what the database says of these packages, and of no others.
fn write_database(
    database: &mut Database<'_>,
    unpacking: &mut Unpacking,
    packages: &[usize],
) -> Result<(), UnpackError> {
    for &index in packages {
        let record = unpacking.record(index)?;
        database.add_control_files(record.control)?;
        database.add(&record)?;
    }
    database.finish()
}

fn run_preinsts(
    unpacking: &mut Unpacking,
    rounds: &Rounds,
    confinement: &Confinement,
    progress: &Progress,
) -> Result<(), ConfigureError> {
    let mut controls = Vec::new();
    for &index in rounds.first.iter().chain(&rounds.second) {
        controls.push(unpacking.control(index)?.clone());
    }
    let dpkg = controls.iter().find(|c| c.package() == "dpkg");
    let dpkg = dpkg.map(|c| c.version().to_owned());
    let done = preinst::run(controls.iter(), dpkg.as_deref(), confinement, progress);
    done.map_err(|failure| match (failure.package, failure.error) {
        (Some(package), ConfineError::Failed { tail, .. }) => ConfigureError::Script {
            package,
            script: "preinst".to_owned(),
            tail,
        },
        (_, error) => error.into(),
    })
}

/// Runs the tree's dpkg.
fn dpkg(
    arguments: &[&str],
    confinement: &Confinement,
    watch: &mut Watch<'_>,
    progress: &Progress,
) -> Result<(), ConfigureError> {
    let status_fd = STATUS_FD.to_string();
    let mut argv = vec![
        "dpkg",
        "--status-fd",
        &status_fd,
        "--log=/dev/null",
        "--no-pager",
        // Nothing is worth flushing before the whole tree is there.
        "--force-unsafe-io",
        // Nobody answers questions; what scripts have written stays.
        "--force-confdef",
        "--force-confold",
    ];
    argv.extend(arguments);
    let program = Program {
        argv,
        status: true,
        ..Program::default()
    };
    let result = confinement.run_all(
        &[program],
        &mut |said| {
            if let Said::Status(line) = said {
                watch.line(line);
            }
        },
        progress,
    );
    result.map(drop).map_err(|error| watch.explain(error))
}
