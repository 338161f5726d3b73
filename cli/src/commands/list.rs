//! `hatchery list`: the machines of this host, or with `--remote` what a
//! repository offers.

mod offers;

use super::places::HostPlaces;
use super::source::Source;
use crate::exit::{Code, Failure};
use crate::size;
use crate::terminal::Terminal;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use hatchery_image::{Architecture, Fingerprint, ImageName, Version};
use hatchery_importer::list::{Listed, list};
use jiff::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Machines that others made (machinectl, debootstrap) are listed, too, without an
image. With --remote the verified catalog is shown instead: channels, and the
size of the archive of what a channel points at.

Examples:
  hatchery list
  hatchery list --json
  hatchery list --remote
  hatchery list --remote --mirror http://mirror:8080/ --key images.pgp")]
pub(crate) struct Arguments {
    /// List what the repository offers
    #[arg(long)]
    remote: bool,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    places: HostPlaces,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    path: PathBuf,
    is_there: bool,
    in_use: bool,
    #[serde(flatten)]
    image: Option<Image>,
}

#[derive(Serialize)]
struct Image {
    image: ImageName,
    version: Version,
    architecture: Architecture,
    signer: Fingerprint,
    imported: Timestamp,
    limit: Option<u64>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    if arguments.remote {
        return offers::run(&arguments.source, &arguments.places, terminal);
    }
    if arguments.source.is_given() {
        let message = "a mirror, a key and --allow-stale are for --remote";
        return Err(Failure::error(Code::Usage, message));
    }
    let machines = list(&arguments.places.places()?)?;
    let shown: Vec<Shown> = machines.into_iter().map(shown).collect();
    terminal.result(&shown, |shown| human(shown))
}

fn shown(listed: Listed) -> Shown {
    Shown {
        name: listed.name,
        path: listed.path,
        is_there: listed.is_there,
        in_use: listed.in_use,
        image: listed.record.map(|record| Image {
            image: record.image,
            version: record.version,
            architecture: record.architecture,
            signer: record.signer,
            imported: record.imported,
            limit: record.limit,
        }),
    }
}

fn human(machines: &[Shown]) -> String {
    if machines.is_empty() {
        return "no machines\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["MACHINE", "IMAGE", "VERSION", "LIMIT", "IMPORTED", "STATE"]);
    for machine in machines {
        let image = machine.image.as_ref();
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            machine.name.clone(),
            text(image.map(|i| i.image.to_string())),
            text(image.map(|i| i.version.to_string())),
            text(image.and_then(|i| i.limit).map(size::human)),
            text(image.map(|i| i.imported.strftime("%Y-%m-%d").to_string())),
            match (machine.is_there, machine.in_use) {
                (false, _) => "gone".to_owned(),
                (_, true) => "in use".to_owned(),
                _ => String::new(),
            },
        ]);
    }
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n", table.trim_fmt())
}
