//! simplestreams, as incus and LXD read it (incus' `shared/simplestreams`):
//!
//! ```text
//! streams/v1/index.json
//! streams/v1/images.json
//! streams/v1/images/NAME/ARCHITECTURE/VERSION/metadata.tar.xz
//! images/NAME/ARCHITECTURE/VERSION/NAME.tar.xz                  the root, as it is
//! ```
//!
//! Every version that is held is there, for every architecture, with a metadata
//! tarball made here. The root is its `.tar.xz`, else its best archive: clients
//! tell the compression by the first bytes, but unpack with the host's tar and
//! zstd, and incus' packages bring xz alone. A version is named by the time it
//! was published and our name for it.
//!
//! A product is an image for an architecture and a release: its variant is the
//! image's name. Clients take the newest version of a product for what its
//! aliases mean; so that this is where the channel `latest` points, versions
//! published after that one are in a product of their own, of the variant
//! `NAME+newer`, and are found by fingerprint alone. The aliases are the
//! image's name, and `<distribution>/<release>` for the image that stands for
//! the release (see `releases`); clients make `<alias>/<architecture>` of each
//! themselves. No two products of an architecture have an alias in common: the
//! former has no slash, the latter one, and a release that is called like an
//! architecture has none.
//!
//! What needs a fingerprint that is still being computed (see `fingerprints`)
//! is left out until it is there: rather a short list now than a client that
//! waits for the digests of a store that another program filled. incus keeps
//! the documents for five minutes and then asks again. Nothing here is signed:
//! incus trusts the server's TLS, on purpose.

mod documents;
mod fingerprints;
mod metadata;
mod products;
pub(crate) mod sums;

pub(crate) use fingerprints::Fingerprints;
pub(crate) use metadata::Subject;

use crate::content::media_type;
use crate::holdings::{Found, Holdings, HoldingsError};
use crate::inventory::HeldVersion;
use hatchery_image::manifest::{Archive, ArchiveFormat};
use hatchery_image::{Architecture, ImageName, Version};

/// File name of the metadata tarball.
const METADATA: &str = "metadata.tar.xz";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Which documents there are.
    Index,
    /// The images.
    Images,
    /// The metadata tarball of a version.
    Metadata {
        image: ImageName,
        architecture: Architecture,
        version: Version,
    },
}

/// Reads what follows `streams/`.
pub(crate) fn route(parts: &[&str]) -> Option<Wanted> {
    match *parts {
        ["v1", "index.json"] => Some(Wanted::Index),
        ["v1", "images.json"] => Some(Wanted::Images),
        ["v1", "images", image, architecture, version, METADATA] => {
            let parsed: Architecture = architecture.parse().ok()?;
            (parsed.debian() == architecture).then_some(())?;
            Some(Wanted::Metadata {
                image: image.parse().ok()?,
                architecture: parsed,
                version: version.parse().ok()?,
            })
        }
        _ => None,
    }
}

/// What it leads to.
pub(crate) fn find(holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    let (name, bytes, whole) = match wanted {
        Wanted::Index => {
            let products = products::list(holdings)?;
            ("index.json", documents::index(&products), products.whole)
        }
        Wanted::Images => {
            let products = products::list(holdings)?;
            ("images.json", documents::images(&products), products.whole)
        }
        Wanted::Metadata {
            image,
            architecture,
            version,
        } => {
            let inventory = holdings.inventory()?;
            let held = inventory.get(image, *architecture);
            let versions = held.map_or(&[][..], |held| &held.versions);
            let Some(version) = versions.iter().find(|v| v.version == *version) else {
                return Ok(Found::Nothing);
            };
            let metadata = Subject::of(version).metadata();
            let metadata = metadata.map_err(HoldingsError::Metadata)?;
            (METADATA, metadata.bytes, true)
        }
    };
    let content = holdings.made(media_type(name), bytes)?;
    Ok(if whole {
        Found::Content(content)
    } else {
        Found::provisional(content)
    })
}

/// The archive of a version that is its root here.
pub(crate) fn root(version: &HeldVersion) -> Option<&Archive> {
    let mut archives = version.archives.iter();
    let xz = archives.find(|archive| archive.format == ArchiveFormat::TarXz);
    xz.or(version.archives.first())
}

/// Where the metadata tarball of a version is, beneath the server's root.
fn metadata_path(subject: &Subject<'_>) -> String {
    let Subject {
        image,
        architecture,
        version,
        ..
    } = subject;
    format!("streams/v1/images/{image}/{architecture}/{version}/{METADATA}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_ask_for() {
        let wanted = |path: &str| route(&path.split('/').collect::<Vec<_>>());
        assert_eq!(wanted("v1/index.json"), Some(Wanted::Index));
        assert_eq!(wanted("v1/images.json"), Some(Wanted::Images));
        let metadata = Some(Wanted::Metadata {
            image: "debian".parse().unwrap(),
            architecture: Architecture::Amd64,
            version: "1".parse().unwrap(),
        });
        let path = "v1/images/debian/amd64/1/metadata.tar.xz";
        assert_eq!(wanted(path), metadata);
        for path in [
            "",
            "v1",
            "v1/",
            "v2/index.json",
            "v1/index.sjson",
            "v1/images",
            "v1/images/debian/x86_64/1/metadata.tar.xz",
            "v1/images/debian/amd64/1/metadata.yaml",
            "v1/images/Debian/amd64/1/metadata.tar.xz",
            "v1/images/debian/amd64/1/metadata.tar.xz/x",
        ] {
            assert_eq!(wanted(path), None, "{path}");
        }
    }
}
