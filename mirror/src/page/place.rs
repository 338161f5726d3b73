//! A version of an image where a path names it: by itself, or by a channel.

use crate::inventory::{Held, HeldVersion, Inventory};
use hatchery_image::{Architecture, Channel, ImageName, Version};
use std::sync::Arc;

/// A version of an image, or a channel that points at one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) image: ImageName,
    pub(crate) architecture: Architecture,
    pub(crate) at: Version,
}

/// What a place leads to.
pub(super) enum Lead<'i> {
    /// A version.
    Here(Shown<'i>),
    /// The version that a channel points at.
    Elsewhere(&'i Version),
    Nothing,
}

/// A version that is shown.
pub(super) struct Shown<'i> {
    pub(super) held: &'i Held,
    pub(super) version: &'i HeldVersion,
    /// The one that was published before it.
    pub(super) before: Option<&'i HeldVersion>,
}

impl Place {
    /// What it leads to.
    pub(super) fn lead<'i>(&self, inventory: &'i Inventory) -> Lead<'i> {
        let Some(held) = inventory.get(&self.image, self.architecture) else {
            return Lead::Nothing;
        };
        let channel: Option<Channel> = self.at.as_str().parse().ok();
        if let Some(version) = channel.and_then(|channel| held.channels.get(&channel)) {
            return Lead::Elsewhere(version);
        }
        let mut versions = held.versions.iter().map(Arc::as_ref);
        match versions.find(|version| version.version == self.at) {
            Some(version) => Lead::Here(Shown {
                held,
                version,
                // The newest is first.
                before: versions.next(),
            }),
            None => Lead::Nothing,
        }
    }
}
