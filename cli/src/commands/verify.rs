//! `hatchery verify`.

use super::places::HostPlaces;
use crate::exit::{Code, Failure};
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::verify::{Difference, VerifyOptions, VerifyReport, verify};

/// Threads that digest. A disk is seldom faster than two.
const THREADS: usize = 2;

const EXAMPLES: &str = "\
Each file, directory, link and device of the machine is compared with the image
that it was imported from: contents, length, type, mode, owner, extended
attributes, target. Nothing is changed, and the machine may run meanwhile. What
the first boot of every machine writes is listed apart and is no fault. Exits
with 7 if anything else differs.

Examples:
  hatchery verify web
  hatchery verify web --times        modification times, too
  hatchery verify web --json";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The machine
    #[arg(value_name = "MACHINE")]
    machine: MachineName,
    /// Compare modification times, too
    #[arg(long)]
    times: bool,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let options = VerifyOptions {
        times: arguments.times,
        threads: THREADS,
    };
    let places = arguments.places.places()?;
    let report = verify(&arguments.machine, &places, options, terminal.progress())?;
    terminal.result(&report, human)?;
    if report.passed() {
        return Ok(());
    }
    let machine = &report.machine;
    let text = format!("{machine} differs from {}@{}", report.image, report.version);
    Err(Failure::error(Code::Check, text))
}

fn human(report: &VerifyReport) -> String {
    let mut text = String::new();
    lines(&report.differences, &mut text);
    if report.beyond > 0 {
        text.push_str(&format!("and {} more\n", report.beyond));
    }
    if !report.first_boot.is_empty() {
        text.push_str("what the first boot of every machine writes:\n");
        lines(&report.first_boot, &mut text);
    }
    if let Some(base) = report.shift {
        text.push_str(&format!(
            "owners are shifted by {base}: the tree was given to a user namespace\n"
        ));
    }
    let count = report.differences.len() as u64 + report.beyond;
    text.push_str(&format!(
        "{}: {} entries compared with {}@{}, {count} {}\n",
        report.machine,
        report.entries,
        report.image,
        report.version,
        if count == 1 { "differs" } else { "differ" },
    ));
    text
}

fn lines(differences: &[Difference], text: &mut String) {
    for difference in differences {
        let details = difference.details.join(", ");
        let (change, path) = (difference.change, &difference.path);
        text.push_str(&format!("{change:<8}  {path} ({details})\n"));
    }
}
