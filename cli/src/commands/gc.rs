//! `hatchery gc`.

use super::places::HostPlaces;
use crate::environment;
use crate::size;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_importer::gc::{Collected, DOWNLOAD_AGE, GcRequest, What, gc};
use std::path::PathBuf;
use std::time::Duration;

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

const EXAMPLES: &str = "\
Removed are the machines that `import --force` and `rollback` have kept, what is
remembered of images that no machine is of, what killed imports left, and
downloads (packages of builds, too) that nobody has used for a while. Machines
that run and imports under way are not disturbed.

Examples:
  hatchery gc --dry-run          what would be removed
  hatchery gc --downloads 0      all downloads, too";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Remove nothing, and say what would be
    #[arg(long)]
    dry_run: bool,
    /// Remove downloads that nobody has used for so many days
    #[arg(long, value_name = "DAYS", default_value_t = DOWNLOAD_AGE.as_secs() / DAY)]
    downloads: u64,
    /// Where downloads are kept
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    #[command(flatten)]
    places: HostPlaces,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let mut places = arguments.places.places()?;
    places.cache = match &arguments.cache_dir {
        Some(cache) => std::path::absolute(cache)?,
        None => environment::cache()?,
    };
    let request = GcRequest {
        places,
        download_age: Duration::from_secs(arguments.downloads.saturating_mul(DAY)),
        dry_run: arguments.dry_run,
        now: environment::now(),
    };
    let collected = gc(&request, terminal.progress())?;
    terminal.result(&collected, human)
}

fn human(collected: &Collected) -> String {
    let verb = if collected.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let mut text = String::new();
    for garbage in &collected.removed {
        let what = match garbage.what {
            What::Previous => "what was kept of a machine",
            What::Image => "what was remembered of an image",
            What::Staging => "what a killed import left",
            What::Download => "a download",
        };
        let (bytes, path) = (size::human(garbage.bytes), garbage.path.display());
        text.push_str(&format!("{verb} {what}: {path} ({bytes})\n"));
    }
    for spared in &collected.spared {
        let path = spared.path.display();
        text.push_str(&format!("left {path}: {}\n", spared.why));
    }
    let bytes = size::human(collected.bytes);
    let count = collected.removed.len();
    text.push_str(&format!("{verb} {count} in all, {bytes}\n"));
    text
}
