//! `hatchery derive`.

use crate::terminal::Terminal;
use clap::{Args, Subcommand};
use hatchery_image::{Architecture, ImageName, Sha256, Version};
use hatchery_mirror::{Derived, Outcome, Removal, Selection, Store, derive_gzip, remove_gzip};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
The mirror offers images to OCI clients as they are, compressed with zstd. Some
clients read only gzip; they get a layer of their own, which takes about as much
space again. It is not signed and can be removed at any time. Versions that are
published later get one with `hatchery publish --gzip`.

Examples:
  hatchery derive gzip debian --store /srv/images
  hatchery derive gzip debian:latest web:20261122.3fa9c1 --store /srv/images
  hatchery derive gzip debian --remove --store /srv/images
  hatchery derive gzip --remove --store /srv/images";

/// What can be derived.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Layers compressed with gzip, for OCI clients that do not read zstd
    Gzip(Arguments),
}

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Images: all of their versions, or those of a version or channel
    #[arg(value_name = "IMAGE[:TAG]", required_unless_present = "remove")]
    images: Vec<Selection>,
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Remove the layers instead; all of them if no image is named
    #[arg(long)]
    remove: bool,
}

#[derive(Serialize)]
struct Shown {
    /// Whether it was asked to remove.
    removed: bool,
    layers: Vec<Layer>,
    /// How many files were removed that the list does not name.
    unlisted: usize,
}

#[derive(Serialize)]
struct Layer {
    image: ImageName,
    architecture: Architecture,
    version: Version,
    sha256: Sha256,
    size: u64,
    made: bool,
    /// Whether it stays although it was to be removed.
    needed: bool,
    #[serde(skip)]
    outcome: Outcome,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        let Self::Gzip(arguments) = self;
        let store = Store::open(&arguments.store)?;
        let Removal { layers, unlisted } = if arguments.remove {
            remove_gzip(&store, &arguments.images)?
        } else {
            Removal {
                layers: derive_gzip(&store, &arguments.images, terminal.progress())?,
                unlisted: 0,
            }
        };
        let shown = Shown {
            removed: arguments.remove,
            layers: layers.into_iter().map(shown).collect(),
            unlisted,
        };
        terminal.result(&shown, human)
    }
}

fn shown(layer: Derived) -> Layer {
    Layer {
        image: layer.image,
        architecture: layer.architecture,
        version: layer.version,
        sha256: layer.sha256,
        size: layer.size,
        made: layer.outcome == Outcome::Made,
        needed: layer.outcome == Outcome::Needed,
        outcome: layer.outcome,
    }
}

fn human(shown: &Shown) -> String {
    let lines = shown.layers.iter().map(|layer| {
        let what = match layer.outcome {
            Outcome::Made => "made",
            Outcome::WasThere => "was there",
            Outcome::Removed => "removed",
            Outcome::Needed => "stays, because another version has the same contents",
        };
        let Layer {
            image,
            architecture,
            version,
            size,
            ..
        } = layer;
        format!("{image} {version} {architecture}: {what}, {size} bytes\n")
    });
    let mut text: String = lines.collect();
    if shown.unlisted > 0 {
        text += &format!(
            "files that the list of layers does not name: removed {}\n",
            shown.unlisted
        );
    }
    if text.is_empty() {
        text += "no layer to remove\n";
    }
    text
}
