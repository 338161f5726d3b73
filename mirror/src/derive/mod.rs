//! Layers of gzip for OCI clients that do not read zstd: made of versions that
//! are published, kept in the store beside them, and removed again.
//! `protocols::oci::gzip` says how they lie there.
//!
//! Making one reads the whole archive, and compares the tar in it with the
//! digest in the manifest, so that a damaged archive becomes no layer. It is
//! one gzip member without a time or a name, and always compressed in pieces
//! of one size: the same program makes the same bytes of the same tar.
//! Publishing waits meanwhile. No key is needed, since nothing is signed.

mod error;
mod layer;

pub use error::DeriveError;

use crate::holdings::Holdings;
use crate::inventory::{HeldVersion, Inventory};
use crate::protocols::oci::gzip::{
    FOLDER, LIST_MAX, Layer, Layers, layer_of, layer_path, list_path, parse, render,
};
use crate::store::{FILE_MODE, Store, StoreError};
use error::{Result, failed, in_holdings};
use hatchery_image::durable;
use hatchery_image::{Architecture, ImageName, Progress, Sha256, Version};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Versions of an image, in every architecture: all that are listed, or those
/// that a tag (a version or a channel) names. Written `NAME` or `NAME:TAG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The image.
    pub image: ImageName,
    /// A version or a channel.
    pub tag: Option<Version>,
}

impl FromStr for Selection {
    type Err = hatchery_image::name::InvalidName;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (image, tag) = match text.split_once(':') {
            Some((image, tag)) => (image, Some(tag.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            image: image.parse()?,
            tag,
        })
    }
}

/// What became of the layer of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Made,
    /// It was there already.
    WasThere,
    /// It was removed.
    Removed,
    /// It was not removed: a version that was not selected has the same tar.
    Needed,
}

/// The layer of a version.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The image.
    pub image: ImageName,
    /// What it runs on.
    pub architecture: Architecture,
    /// Its version.
    pub version: Version,
    /// Digest of the layer.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What was removed, and what was not.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The layers of the selected versions.
    pub layers: Vec<Derived>,
    /// How many other files went: those that the list does not name, all of them
    /// if it was damaged, and all that are left if nothing was selected.
    pub unlisted: usize,
}

/// Makes the layers of the selected versions that are not there yet. Each is
/// offered once it is done; layers whose version the catalog lists no more
/// are removed.
///
/// # Errors
/// Something selected is not listed, an archive is damaged, or a step failed;
/// layers that were made before it stay.
pub fn derive_gzip(
    store: &Store,
    selections: &[Selection],
    progress: &Progress,
) -> Result<Vec<Derived>> {
    let _lock = store.lock().map_err(DeriveError::Store)?;
    let inventory = Holdings::new(store.clone()).inventory();
    let inventory = inventory.map_err(in_holdings)?;
    let versions = select(&inventory, selections)?;
    let mut layers = read(store)?;
    let listed: BTreeSet<Sha256> = all(&inventory).map(|v| v.tar.sha256).collect();
    let before = layers.len();
    layers.retain(|tar, _| listed.contains(tar));
    if layers.len() < before {
        write_list(store, &layers)?;
    }
    store.make_folder(&FOLDER).map_err(DeriveError::Store)?;
    sweep(store, &layers, &BTreeSet::new())?;
    let mut derived = Vec::new();
    for version in versions {
        let present = layers.get(&version.tar.sha256).copied();
        let present = present.filter(|layer| is_there(store, *layer));
        derived.push(match present {
            Some(layer) => of(version, layer, Outcome::WasThere),
            None => {
                let layer = layer::make(store, version, progress)?;
                layers.insert(version.tar.sha256, layer);
                write_list(store, &layers)?;
                of(version, layer, Outcome::Made)
            }
        });
    }
    Ok(derived)
}

/// Removes the layers of the selected versions, or every layer if nothing is
/// selected. Downloads that have begun go on. A layer stays while a version
/// that is not selected has the same tar: it is that version's, too.
///
/// # Errors
/// Something selected is not listed, or a step failed.
pub fn remove_gzip(store: &Store, selections: &[Selection]) -> Result<Removal> {
    let _lock = store.lock().map_err(DeriveError::Store)?;
    let inventory = Holdings::new(store.clone()).inventory();
    let inventory = inventory.map_err(in_holdings)?;
    let is_all = selections.is_empty();
    let selected: Vec<_> = match is_all {
        true => all(&inventory).collect(),
        false => select(&inventory, selections)?,
    };
    let chosen: BTreeSet<Sha256> = selected.iter().map(|v| v.manifest).collect();
    let others = all(&inventory).filter(|version| !chosen.contains(&version.manifest));
    let needed: BTreeSet<Sha256> = others.map(|version| version.tar.sha256).collect();
    let before = read(store)?;
    let mut after = before.clone();
    let mut layers = Vec::new();
    for version in selected {
        let tar = version.tar.sha256;
        let Some(layer) = before.get(&tar) else {
            continue;
        };
        let outcome = if needed.contains(&tar) {
            Outcome::Needed
        } else {
            after.remove(&tar);
            Outcome::Removed
        };
        layers.push(of(version, *layer, outcome));
    }
    if is_all {
        after.clear();
    }
    if after.len() < before.len() {
        write_list(store, &after)?;
    }
    // Whoever was killed before this had written the list already.
    let removed = layers.iter().filter(|l| l.outcome == Outcome::Removed);
    let removed: BTreeSet<Sha256> = removed.map(|layer| layer.sha256).collect();
    let unlisted = sweep(store, &after, &removed)?;
    Ok(Removal { layers, unlisted })
}

fn of(version: &HeldVersion, layer: Layer, outcome: Outcome) -> Derived {
    Derived {
        image: version.image.clone(),
        architecture: version.architecture,
        version: version.version.clone(),
        sha256: layer.sha256,
        size: layer.size,
        outcome,
    }
}

fn all(inventory: &Inventory) -> impl Iterator<Item = &Arc<HeldVersion>> {
    inventory.held.iter().flat_map(|held| &held.versions)
}

fn select<'i>(
    inventory: &'i Inventory,
    selections: &[Selection],
) -> Result<Vec<&'i Arc<HeldVersion>>> {
    let mut selected: Vec<&Arc<HeldVersion>> = Vec::new();
    for selection in selections {
        let before = selected.len();
        let held = inventory.held.iter();
        for held in held.filter(|held| held.image == selection.image) {
            let tag = selection.tag.as_ref().map(|tag| {
                let mut channels = held.channels.iter();
                let channel = channels.find(|(channel, _)| channel.as_str() == tag.as_str());
                channel.map_or(tag, |(_, version)| version)
            });
            let versions = held.versions.iter();
            selected.extend(versions.filter(|v| tag.is_none_or(|tag| v.version == *tag)));
        }
        if selected.len() == before {
            return Err(DeriveError::Unknown(selection.clone()));
        }
    }
    let mut seen = BTreeSet::new();
    selected.retain(|version| seen.insert(version.manifest));
    Ok(selected)
}

/// The layers that are listed. A list that is damaged is begun anew.
fn read(store: &Store) -> Result<Layers> {
    let layers = match store.read(&list_path(), LIST_MAX) {
        Ok(None) => Some(Layers::new()),
        Ok(Some(bytes)) => parse(&bytes),
        Err(StoreError::Read { source, .. }) if source.kind() == io::ErrorKind::FileTooLarge => {
            None
        }
        Err(error) => return Err(DeriveError::Store(error)),
    };
    if let Some(layers) = layers {
        return Ok(layers);
    }
    tracing::warn!("the list of gzip layers is damaged and is begun anew");
    write_list(store, &Layers::new())?;
    Ok(Layers::new())
}

fn write_list(store: &Store, layers: &Layers) -> Result<()> {
    let bytes = render(layers);
    if bytes.len() as u64 > LIST_MAX {
        return Err(DeriveError::TooMany);
    }
    let path = store.root().join(list_path());
    durable::write(&path, &bytes, FILE_MODE).map_err(DeriveError::Write)
}

/// Whether the file of a layer is what its name says.
fn is_there(store: &Store, layer: Layer) -> bool {
    let file = store.open_file(&layer_path(layer.sha256)).ok().flatten();
    let read = file.and_then(|file| Sha256::of_reader(file).ok());
    read == Some((layer.sha256, layer.size))
}

/// Removes what killed writers left, and layers that are not listed; how many of
/// these were not among the `expected` ones. The store's lock is held.
fn sweep(store: &Store, layers: &Layers, expected: &BTreeSet<Sha256>) -> Result<usize> {
    let folder = store.root().join(FOLDER.iter().collect::<PathBuf>());
    if !folder.is_dir() {
        return Ok(0);
    }
    durable::sweep(&folder, |path| fs::remove_file(path)).map_err(DeriveError::Write)?;
    let mut others = 0;
    let listed: BTreeSet<Sha256> = layers.values().map(|layer| layer.sha256).collect();
    for entry in fs::read_dir(&folder).map_err(failed("list", &folder))? {
        let path = entry.map_err(failed("list", &folder))?.path();
        let Some(layer) = layer_of(&path).filter(|layer| !listed.contains(layer)) else {
            continue;
        };
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        others += usize::from(!expected.contains(&layer));
    }
    Ok(others)
}
