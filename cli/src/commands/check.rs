//! `hatchery check`.

use super::places::HostPlaces;
use crate::environment;
use crate::exit::{Code, Failure};
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_image::MachineName;
use hatchery_image::files::SUMS_NAME;
use hatchery_importer::check::{self, CheckOptions, CheckReport, ImageTree};
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt as _;
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
  hatchery check images/debian         an image, as a build left it
  hatchery check /var/lib/machines/x   a tree";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// An image's folder, a machine, or the path of a tree
    #[arg(value_name = "IMAGE|MACHINE")]
    what: PathBuf,
    /// How many seconds it has to come up
    #[arg(long, value_name = "SECONDS", default_value_t = check::TIMEOUT.as_secs())]
    timeout: u64,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let subject = Subject::find(arguments, terminal)?;
    let options = CheckOptions {
        helper: super::helper_argv(super::CHECK)?,
        timeout: Duration::from_secs(arguments.timeout),
        is_machine: matches!(subject, Subject::Tree(_)),
    };
    let report = check::check(subject.path(), &options, terminal.progress())?;
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

/// What is booted.
enum Subject {
    /// An image, unpacked for the time being.
    Image(ImageTree),
    /// A machine's tree.
    Tree(PathBuf),
}

impl Subject {
    fn find(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<Self> {
        let what = &arguments.what;
        if what.join(SUMS_NAME).exists() {
            let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let tree = ImageTree::unpack(what, &scratch()?, threads, terminal.progress())?;
            return Ok(Self::Image(tree));
        }
        if what.exists() {
            return Ok(Self::Tree(what.clone()));
        }
        let machines = arguments.places.places()?.machines;
        let name = what.to_str().and_then(|t| t.parse::<MachineName>().ok());
        let tree = name.map(|name| machines.join(name.as_str()));
        tree.filter(|tree| tree.exists())
            .map(Self::Tree)
            .ok_or_else(|| {
                let (what, machines) = (what.display(), machines.display());
                let text =
                    format!("there is no image or tree {what}, and no such machine in {machines}");
                Failure::error(Code::Conflict, text)
            })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Image(tree) => tree.path(),
            Self::Tree(path) => path,
        }
    }
}

/// Where images are unpacked. Only its owner can enter: trees hold setuid
/// programs.
fn scratch() -> anyhow::Result<PathBuf> {
    let path = environment::cache()?.join("check");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
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
