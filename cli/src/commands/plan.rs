//! `hatchery plan`.

use super::sources::Sources;
use crate::size;
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use hatchery_builder::plan::Plan;
use hatchery_builder::planned;
use hatchery_image::durable;
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Nothing is built: the package indexes are fetched and verified, the packages
are chosen, and a lock with their exact versions and digests is written, which
`hatchery build --locked` obeys.

Examples:
  hatchery plan debian
  hatchery plan debian --lock /srv/locks/debian.lock
  hatchery plan debian --no-lock
  hatchery plan arch --snapshot 2026/11/01    the packages of that day";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// Only show the packages, write no lock
    #[arg(long, conflicts_with = "lock")]
    no_lock: bool,
}

#[derive(Serialize)]
struct Shown {
    packages: Vec<[String; 4]>,
    count: usize,
    download_bytes: u64,
    installed_bytes: u64,
    lock: Option<PathBuf>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let request = arguments.sources.request(terminal)?;
    let plan = planned(&request, terminal.progress())?;
    let lock = if arguments.no_lock {
        None
    } else {
        let path = arguments.sources.lock_path()?;
        durable::write(&path, plan.to_lock_text().as_bytes(), 0o644)
            .context("cannot write the lock")?;
        Some(path)
    };
    terminal.result(&shown(&plan, lock), human)
}

fn shown(plan: &Plan, lock: Option<PathBuf>) -> Shown {
    Shown {
        packages: plan
            .packages
            .iter()
            .map(|p| {
                let origin = plan.repositories.get(p.repository);
                let origin = origin.map_or_else(String::new, |r| r.suite.clone());
                [
                    p.name.to_string(),
                    p.version.clone(),
                    size::human(p.size),
                    origin,
                ]
            })
            .collect(),
        count: plan.packages.len(),
        download_bytes: plan.packages.iter().map(|p| p.size).sum(),
        installed_bytes: plan.packages.iter().map(|p| p.installed_size).sum(),
        lock,
    }
}

fn human(shown: &Shown) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["PACKAGE", "VERSION", "SIZE", "ORIGIN"]);
    table.add_rows(&shown.packages);
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!(
        "{table}\n{} packages, {} to download, {} installed\n",
        shown.count,
        size::human(shown.download_bytes),
        size::human(shown.installed_bytes),
    );
    if let Some(lock) = &shown.lock {
        text.push_str(&format!("lock: {}\n", lock.display()));
    }
    text
}
