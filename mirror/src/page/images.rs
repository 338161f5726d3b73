//! `/`: the images, a line each, and who signs.

use super::figures::{Moment, counted, size};
use super::sheet::Sheet;
use super::signers::Signers;
use super::{View, cut, render};
use crate::holdings::{Holdings, HoldingsError};
use crate::inventory::{Held, HeldVersion, Inventory};
use askama::Template;
use hatchery_image::Channel;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most images that are shown.
const IMAGES_MAX: usize = 2000;
/// Most channels of an image that are shown.
pub(super) const CHANNELS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "images.html")]
struct Images {
    sheet: Sheet,
    images: Vec<Row>,
    /// Images that are not shown, in words.
    more: Option<String>,
}

/// An image.
struct Row {
    name: String,
    distribution: String,
    architectures: String,
    channels: String,
    newest: Arc<HeldVersion>,
    published: Moment,
    size: String,
}

pub(super) fn make(
    holdings: &Holdings,
    inventory: &Inventory,
    view: &View,
) -> Result<String, HoldingsError> {
    let groups = groups(inventory);
    let hidden = groups.len().saturating_sub(IMAGES_MAX);
    let page = Images {
        sheet: Sheet::new(view, "./", Vec::new(), Signers::read(holdings, view)?),
        images: groups
            .iter()
            .take(IMAGES_MAX)
            .filter_map(|g| row(g))
            .collect(),
        more: (hidden > 0).then(|| counted(hidden, "image")),
    };
    render(&page)
}

/// What is held of each image that has a version.
fn groups(inventory: &Inventory) -> Vec<&[Held]> {
    let groups = inventory.held.chunk_by(|a, b| a.image == b.image);
    groups
        .filter(|group| group.iter().any(|held| !held.versions.is_empty()))
        .collect()
}

fn row(group: &[Held]) -> Option<Row> {
    let newest = group.iter().filter_map(|held| held.versions.first());
    let newest = newest.max_by_key(|version| version.published)?;
    let present = group.iter().filter(|held| !held.versions.is_empty());
    let architectures: Vec<_> = present.map(|held| held.architecture.to_string()).collect();
    Some(Row {
        name: newest.image.to_string(),
        distribution: distribution(newest),
        architectures: architectures.join(", "),
        channels: channels(group.iter().flat_map(|held| held.channels.keys())),
        published: newest.published.into(),
        size: newest
            .archives
            .first()
            .map_or_else(String::new, |a| size(a.size)),
        newest: Arc::clone(newest),
    })
}

/// The distribution inside and its release, as the manifest calls them.
pub(super) fn distribution(version: &HeldVersion) -> String {
    let said = &version.distribution;
    format!("{} {}", cut(&said.id), cut(&said.release))
}

/// Names of channels, each once.
fn channels<'c>(channels: impl Iterator<Item = &'c Channel>) -> String {
    let channels: BTreeSet<&str> = channels.map(Channel::as_str).collect();
    let channels: Vec<&str> = channels.into_iter().take(CHANNELS_MAX).collect();
    channels.join(", ")
}
