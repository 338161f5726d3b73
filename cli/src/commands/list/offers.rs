//! `hatchery list --remote`.

use crate::commands::places::HostPlaces;
use crate::commands::source::{self, Source};
use crate::terminal::Terminal;
use crate::{environment, size};
use comfy_table::{CellAlignment, Table, presets};
use hatchery_image::Channel;
use hatchery_importer::remote::{Remote, remote};

/// Does it.
pub(super) fn run(source: &Source, places: &HostPlaces, terminal: &Terminal) -> anyhow::Result<()> {
    let repository = source.repository(places)?;
    let places = places.places()?;
    let found = source::introduced(repository, terminal, |repository| {
        let now = environment::now();
        Ok(remote(&repository, &places, now, terminal.progress())?)
    })?;
    terminal.result(&found, human)
}

fn human(remote: &Remote) -> String {
    let mut text = format!(
        "repository {}, catalog version {} of {}, good until {}, signed by {}\n",
        remote.repository,
        remote.version,
        remote.created.strftime("%Y-%m-%d"),
        remote.expires.strftime("%Y-%m-%d"),
        remote.signer,
    );
    if remote.images.is_empty() {
        text.push_str("no images\n");
        return text;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "IMAGE",
        "ARCHITECTURE",
        "VERSION",
        "CHANNELS",
        "PUBLISHED",
        "DOWNLOAD",
        "UNPACKED",
    ]);
    for offer in &remote.images {
        let channels: Vec<_> = offer.channels.iter().map(Channel::as_str).collect();
        let bytes = |bytes: Option<u64>| bytes.map_or("-".to_owned(), size::human);
        table.add_row([
            offer.image.to_string(),
            offer.architecture.to_string(),
            offer.version.to_string(),
            channels.join(", "),
            offer.published.strftime("%Y-%m-%d").to_string(),
            bytes(offer.download),
            bytes(offer.unpacked),
        ]);
    }
    for column in [5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    text.push_str(&format!("{}\n", table.trim_fmt()));
    text
}
