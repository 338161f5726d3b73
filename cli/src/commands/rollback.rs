//! `hatchery rollback`.

use super::places::HostPlaces;
use crate::environment;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::rollback::{RolledBack, rollback};

const EXAMPLES: &str = "\
`hatchery import --force` keeps the machine that it replaces. This brings it
back, with its disk limit, its record and its settings, in one step, and keeps
the present one instead: a second rollback undoes the first. One generation is
kept, until `hatchery gc`. A machine that runs is not rolled back.

Examples:
  hatchery import debian --as web --force      replaces web
  hatchery rollback web                        web as it was before
  hatchery gc                                  forgets what is kept";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
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
    let rolled_back = rollback(&arguments.machine, &places, environment::now())?;
    terminal.result(&rolled_back, human)
}

fn human(rolled_back: &RolledBack) -> String {
    let machine = &rolled_back.machine;
    let image = match (&rolled_back.image, &rolled_back.version) {
        (Some(image), Some(version)) => format!("{image}@{version}"),
        _ => "what it was".to_owned(),
    };
    let since = rolled_back.replaced.strftime("%Y-%m-%d %H:%M");
    let mut text = format!("{machine} is {image} again, as before {since} UTC\n");
    if rolled_back.kept.is_some() {
        text.push_str(&format!(
            "what it was until now is kept: hatchery rollback {machine} brings it back\n"
        ));
    }
    text
}
