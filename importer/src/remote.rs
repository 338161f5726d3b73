//! What a repository offers: its verified catalog, and how large the images
//! are that its channels point at.

use crate::image;
use crate::places::Places;
use crate::reference::Reference;
use crate::repository::{self, Repository, RepositoryError};
use hatchery_image::catalog::Selector;
use hatchery_image::progress::Progress;
use hatchery_image::{Architecture, Catalog, Channel, Fingerprint, ImageName, Verified, Version};
use hatchery_transfer::{Client, TransferError};
use jiff::Timestamp;
use serde::Serialize;

/// Most manifests that are fetched for the sizes in them.
const MANIFESTS_MAX: usize = 64;

/// What a repository offers.
#[derive(Clone, Debug, Serialize)]
pub struct Remote {
    /// Its id.
    pub repository: String,
    /// Version of its catalog.
    pub version: u64,
    /// When the catalog was signed.
    pub created: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Primary fingerprint of the key that signed it.
    pub signer: Fingerprint,
    /// The images: by name and architecture, the newest first.
    pub images: Vec<Offer>,
}

/// A version of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// The image.
    pub image: ImageName,
    /// What it is for.
    pub architecture: Architecture,
    /// The version.
    pub version: Version,
    /// The channels that point at it.
    pub channels: Vec<Channel>,
    /// When it was published.
    pub published: Timestamp,
    /// Bytes of its archive, where its manifest was asked: of versions that a
    /// channel points at.
    pub download: Option<u64>,
    /// Bytes of its files once unpacked, where its manifest was asked.
    pub unpacked: Option<u64>,
}

/// Why it is not known what a repository offers.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The client cannot be set up.
    #[error("cannot prepare the download")]
    Client(#[source] TransferError),
    /// There is no catalog to believe.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Reads the catalog of a repository. It is remembered as seen, as when an
/// image is imported.
///
/// # Errors
/// No mirror has a catalog to believe.
pub fn remote(
    repository: &Repository,
    places: &Places,
    now: Timestamp,
    progress: &Progress,
) -> Result<Remote, RemoteError> {
    let client = Client::new().map_err(RemoteError::Client)?;
    let catalog = repository::fetch(repository, &places.state, &client, now, progress)?;
    let mut images = offers(&catalog);
    let mut asked = 0;
    for offer in images.iter_mut().filter(|o| !o.channels.is_empty()) {
        asked += 1;
        if asked > MANIFESTS_MAX || progress.check().is_err() {
            break;
        }
        ask_size(offer, &catalog, repository, &client, progress);
    }
    Ok(Remote {
        repository: catalog.repository.clone(),
        version: catalog.version,
        created: catalog.created,
        expires: catalog.expires,
        signer: catalog.signer().clone(),
        images,
    })
}

fn offers(catalog: &Catalog) -> Vec<Offer> {
    let mut offers = Vec::new();
    for (image, architectures) in &catalog.images {
        for (architecture, listing) in architectures {
            let mut versions: Vec<_> = listing.versions.iter().collect();
            versions.sort_by_key(|(_, manifest)| std::cmp::Reverse(manifest.published));
            offers.extend(versions.into_iter().map(|(version, manifest)| {
                let here = listing.channels.iter().filter(|(_, at)| *at == version);
                Offer {
                    image: image.clone(),
                    architecture: *architecture,
                    version: version.clone(),
                    channels: here.map(|(channel, _)| channel.clone()).collect(),
                    published: manifest.published,
                    download: None,
                    unpacked: None,
                }
            }));
        }
    }
    offers
}

/// A size that cannot be had is not known: it is no reason to show nothing.
fn ask_size(
    offer: &mut Offer,
    catalog: &Verified<Catalog>,
    repository: &Repository,
    client: &Client,
    progress: &Progress,
) {
    let reference = Reference {
        image: offer.image.clone(),
        selector: Selector::Version(offer.version.clone()),
    };
    let found = image::find(
        catalog,
        &reference,
        offer.architecture,
        &repository.locations,
        client,
        progress,
    );
    match found {
        Ok(image) => {
            offer.download = image.archive().ok().map(|archive| archive.size);
            offer.unpacked = Some(image.manifest.unpacked.bytes);
        }
        Err(error) => tracing::debug!(%reference, %error, "its size is not known"),
    }
}
