//! `hatchery build`.

use super::key::home::SigningKey;
use super::sources::Sources;
use crate::size;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_builder::{build, userns};
use hatchery_image::{ImageName, Version};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
An ordinary user can build, too, with subordinate ids (/etc/subuid) and
newuidmap (Debian's package uidmap); the archive has the same bytes.

The same lock, recipe and SOURCE_DATE_EPOCH give the same bytes on any host.

Examples:
  hatchery build debian                       recipes/debian.toml to images/debian
  hatchery build arch                         an Arch Linux, from any host
  hatchery build lab.toml --output /srv/new   to /srv/new/NAME
  hatchery build debian --mirror /srv/debian  from a folder, without a network
  hatchery plan debian && hatchery build debian --locked";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    /// The folder in which the image's folder is made
    #[arg(long, value_name = "DIR", default_value = "images")]
    output: PathBuf,
    /// Take exactly the packages of the lock
    #[arg(long)]
    locked: bool,
    /// The image's version [default: the day of the packages, and a digest]
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// Threads to unpack and pack with [default: as many as processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Do not sign; such an image cannot be published
    #[arg(long, conflicts_with_all = ["key", "gnupg_home"])]
    no_sign: bool,
    #[command(flatten)]
    key: SigningKey,
}

#[derive(Serialize)]
struct Shown {
    name: ImageName,
    version: Version,
    directory: PathBuf,
    packages: usize,
    entries: u64,
    unpacked_bytes: u64,
    archives: Vec<(String, u64)>,
    signed: bool,
}

/// Moves the process into namespaces of the build's own, while it has but
/// one thread.
pub(crate) fn enter() -> anyhow::Result<()> {
    userns::enter()?;
    Ok(())
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let mut request = arguments.sources.request(terminal)?;
    request.output = std::path::absolute(&arguments.output)?;
    request.version.clone_from(&arguments.version);
    if let Some(threads) = arguments.threads {
        request.threads = threads.get();
    }
    if arguments.locked {
        request.lock = Some(arguments.sources.read_lock()?);
    }
    if !arguments.no_sign {
        // Found before the work begins, so that a missing key costs nothing.
        request.signer = Some(arguments.key.signer()?);
    }
    let built = build(&request, terminal.progress())?;
    let manifest = built.manifest;
    let archives = manifest
        .archives
        .iter()
        .map(|a| (a.file.to_string(), a.size));
    let shown = Shown {
        archives: archives.collect(),
        name: manifest.name,
        version: manifest.version,
        directory: arguments.output.join(
            built
                .directory
                .file_name()
                .unwrap_or(built.directory.as_os_str()),
        ),
        packages: manifest.packages.len(),
        entries: manifest.unpacked.entries,
        unpacked_bytes: manifest.unpacked.bytes,
        signed: request.signer.is_some(),
    };
    terminal.result(&shown, human)
}

fn human(shown: &Shown) -> String {
    let mut text = format!(
        "built {} {}: {} packages, {} files, {} unpacked\n",
        shown.name,
        shown.version,
        shown.packages,
        shown.entries,
        size::human(shown.unpacked_bytes),
    );
    for (file, bytes) in &shown.archives {
        let path = shown.directory.join(file);
        text.push_str(&format!("  {}  {}\n", path.display(), size::human(*bytes)));
    }
    text.push_str(&if shown.signed {
        format!(
            "publish it: hatchery publish {} --store DIR\n",
            shown.directory.display()
        )
    } else {
        "it is not signed\n".to_owned()
    });
    text
}
