//! The products that clients see, and their versions, from the inventory.

use super::metadata::Subject;
use super::sums::Parts;
use super::{metadata_path, root};
use crate::holdings::{Holdings, HoldingsError};
use crate::inventory::{HeldVersion, Inventory};
use crate::protocols::releases::{self, Candidate, Release};
use hatchery_image::layout::version_path;
use hatchery_image::{Architecture, Sha256, Version};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What an image is called whose versions `latest` has not come to, or has
/// turned back from: no image's name holds a plus.
const NEWER: &str = "+newer";

/// All products.
#[derive(Debug)]
pub(super) struct Products {
    /// By their names, sorted.
    pub(super) products: BTreeMap<String, Product>,
    /// Whether nothing is left out that only waits for its fingerprint.
    pub(super) whole: bool,
}

/// A product: versions of which the newest is what its aliases mean.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) os: String,
    pub(super) release: String,
    pub(super) variant: String,
    pub(super) architecture: Architecture,
    pub(super) aliases: Vec<String>,
    /// By their serials.
    pub(super) versions: BTreeMap<String, Offer>,
}

/// A version that a client can have.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) files: Files,
    /// Of both files, one after the other.
    pub(super) fingerprint: Sha256,
}

#[derive(Debug)]
pub(super) struct Files {
    pub(super) metadata: File,
    pub(super) root: File,
}

#[derive(Debug)]
pub(super) struct File {
    /// Beneath the server's root.
    pub(super) path: String,
    pub(super) sha256: Sha256,
    pub(super) size: u64,
}

/// Which image stands for a release on an architecture.
type Chosen<'i> = HashMap<(Release<'i>, Architecture), Candidate<'i>>;

/// All products of the inventory.
pub(super) fn list(holdings: &Holdings) -> Result<Products, HoldingsError> {
    let inventory = holdings.inventory()?;
    let chosen = choose(&inventory);
    let mut products = BTreeMap::new();
    let mut whole = true;
    let (mut versions, mut all_parts) = (HashSet::new(), HashSet::new());
    for held in &inventory.held {
        let latest = releases::latest(held);
        for version in &held.versions {
            let subject = Subject::of(version);
            let (Some(serial), Some(files)) = (subject.serial(), files(holdings, version)?) else {
                continue;
            };
            let parts = Parts {
                metadata: files.metadata.sha256,
                archive: files.root.sha256,
            };
            versions.insert((version.manifest, version.published));
            all_parts.insert(parts);
            let Some(fingerprint) = fingerprint(holdings, version, parts, &files.root)? else {
                whole = false;
                continue;
            };
            let newer = latest.is_none_or(|latest| order(version) > order(latest));
            let product = products
                .entry(name(&subject, newer))
                .or_insert_with(|| Product::new(&subject, newer, latest, &chosen));
            let offer = Offer { files, fingerprint };
            product.versions.insert(serial, offer);
        }
    }
    holdings.fingerprints().retain(&versions, &all_parts);
    Ok(Products { products, whole })
}

impl Product {
    fn new(
        subject: &Subject<'_>,
        newer: bool,
        latest: Option<&Arc<HeldVersion>>,
        chosen: &Chosen<'_>,
    ) -> Self {
        let is_current = !newer && latest.is_some_and(|l| Release::of(l) == subject.release);
        Self {
            os: subject.distribution().to_owned(),
            release: subject.release_name().to_owned(),
            variant: variant(subject, newer),
            architecture: subject.architecture,
            aliases: if is_current {
                aliases(subject, chosen)
            } else {
                Vec::new()
            },
            versions: BTreeMap::new(),
        }
    }
}

/// As versions were published.
fn order(version: &HeldVersion) -> (Timestamp, &Version) {
    (version.published, &version.version)
}

fn name(subject: &Subject<'_>, newer: bool) -> String {
    let (os, release) = (subject.distribution(), subject.release_name());
    let (variant, architecture) = (variant(subject, newer), subject.architecture);
    format!("{os}:{release}:{variant}:{architecture}")
}

fn variant(subject: &Subject<'_>, newer: bool) -> String {
    format!("{}{}", subject.image, if newer { NEWER } else { "" })
}

fn aliases(subject: &Subject<'_>, chosen: &Chosen<'_>) -> Vec<String> {
    let mut aliases = vec![subject.image.to_string()];
    let Some(release) = subject.release else {
        return aliases;
    };
    let stands = chosen.get(&(release, subject.architecture));
    // `debian/amd64` is what clients make of the alias `debian`.
    let is_clear = Architecture::ALL.iter().all(|a| a.debian() != release.name);
    if is_clear && stands.is_some_and(|c| c.latest.image == *subject.image) {
        aliases.push(format!("{}/{}", release.distribution, release.name));
    }
    aliases
}

fn choose(inventory: &Inventory) -> Chosen<'_> {
    let mut chosen = Chosen::new();
    for candidate in releases::candidates(inventory) {
        let key = (candidate.release, candidate.architecture());
        let standing = chosen.entry(key).or_insert(candidate);
        if candidate.precedence() < standing.precedence() {
            *standing = candidate;
        }
    }
    chosen
}

/// The files of a version, if its root is here.
fn files(holdings: &Holdings, version: &HeldVersion) -> Result<Option<Files>, HoldingsError> {
    let Some(archive) = root(version) else {
        return Ok(None);
    };
    // As builds name it, so that a path needs no escaping.
    let name = format!("{}.{}", version.image, archive.format.suffix());
    if archive.file.as_str() != name {
        return Ok(None);
    }
    let here = holdings.file_of(version, &name)?;
    if here.is_none_or(|content| content.length != archive.size) {
        return Ok(None);
    }
    let described = holdings.fingerprints().describe(version);
    let metadata = described.map_err(HoldingsError::Metadata)?;
    let folder = version_path(
        &version.image,
        version.architecture,
        version.version.as_str(),
    );
    Ok(Some(Files {
        metadata: File {
            path: metadata_path(&Subject::of(version)),
            sha256: metadata.sha256,
            size: metadata.size,
        },
        root: File {
            path: format!("{folder}/{name}"),
            sha256: archive.sha256,
            size: archive.size,
        },
    }))
}

fn fingerprint(
    holdings: &Holdings,
    version: &HeldVersion,
    parts: Parts,
    root: &File,
) -> Result<Option<Sha256>, HoldingsError> {
    let path = Path::new(&root.path);
    let fingerprints = holdings.fingerprints();
    fingerprints
        .get(holdings.store(), version, parts, path, root.size)
        .map_err(HoldingsError::Metadata)
}
