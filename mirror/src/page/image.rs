//! `/images/NAME/`: an image, for every architecture: its versions, where its
//! channels point, and how to get what is newest.

use super::commands::{self, Client, Subject};
use super::figures::{Moment, counted, size};
use super::images::{CHANNELS_MAX, distribution};
use super::sheet::{Sheet, Step};
use super::signers::Signers;
use super::{View, render};
use crate::holdings::{Holdings, HoldingsError};
use crate::inventory::{Held, HeldVersion, Inventory};
use crate::protocols::{hub, releases};
use askama::Template;
use hatchery_image::{Channel, ImageName};
use std::sync::Arc;

/// Most versions of an architecture that are shown.
const VERSIONS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "image.html")]
struct Image {
    sheet: Sheet,
    name: String,
    distribution: String,
    /// For which architecture the commands are.
    architecture: String,
    /// Whether there is another.
    is_one_of_several: bool,
    clients: Vec<Client>,
    architectures: Vec<Versions>,
}

/// The versions for one architecture.
struct Versions {
    architecture: String,
    versions: Vec<Row>,
    /// Versions that are not shown, in words.
    more: Option<String>,
}

/// A version.
struct Row {
    version: String,
    channels: Vec<String>,
    published: Moment,
    size: String,
    packages: String,
    /// Whether there is one before it.
    has_changes: bool,
}

/// None if nothing is held of the image.
pub(super) fn make(
    holdings: &Holdings,
    inventory: &Inventory,
    view: &View,
    image: &ImageName,
) -> Result<Option<String>, HoldingsError> {
    let held = inventory.held.iter();
    let held: Vec<&Held> = held
        .filter(|held| held.image == *image && !held.versions.is_empty())
        .collect();
    let Some((shown, channel)) = held.iter().find_map(|held| best(held)) else {
        return Ok(None);
    };
    let signers = Signers::read(holdings, view)?;
    let hub = match channel {
        Some(_) => hub::argument(holdings, inventory, shown)?,
        None => None,
    };
    let clients = commands::clients(&Subject {
        url: &view.url,
        key: signers.first(),
        version: shown,
        channel: channel.as_ref(),
        hub: hub.as_deref(),
    });
    let steps = vec![Step {
        text: "Images".to_owned(),
        href: "../../",
    }];
    let page = Image {
        name: image.to_string(),
        distribution: distribution(shown),
        architecture: shown.architecture.to_string(),
        is_one_of_several: held.len() > 1,
        clients,
        architectures: held.iter().map(|held| versions(held)).collect(),
        sheet: Sheet::new(view, "../../", steps, signers),
    };
    render(&page).map(Some)
}

/// What `latest` points at, or else the newest version.
fn best(held: &Held) -> Option<(&Arc<HeldVersion>, Option<Channel>)> {
    match releases::latest(held) {
        Some(latest) => Some((latest, Some(Channel::latest()))),
        None => Some((held.versions.first()?, None)),
    }
}

fn versions(held: &Held) -> Versions {
    let hidden = held.versions.len().saturating_sub(VERSIONS_MAX);
    let shown = held.versions.iter().enumerate().take(VERSIONS_MAX);
    let rows = shown.map(|(at, version)| Row {
        version: version.version.to_string(),
        channels: channels(held, version),
        published: version.published.into(),
        size: version
            .archives
            .first()
            .map_or_else(String::new, |a| size(a.size)),
        packages: counted(version.packages, "package"),
        has_changes: at + 1 < held.versions.len(),
    });
    Versions {
        architecture: held.architecture.to_string(),
        versions: rows.collect(),
        more: (hidden > 0).then(|| counted(hidden, "older version")),
    }
}

/// The channels that point at a version.
pub(super) fn channels(held: &Held, version: &HeldVersion) -> Vec<String> {
    let pointing = held
        .channels
        .iter()
        .filter(|(_, at)| **at == version.version);
    let names = pointing.map(|(channel, _)| channel.to_string());
    names.take(CHANNELS_MAX).collect()
}
