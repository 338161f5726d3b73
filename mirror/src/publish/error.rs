//! Why an image was not published.

use crate::catalog::CatalogError;
use crate::store::StoreError;
use hatchery_image::durable::DurableError;
use hatchery_image::files::ImageFilesError;
use hatchery_image::keyring::KeyringError;
use hatchery_image::progress::Interrupted;
use hatchery_image::{ImageName, Manifest, Version};
use std::io;
use std::path::{Path, PathBuf};

/// Why an image was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store failed.
    #[error("cannot publish {name} {version}")]
    Store {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// What failed.
        #[source]
        source: Box<StoreError>,
    },
    /// The catalog failed.
    #[error("cannot list {name} {version} in the catalog")]
    Catalog {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// What failed.
        #[source]
        source: Box<CatalogError>,
    },
    /// One name for a version and a channel.
    #[error("{name} would have a version and a channel of the same name, {text}")]
    Ambiguous {
        /// The image.
        name: ImageName,
        /// The name of both.
        text: String,
    },
    /// Versions never change.
    #[error(
        "{name} {version} is in the store {directory} with other content; versions never change, so give the new image a new version"
    )]
    Taken {
        /// The image.
        name: ImageName,
        /// Its version.
        version: Version,
        /// Where it lies.
        directory: PathBuf,
    },
    /// What lies in the store is damaged.
    #[error("{directory} holds a damaged version; restore it, or remove it and publish again")]
    Damaged {
        /// Where it lies.
        directory: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ImageFilesError,
    },
    /// The copy is not what was opened.
    #[error("{directory} was changed while it was being published")]
    Changed {
        /// The image's folder.
        directory: PathBuf,
        /// What is wrong with the copy, where the copy alone tells.
        #[source]
        source: Option<ImageFilesError>,
    },
    /// Stock clients would refuse it.
    #[error("{directory} has no SHA256SUMS.gpg, and stock clients would refuse the image")]
    Unsigned {
        /// The image's folder.
        directory: PathBuf,
    },
    /// Stock clients would refuse it.
    #[error("the signature {path} is not by a trusted key, and clients would refuse the image")]
    Signature {
        /// The signature.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// A file could not be read or copied.
    #[error("cannot {doing} {path}")]
    File {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The files could not be switched live.
    #[error("cannot write to the store")]
    Write(#[source] DurableError),
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(Interrupted),
}

pub(super) type Result<T> = std::result::Result<T, PublishError>;

pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    let path = path.to_owned();
    move |source| PublishError::File {
        doing,
        path,
        source,
    }
}

pub(super) fn in_store(manifest: &Manifest) -> impl FnOnce(StoreError) -> PublishError {
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    move |source| PublishError::Store {
        name,
        version,
        source: Box::new(source),
    }
}

pub(super) fn in_catalog(manifest: &Manifest) -> impl FnOnce(CatalogError) -> PublishError {
    let (name, version) = (manifest.name.clone(), manifest.version.clone());
    move |source| PublishError::Catalog {
        name,
        version,
        source: Box::new(source),
    }
}
