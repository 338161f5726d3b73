//! `hatchery remove`.

use super::places::HostPlaces;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::remove::{Removed, remove};
use hatchery_importer::unit;

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
A machine that runs is not removed, unless --stop stops it first. What an import
wrote goes with it: settings, ports and binds, and that it starts whenever the
host boots. Settings that were changed since they were installed are left, and
said.

Examples:
  hatchery remove web
  hatchery remove web --stop")]
pub(crate) struct Arguments {
    /// The machine
    #[arg(value_name = "MACHINE")]
    machine: MachineName,
    /// Stop the machine first, if it runs
    #[arg(long)]
    stop: bool,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let places = arguments.places.places()?;
    if arguments.stop {
        unit::stop(&arguments.machine, &places)?;
    }
    let removed = remove(&arguments.machine, &places, terminal.progress())?;
    terminal.result(&removed, human)
}

fn human(removed: &Removed) -> String {
    let mut text = format!("removed {}\n", removed.machine);
    if removed.previous.is_some() {
        text.push_str("and what was kept of it before\n");
    }
    if let Some(path) = &removed.settings {
        text.push_str(&format!("and its settings {}\n", path.display()));
    }
    if removed.disabled {
        text.push_str("it no longer starts whenever this host boots\n");
    }
    if let Some(path) = &removed.kept_settings {
        let path = path.display();
        text.push_str(&format!("its settings {path} were changed, and are left\n"));
    }
    text
}
