//! `hatchery check`.

use super::places::HostPlaces;
use crate::exit::{Code, Failure};
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_importer::check::{self, CheckOptions, CheckReport};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
The machine boots headless in namespaces of its own, with a DHCP and a DNS
server made for it. Neither the tree nor the host is changed. What is looked at:
it reaches multi-user.target, no unit failed, host0 got an address, resolved
runs and /etc/resolv.conf points at it, a name resolves, and the image has no
machine-id of its own. Exits with 7 if anything is not as it should be.

Examples:
  hatchery check debian                a machine of this host
  hatchery check /var/lib/machines/x   a tree";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A machine, or the path of a tree
    #[arg(value_name = "MACHINE|PATH")]
    what: PathBuf,
    /// How many seconds it has to come up
    #[arg(long, value_name = "SECONDS", default_value_t = check::TIMEOUT.as_secs())]
    timeout: u64,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let options = CheckOptions {
        helper: super::helper_argv(super::CHECK),
        timeout: Duration::from_secs(arguments.timeout),
        is_machine: true,
    };
    let root = root(&arguments.what, &arguments.places)?;
    let report = check::check(&root, &options, terminal.progress())?;
    terminal.result(&report, human)?;
    if report.passed() {
        return Ok(());
    }
    let what = arguments.what.display();
    Err(Failure::error(
        Code::Check,
        format!("{what} is not as it should be"),
    ))
}

fn root(what: &Path, places: &HostPlaces) -> anyhow::Result<PathBuf> {
    let name = what.to_str().and_then(|t| t.parse::<MachineName>().ok());
    Ok(match name {
        Some(name) if !what.exists() => places.places()?.machines.join(name.as_str()),
        _ => what.to_owned(),
    })
}

fn human(report: &CheckReport) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (outcome, what) = (check.outcome.to_string(), check.what.describe());
        let seen = check.seen.replace('\n', "\n          ");
        text.push_str(&format!("{outcome:<8}  {what}: {seen}\n"));
    }
    if let Some(milliseconds) = report.boot_milliseconds {
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        text.push_str(&format!("up after {seconds}.{rest:03} s\n"));
    }
    if !report.passed() && !report.console.is_empty() {
        text.push_str("the last lines of its console:\n");
        for line in &report.console {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}
