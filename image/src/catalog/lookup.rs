//! From a name, an architecture and a version or channel to a manifest; when
//! there is none, the error says what there is instead.

use super::{Catalog, Listing, ManifestReference};
use crate::{Architecture, Channel, ImageName, Version};
use std::fmt::Display;

/// Most names that an error lists.
const LISTED_MAX: usize = 10;

/// How many letters a name may differ from another to be suggested: a third
/// of its length, and at least one.
const fn near(length: usize) -> usize {
    let third = length / 3;
    if third > 1 { third } else { 1 }
}

/// Which version of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// This one.
    Version(Version),
    /// The one that this channel points at.
    Channel(Channel),
}

impl Default for Selector {
    fn default() -> Self {
        Self::Channel(Channel::latest())
    }
}

/// What a catalog holds for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The version.
    pub version: &'a Version,
    /// Its manifest.
    pub manifest: &'a ManifestReference,
}

/// Why a catalog holds nothing for a name. Lists are cut to ten entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No image has this name.
    #[error("the catalog has no image {name}{}", instead(.there, .nearest))]
    Image {
        /// What was asked for.
        name: ImageName,
        /// Names much like it, nearest first.
        nearest: Vec<ImageName>,
        /// Names there are.
        there: Vec<ImageName>,
    },
    /// The image is there for other architectures only.
    #[error("the catalog has {name} for {}, not for {architecture}", list(.there))]
    Architecture {
        /// The image.
        name: ImageName,
        /// What was asked for.
        architecture: Architecture,
        /// Those there are.
        there: Vec<Architecture>,
    },
    /// The image has no such version.
    #[error("the catalog has no version {version} of {name}; the newest are {}", list(.there))]
    Version {
        /// The image.
        name: ImageName,
        /// What was asked for.
        version: Version,
        /// Those there are, newest first.
        there: Vec<Version>,
    },
    /// The image has no such channel.
    #[error("the catalog has no channel {channel} of {name}{}", instead(.there, &[]))]
    Channel {
        /// The image.
        name: ImageName,
        /// What was asked for.
        channel: Channel,
        /// Those there are.
        there: Vec<Channel>,
    },
    /// A channel points at a version that is not listed.
    #[error(
        "the catalog's channel {channel} of {name} points at {version}, which it does not list"
    )]
    Dangling {
        /// The image.
        name: ImageName,
        /// The channel.
        channel: Channel,
        /// Where it points.
        version: Version,
    },
}

fn list(items: &[impl Display]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

fn instead<T: Display>(there: &[T], nearest: &[T]) -> String {
    match (nearest, there) {
        ([], []) => "; it has none".to_owned(),
        ([], there) => format!("; there are {}", list(there)),
        (nearest, _) => format!("; did you mean {}?", list(nearest)),
    }
}

impl Catalog {
    /// The manifest of an image.
    ///
    /// # Errors
    /// The catalog does not list it; the error says what it lists instead.
    pub fn resolve(
        &self,
        name: &ImageName,
        architecture: Architecture,
        selector: &Selector,
    ) -> Result<Resolved<'_>, LookupError> {
        let architectures = self.images.get(name).ok_or_else(|| self.no_image(name))?;
        let listing =
            architectures
                .get(&architecture)
                .ok_or_else(|| LookupError::Architecture {
                    name: name.clone(),
                    architecture,
                    there: architectures.keys().copied().collect(),
                })?;
        match selector {
            Selector::Version(version) => listing.by_version(name, version),
            Selector::Channel(channel) => listing.by_channel(name, channel),
        }
    }

    fn no_image(&self, name: &ImageName) -> LookupError {
        let distance =
            |other: &ImageName| strsim::damerau_levenshtein(name.as_str(), other.as_str());
        let limit = near(name.as_str().len());
        let mut nearest: Vec<_> = self
            .images
            .keys()
            .map(|other| (distance(other), other))
            .filter(|(distance, _)| *distance <= limit)
            .collect();
        nearest.sort();
        let nearest = nearest.into_iter().map(|(_, other)| other.clone());
        LookupError::Image {
            name: name.clone(),
            nearest: nearest.take(LISTED_MAX).collect(),
            there: self.images.keys().take(LISTED_MAX).cloned().collect(),
        }
    }
}

impl Listing {
    fn by_version(&self, name: &ImageName, version: &Version) -> Result<Resolved<'_>, LookupError> {
        let Some((version, manifest)) = self.versions.get_key_value(version) else {
            return Err(LookupError::Version {
                name: name.clone(),
                version: version.clone(),
                there: self.newest(),
            });
        };
        Ok(Resolved { version, manifest })
    }

    fn by_channel(&self, name: &ImageName, channel: &Channel) -> Result<Resolved<'_>, LookupError> {
        let Some(version) = self.channels.get(channel) else {
            return Err(LookupError::Channel {
                name: name.clone(),
                channel: channel.clone(),
                there: self.channels.keys().take(LISTED_MAX).cloned().collect(),
            });
        };
        let Some((version, manifest)) = self.versions.get_key_value(version) else {
            return Err(LookupError::Dangling {
                name: name.clone(),
                channel: channel.clone(),
                version: version.clone(),
            });
        };
        Ok(Resolved { version, manifest })
    }

    fn newest(&self) -> Vec<Version> {
        let mut versions: Vec<_> = self.versions.iter().collect();
        versions.sort_by_key(|(_, manifest)| std::cmp::Reverse(manifest.published));
        let versions = versions.into_iter().map(|(version, _)| version.clone());
        versions.take(LISTED_MAX).collect()
    }
}
