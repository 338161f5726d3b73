//! `hatchery remove`.

use super::places::HostPlaces;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::remove::{Removed, remove};

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
A machine that runs is not removed. Settings that were changed since they were
installed are left, and said.

Examples:
  hatchery remove web")]
pub(crate) struct Arguments {
    /// The machine
    #[arg(value_name = "MACHINE")]
    machine: MachineName,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let places = arguments.places.places()?;
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
    if let Some(path) = &removed.kept_settings {
        let path = path.display();
        text.push_str(&format!("its settings {path} were changed, and are left\n"));
    }
    text
}
