//! Everything that is offered to OCI clients, by name, tag and digest: made
//! from the inventory and the list of gzip layers, and made again when either
//! is another.
//!
//! A tag's index with gzip layers is another one than without. Both can be had
//! by their digest, so that an index that somebody pinned stays when layers
//! are added; and the indexes of the registry before this one can too, because
//! clients ask for a tag first and then for the digest that they heard.

use super::complaint::Complaint;
use super::documents::{self, Descriptor};
use super::gzip::{Layer, Layers};
use crate::conditional::Validators;
use crate::holdings::{Content, Data};
use crate::inventory::{Held, HeldVersion, Inventory};
use bytes::Bytes;
use hatchery_image::manifest::{Archive, ArchiveFormat};
use hatchery_image::{ImageName, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

/// An index, a manifest or a configuration.
#[derive(Clone, Debug)]
pub(super) struct Document {
    media_type: &'static str,
    digest: Sha256,
    bytes: Bytes,
    /// Whether it is there as long as the catalog is the same.
    pub(super) lasting: bool,
}

impl Document {
    fn new(media_type: &'static str, bytes: Vec<u8>, lasting: bool) -> Self {
        Self {
            media_type,
            digest: Sha256::of(&bytes),
            bytes: bytes.into(),
            lasting,
        }
    }

    fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type, self.digest, self.bytes.len() as u64)
    }

    /// What is sent of it.
    pub(super) fn content(&self, modified: SystemTime) -> Content {
        Content {
            media_type: self.media_type.into(),
            length: self.bytes.len() as u64,
            validators: Validators::new(super::tag(self.digest), modified),
            immutable: false,
            headers: super::digest_header(self.digest),
            data: Data::Memory(self.bytes.clone()),
        }
    }
}

/// What lies behind a digest that is no document of manifests.
#[derive(Clone, Debug)]
pub(super) enum Blob {
    Config(Document),
    /// The archive of a version.
    Archive(Arc<HeldVersion>, Archive),
    Gzip(Layer),
}

/// What is offered of an image.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Indexes.
    tags: BTreeMap<String, Document>,
    /// Indexes and manifests.
    documents: HashMap<Sha256, Document>,
    blobs: HashMap<Sha256, Blob>,
}

impl Repository {
    /// Its tags, sorted.
    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.keys().map(String::as_str)
    }

    pub(super) fn tag(&self, tag: &str) -> Result<&Document, Complaint> {
        self.tags.get(tag).ok_or(Complaint::Manifest)
    }

    pub(super) fn document(&self, digest: Sha256) -> Result<&Document, Complaint> {
        self.documents.get(&digest).ok_or(Complaint::Manifest)
    }

    pub(super) fn blob(&self, digest: Sha256) -> Result<&Blob, Complaint> {
        self.blobs.get(&digest).ok_or(Complaint::Blob)
    }

    fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.blobs.is_empty()
    }
}

/// What is offered.
#[derive(Debug)]
pub(super) struct Registry {
    repositories: BTreeMap<ImageName, Repository>,
    /// When it became what it is.
    pub(super) modified: SystemTime,
}

impl Registry {
    /// Names of images, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(ImageName::as_str)
    }

    pub(super) fn get(&self, name: &ImageName) -> Result<&Repository, Complaint> {
        self.repositories.get(name).ok_or(Complaint::Name)
    }

    /// What is offered of an inventory. `before` is the registry until now.
    pub(super) fn build(
        inventory: &Inventory,
        layers: &Layers,
        before: Option<&Self>,
        modified: SystemTime,
    ) -> Self {
        let mut repositories = BTreeMap::new();
        // The inventory is sorted by image.
        for held in inventory.held.chunk_by(|a, b| a.image == b.image) {
            let name = &held[0].image;
            if !super::is_name(name) {
                continue;
            }
            let mut repository = repository(held, layers);
            if repository.is_empty() {
                continue;
            }
            let before = before.and_then(|before| before.repositories.get(name));
            for index in before.into_iter().flat_map(|before| before.tags.values()) {
                let past = Document {
                    lasting: false,
                    ..index.clone()
                };
                repository.documents.entry(index.digest).or_insert(past);
            }
            repositories.insert(name.clone(), repository);
        }
        Self {
            repositories,
            modified,
        }
    }
}

/// The manifests of a version, with one layer each.
#[derive(Default)]
struct Manifests {
    gzip: Option<Descriptor>,
    zstd: Option<Descriptor>,
}

fn repository(held: &[Held], layers: &Layers) -> Repository {
    let mut repository = Repository::default();
    let mut tagged: BTreeMap<&str, Vec<&Manifests>> = BTreeMap::new();
    let offered: Vec<HashMap<&str, Manifests>> = held
        .iter()
        .map(|held| {
            let versions = held.versions.iter();
            versions
                .map(|version| {
                    let layer = layers.get(&version.tar.sha256).copied();
                    let manifests = add(&mut repository, version, layer);
                    (version.version.as_str(), manifests)
                })
                .collect()
        })
        .collect();
    for (held, offered) in held.iter().zip(&offered) {
        for (version, manifests) in offered {
            tagged.entry(version).or_default().push(manifests);
        }
        for (channel, version) in &held.channels {
            if let Some(manifests) = offered.get(version.as_str()) {
                let channel = channel.as_str();
                tagged.entry(channel).or_default().push(manifests);
            }
        }
    }
    for (tag, manifests) in tagged {
        let zstd = || manifests.iter().filter_map(|m| m.zstd.as_ref());
        let gzip = || manifests.iter().filter_map(|m| m.gzip.as_ref());
        let plain = index(zstd().cloned().collect(), true);
        let all = index(gzip().chain(zstd()).cloned().collect(), false);
        let document = match (plain, all) {
            (plain, Some(all)) if gzip().next().is_some() => {
                repository
                    .documents
                    .extend(plain.map(|plain| (plain.digest, plain)));
                all
            }
            (Some(plain), _) => plain,
            _ => continue,
        };
        let digest = document.digest;
        repository.documents.insert(digest, document.clone());
        repository.tags.insert(tag.to_owned(), document);
    }
    repository
}

fn index(manifests: Vec<Descriptor>, lasting: bool) -> Option<Document> {
    let bytes = (!manifests.is_empty()).then(|| documents::index(&manifests))?;
    Some(Document::new(documents::INDEX, bytes, lasting))
}

/// Adds what there is of a version; the manifests as entries of an index.
fn add(repository: &mut Repository, version: &Arc<HeldVersion>, gzip: Option<Layer>) -> Manifests {
    let mut archives = version.archives.iter();
    let zstd = archives.find(|archive| archive.format == ArchiveFormat::TarZst);
    if zstd.is_none() && gzip.is_none() {
        return Manifests::default();
    }
    let config = Document::new(
        documents::CONFIG,
        documents::config(version),
        zstd.is_some(),
    );
    let of_config = config.descriptor();
    let mut manifest = |layer: Descriptor, is_zstd| {
        let bytes = documents::manifest(version, &of_config, &layer);
        let document = Document::new(documents::MANIFEST, bytes, is_zstd);
        let platform = documents::platform(version.architecture);
        let entry = document.descriptor().entry(platform, is_zstd);
        repository.documents.insert(document.digest, document);
        entry
    };
    let manifests = Manifests {
        gzip: gzip.map(|Layer { sha256, size }| {
            manifest(Descriptor::new(documents::GZIP_LAYER, sha256, size), false)
        }),
        zstd: zstd.map(|Archive { sha256, size, .. }| {
            manifest(Descriptor::new(documents::ZSTD_LAYER, *sha256, *size), true)
        }),
    };
    let blobs = &mut repository.blobs;
    blobs.insert(config.digest, Blob::Config(config));
    blobs.extend(gzip.map(|layer| (layer.sha256, Blob::Gzip(layer))));
    blobs.extend(zstd.map(|archive| {
        let blob = Blob::Archive(Arc::clone(version), archive.clone());
        (archive.sha256, blob)
    }));
    manifests
}
