//! `hatchery pool`.

use super::places::HostPlaces;
use crate::size;
use crate::terminal::Terminal;
use clap::{Args, Subcommand};
use hatchery_importer::pool::{self, PoolPlaces, PoolStatus};
use std::path::{Path, PathBuf};

/// Where systemd itself once put such a pool, and still looks for it.
const FILE: &str = "/var/lib/machines.raw";

/// What to do with the pool.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A pool is a btrfs in a sparse file, mounted on the folder of machines. In it
machines have disk limits, whatever the host's own file system is. A unit of
systemd mounts it when the host boots.

Examples:
  hatchery pool create --size 60G
  hatchery pool status
  hatchery pool grow 100G
  hatchery pool remove")]
pub(crate) enum Command {
    /// Makes a pool and mounts it, now and whenever the host boots
    Create(CreateArguments),
    /// Shows the pool
    Status(PoolArguments),
    /// Enlarges the pool, also while machines run
    Grow(GrowArguments),
    /// Removes a pool without machines
    Remove(PoolArguments),
}

/// Where it is.
#[derive(Args, Debug)]
pub(crate) struct PoolArguments {
    #[command(flatten)]
    places: HostPlaces,
    /// Where the unit is written; for tests
    #[arg(long, value_name = "DIR", default_value = pool::UNITS, hide = true)]
    units: PathBuf,
}

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
The file takes space only as the pool is written to. The folder of machines
must be empty.

Examples:
  hatchery pool create --size 60G
  hatchery pool create --size 60G --file /srv/pool.raw --machines /srv/machines")]
pub(crate) struct CreateArguments {
    /// How much it may hold, such as 60G
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    size: u64,
    /// Its file
    #[arg(long, value_name = "FILE", default_value = FILE)]
    file: PathBuf,
    #[command(flatten)]
    pool: PoolArguments,
}

/// What it takes.
#[derive(Args, Debug)]
pub(crate) struct GrowArguments {
    /// How much it may hold from now on, such as 100G
    #[arg(value_name = "SIZE", value_parser = size::parse)]
    size: u64,
    #[command(flatten)]
    pool: PoolArguments,
}

impl PoolArguments {
    fn places(&self) -> anyhow::Result<PoolPlaces> {
        Ok(PoolPlaces {
            machines: self.places.places()?.machines,
            units: std::path::absolute(&self.units)?,
        })
    }
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        let progress = terminal.progress();
        match self {
            Self::Create(arguments) => {
                let file = std::path::absolute(&arguments.file)?;
                let places = arguments.pool.places()?;
                let made = pool::create(&places, &file, arguments.size, progress)?;
                terminal.result(&made, human)
            }
            Self::Status(arguments) => terminal.result(&pool::status(&arguments.places()?)?, human),
            Self::Grow(arguments) => {
                let places = arguments.pool.places()?;
                let grown = pool::grow(&places, arguments.size, progress)?;
                terminal.result(&grown, human)
            }
            Self::Remove(arguments) => {
                let removed = pool::remove(&arguments.places()?)?;
                terminal.result(&removed, |removed| {
                    format!("removed the pool {}\n", removed.file.display())
                })
            }
        }
    }
}

/// Makes the pool that `import --pool SIZE` asks for, unless it is there.
pub(crate) fn ensure(
    machines: &Path,
    units: &Path,
    bytes: u64,
    terminal: &Terminal,
) -> anyhow::Result<()> {
    let places = PoolPlaces {
        machines: machines.to_owned(),
        units: units.to_owned(),
    };
    if pool::status(&places).is_ok_and(|pool| pool.is_mounted) {
        return Ok(());
    }
    // Beside the folder of machines: FILE for the usual one.
    let file = machines.with_added_extension("raw");
    pool::create(&places, &file, bytes, terminal.progress())?;
    Ok(())
}

fn human(pool: &PoolStatus) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| text.push_str(&format!("{key:<10} {value}\n"));
    line("pool", pool.file.display().to_string());
    line("machines", pool.machines.display().to_string());
    line("unit", pool.unit.display().to_string());
    line("mounted", if pool.is_mounted { "yes" } else { "no" }.into());
    let taken = size::human(pool.allocated);
    line(
        "size",
        format!("{}, {taken} of the disk", size::human(pool.size)),
    );
    if let Some(free) = pool.free {
        line("free", size::human(free));
    }
    if let Some(limit) = pool.machines_use.limit {
        line("limit", size::human(limit));
    }
    if !pool.names.is_empty() {
        line("holds", pool.names.join(", "));
    }
    text
}
