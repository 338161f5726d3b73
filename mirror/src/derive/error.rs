//! Why layers were not made or removed.

use super::Selection;
use crate::holdings::HoldingsError;
use crate::store::StoreError;
use hatchery_image::durable::DurableError;
use hatchery_image::progress::Interrupted;
use hatchery_image::{ImageName, Version};
use std::io;
use std::path::{Path, PathBuf};

/// Why layers were not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[source] StoreError),
    /// What it holds could not be looked at.
    #[error("cannot read what the store holds")]
    Holdings(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The catalog does not list it.
    #[error("the catalog of the store lists no {}{}", .0.image, tag(.0))]
    Unknown(Selection),
    /// There is nothing to make a layer of.
    #[error("{image} {version} has no .tar.zst to make a layer of")]
    NoArchive {
        /// The image.
        image: ImageName,
        /// Its version.
        version: Version,
    },
    /// The archive is damaged.
    #[error(
        "{path} does not hold the tar that its manifest says; restore it, or publish a new version"
    )]
    Damaged {
        /// The archive.
        path: PathBuf,
    },
    /// More than the list of layers can hold.
    #[error("the store has too many layers of gzip; remove some first")]
    TooMany,
    /// A file could not be read or written.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system or the compressor said.
        #[source]
        source: io::Error,
    },
    /// The list of layers could not be written.
    #[error("cannot write to the store")]
    Write(#[source] DurableError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

pub(super) type Result<T> = std::result::Result<T, DeriveError>;

fn tag(selection: &Selection) -> String {
    let tag = selection.tag.as_ref();
    tag.map_or(String::new(), |tag| format!(":{tag}"))
}

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DeriveError {
    let path = path.to_owned();
    move |source| DeriveError::File {
        doing,
        path,
        source,
    }
}

pub(super) fn in_holdings(error: HoldingsError) -> DeriveError {
    DeriveError::Holdings(Box::new(error))
}
