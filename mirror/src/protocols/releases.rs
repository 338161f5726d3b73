//! Releases of distributions, for the protocols that name an image by what is
//! inside it: which image stands for `debian/trixie`, where several do.
//!
//! An image belongs to the release of the version that its channel `latest`
//! points at; one without that channel belongs to none. Of several, the one
//! that is named like the distribution stands for the release, else the one
//! named `<distribution>-<release>`, else the one whose `latest` was published
//! last, else the first by name. All this changes with the catalog alone.
//!
//! What a manifest says of its distribution is any text. What is no plain name
//! would mean something else in a path, a list or a terminal, so such an image
//! belongs to no release.

use crate::inventory::{Held, HeldVersion, Inventory};
use hatchery_image::name::NAME_MAX;
use hatchery_image::{Architecture, Channel};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::sync::Arc;

/// A release of a distribution, of plain names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Release<'i> {
    /// Such as `debian`.
    pub(crate) distribution: &'i str,
    /// Such as `trixie`.
    pub(crate) name: &'i str,
}

impl<'i> Release<'i> {
    /// What a version is of, if its manifest says so in plain names.
    pub(crate) fn of(version: &'i HeldVersion) -> Option<Self> {
        let said = &version.distribution;
        let plain = is_plain(&said.id) && is_plain(&said.release);
        plain.then_some(Self {
            distribution: &said.id,
            name: &said.release,
        })
    }
}

/// An image that belongs to a release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'i> {
    pub(crate) release: Release<'i>,
    /// What its channel `latest` points at.
    pub(crate) latest: &'i Arc<HeldVersion>,
}

impl Candidate<'_> {
    pub(crate) fn architecture(&self) -> Architecture {
        self.latest.architecture
    }

    /// The least one of several stands for their release.
    pub(crate) fn precedence(&self) -> impl Ord + use<'_> {
        let image = self.latest.image.as_str();
        let Release { distribution, name } = self.release;
        let exact = image
            .strip_prefix(distribution)
            .and_then(|rest| rest.strip_prefix('-'));
        let named = match exact {
            _ if image == distribution => 0,
            Some(rest) if rest == name => 1,
            _ => 2,
        };
        (named, Reverse::<Timestamp>(self.latest.published), image)
    }
}

/// Every image that belongs to a release, an architecture each.
pub(crate) fn candidates(inventory: &Inventory) -> impl Iterator<Item = Candidate<'_>> {
    inventory.held.iter().filter_map(|held| {
        let latest = latest(held)?;
        let release = Release::of(latest)?;
        Some(Candidate { release, latest })
    })
}

/// What the channel `latest` of an image points at.
pub(crate) fn latest(held: &Held) -> Option<&Arc<HeldVersion>> {
    let version = held.channels.get(&Channel::latest())?;
    held.versions.iter().find(|v| v.version == *version)
}

fn is_plain(text: &str) -> bool {
    let first = text.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphanumeric())
        && text.len() <= NAME_MAX
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        let long = "x".repeat(NAME_MAX + 1);
        for text in ["debian", "13", "opensuse-leap", "15.6", "EL9", "c++"] {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "a/b",
            "a,b",
            "a:b",
            "a b",
            "a\n",
            "ä",
            "\u{1b}[1m",
            &long,
        ] {
            assert!(!is_plain(text), "{text:?}");
        }
    }
}
