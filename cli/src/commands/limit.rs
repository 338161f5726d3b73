//! `hatchery limit`.

use super::places::HostPlaces;
use crate::size;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::import::DiskLimit;
use hatchery_importer::limit::{Changed, Through, change, change_pool};

const EXAMPLES: &str = "\
The new limit holds at once, also for a machine that runs. It is a quota group
on btrfs (the one that `machinectl set-limit` sets, and through machined where
that runs) and a project quota on ext4 and xfs mounted with prjquota.

Examples:
  hatchery limit web 16G
  hatchery limit web infinity
  hatchery limit --pool 200G           all machines together";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The machine
    #[arg(value_name = "MACHINE", required_unless_present = "pool")]
    machine: Option<MachineName>,
    /// The most that its tree may take, such as 16G, or infinity
    #[arg(value_name = "SIZE", value_parser = size::parse_limit, required_unless_present = "pool")]
    limit: Option<DiskLimit>,
    /// Limit all machines together, to such a size or infinity
    #[arg(long, value_name = "SIZE", value_parser = size::parse_limit,
        conflicts_with_all = ["machine", "limit"])]
    pool: Option<DiskLimit>,
    /// Also limit to less than is in use: nothing more can then be written until it is below
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let places = arguments.places.places()?;
    let (force, progress) = (arguments.force, terminal.progress());
    let bytes = |limit| match limit {
        Some(DiskLimit::Bytes(bytes)) => Some(bytes),
        _ => None,
    };
    let changed = match &arguments.machine {
        Some(name) => change(name, bytes(arguments.limit), force, &places, progress)?,
        None => change_pool(bytes(arguments.pool), force, &places, progress)?,
    };
    terminal.result(&changed, human)
}

fn human(changed: &Changed) -> String {
    let what = match &changed.machine {
        Some(name) => name.to_string(),
        None => format!("all machines in {}", changed.path.display()),
    };
    let amount = |bytes: Option<u64>| bytes.map_or("no limit".to_owned(), size::human);
    let mut text = format!(
        "{what}: {} (before: {})",
        amount(changed.limit),
        amount(changed.before)
    );
    if let Some(used) = changed.used {
        text.push_str(&format!(", {} in use", size::human(used)));
    }
    text.push_str(match changed.through {
        Through::Machined => ", set by systemd-machined\n",
        Through::Kernel | Through::Nothing => "\n",
    });
    text
}
