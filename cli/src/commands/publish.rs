//! `hatchery publish`.

use super::key::home::SigningKey;
use super::signing::CatalogSigning;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::files::ImageFiles;
use hatchery_image::{Channel, ImageName, Version};
use hatchery_mirror::{Selection, Store, derive_gzip, publish};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

const EXAMPLES: &str = "\
A version never changes once it is in a store; to publish the same image again
only moves the channels. Readers see the old catalog or the new one.

Examples:
  hatchery publish images/debian --store /srv/images
  hatchery publish images/debian --store /srv/images --channel testing
  hatchery publish images/debian --store /srv/images --gzip
  hatchery publish images/debian --store /srv/images --key images@example.org";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder that `hatchery build` made
    #[arg(value_name = "IMAGE_DIR")]
    image: PathBuf,
    /// The store; made if there is none
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// A channel to point at this version; may be given several times
    #[arg(long, value_name = "CHANNEL", default_value = "latest")]
    channel: Vec<Channel>,
    /// Make a layer of gzip too, for OCI clients that do not read zstd
    #[arg(long)]
    gzip: bool,
    #[command(flatten)]
    key: SigningKey,
    #[command(flatten)]
    signing: CatalogSigning,
}

#[derive(Serialize)]
struct Shown {
    name: ImageName,
    version: Version,
    directory: PathBuf,
    channels: BTreeSet<Channel>,
    catalog_version: u64,
    catalog_expires: Timestamp,
    changed: bool,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let signer = arguments.key.signer()?;
    let signing = arguments.signing.signing()?;
    let image = ImageFiles::open(&arguments.image)?;
    let store = Store::create(&arguments.store)?;
    let channels = arguments.channel.iter().cloned().collect();
    let published = publish(
        &store,
        &image,
        &channels,
        &signer,
        &signing,
        terminal.progress(),
    )?;
    if arguments.gzip {
        let selection = Selection {
            image: image.manifest().name.clone(),
            tag: Some(image.manifest().version.clone()),
        };
        derive_gzip(&store, &[selection], terminal.progress())?;
    }
    let shown = Shown {
        name: image.manifest().name.clone(),
        version: image.manifest().version.clone(),
        directory: published.directory,
        channels,
        catalog_version: published.catalog.version,
        catalog_expires: published.catalog.expires,
        changed: published.catalog_changed || !published.files_were_there,
    };
    terminal.result(&shown, human)
}

fn human(shown: &Shown) -> String {
    if !shown.changed {
        return format!("{} {} was published already\n", shown.name, shown.version);
    }
    let channels: Vec<&str> = shown.channels.iter().map(Channel::as_str).collect();
    format!(
        "published {} {} as {} in {}\ncatalog version {}, good until {}\n",
        shown.name,
        shown.version,
        channels.join(", "),
        shown.directory.display(),
        shown.catalog_version,
        shown.catalog_expires.strftime("%Y-%m-%d"),
    )
}
