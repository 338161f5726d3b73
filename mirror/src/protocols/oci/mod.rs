//! OCI distribution (the specification of that name, 1.1), to be read by
//! podman, skopeo, docker, systemd's `pull-oci` and their kind:
//!
//! ```text
//! v2/                                 whether this is spoken
//! v2/_catalog                         names of images
//! v2/NAME/tags/list                   versions and channels
//! v2/NAME/manifests/TAG or DIGEST     an index of manifests, or one manifest
//! v2/NAME/blobs/DIGEST                a configuration or a layer
//! ```
//!
//! A name is an image's; its tags are its versions and channels. A tag is an
//! index of every architecture that has the version, or the channel. The layer
//! is the image's `.tar.zst`, byte for byte, so that an image's bytes are kept
//! once, and its `diff_id` is the digest of the tar that the image's manifest
//! holds; nothing is computed for a request. A version that has no `.tar.zst`
//! is not there, unless it has a layer of gzip (see `gzip`). Where it has both,
//! the index lists gzip first and marks what needs zstd: clients of old take
//! the first that fits, those that know the mark prefer what bears it.
//!
//! Nothing here is signed: clients trust the server's TLS, or a digest that
//! they were told. Whatever writes is refused.

mod complaint;
mod documents;
pub(crate) mod gzip;
mod pages;
mod registry;
mod shelf;

pub(crate) use complaint::{Complaint, refused};
pub(crate) use shelf::Shelf;

use crate::conditional::Validators;
use crate::holdings::{Content, Data, Found, Holdings, HoldingsError};
use hatchery_image::{ImageName, Sha256};
use hyper::http::header::{self, HeaderName, HeaderValue};
use pages::Page;
use registry::{Blob, Document, Registry};

/// The header that says what is spoken, and its value.
pub(crate) const VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("docker-distribution-api-version"),
    HeaderValue::from_static("registry/2.0"),
);
/// The header with the digest of all of the content.
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Media type of what is none of the image's documents.
pub(crate) const JSON: &str = "application/json";
/// What blobs are sent as: a client knows what it asked for.
const BLOB: &str = "application/octet-stream";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whether this is spoken.
    Version,
    /// The names of images.
    Names(Page),
    /// The tags of an image.
    Tags(ImageName, Page),
    /// What a tag stands for.
    Tag(ImageName, String),
    /// An index or a manifest.
    Manifest(ImageName, Sha256),
    /// A configuration or a layer.
    Blob(ImageName, Sha256),
    /// What cannot be there.
    Nothing(Complaint),
}

impl Wanted {
    /// Whether it is a list, which is made anew.
    pub(crate) fn is_made(&self) -> bool {
        matches!(self, Self::Names(_) | Self::Tags(..))
    }
}

/// Whether a path belongs to this protocol, so that refusals are its own.
pub(crate) fn is_asked(path: &str) -> bool {
    path.strip_prefix("/v2")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Reads what follows `v2/`.
pub(crate) fn route(parts: &[&str], query: Option<&str>) -> Option<Wanted> {
    let wanted = match *parts {
        [] | [""] => Ok(Wanted::Version),
        ["_catalog"] => Page::parse(query).map(Wanted::Names),
        [ref name @ .., "tags", "list"] => {
            image(name).and_then(|name| Ok(Wanted::Tags(name, Page::parse(query)?)))
        }
        [ref name @ .., "manifests", reference] => image(name).and_then(|name| {
            if reference.contains(':') {
                digest(reference)
                    .map(|digest| Wanted::Manifest(name, digest))
                    .ok_or(Complaint::Manifest)
            } else {
                Ok(Wanted::Tag(name, reference.to_owned()))
            }
        }),
        [ref name @ .., "blobs", reference] => image(name).and_then(|name| {
            digest(reference)
                .map(|digest| Wanted::Blob(name, digest))
                .ok_or(Complaint::Blob)
        }),
        _ => return None,
    };
    Some(wanted.unwrap_or_else(Wanted::Nothing))
}

/// Whether clients can ask for an image: its name may hold what those of the
/// specification do not.
pub(crate) fn is_name(image: &ImageName) -> bool {
    let name = image.as_str();
    !name.contains(".-") && !name.contains("-.")
}

/// A name of several parts is none of an image.
fn image(parts: &[&str]) -> Result<ImageName, Complaint> {
    match *parts {
        [name] => name.parse().map_err(|_| Complaint::Name),
        _ => Err(Complaint::Name),
    }
}

/// A digest as it is written, in lower case: others are of nothing here.
fn digest(text: &str) -> Option<Sha256> {
    let hexadecimal = text.strip_prefix("sha256:")?;
    let plain = !hexadecimal.contains(|c: char| c.is_ascii_uppercase());
    hexadecimal.parse().ok().filter(|_| plain)
}

/// What it leads to.
pub(crate) fn find(holdings: &Holdings, wanted: &Wanted) -> Result<Found, HoldingsError> {
    let registry = || holdings.oci().registry(holdings);
    let found = match wanted {
        Wanted::Version => return holdings.made(JSON, b"{}".to_vec()).map(Found::Content),
        Wanted::Names(page) => {
            let registry = registry()?;
            let answer = pages::names(registry.names(), page);
            Ok(list(&registry, "_catalog", answer))
        }
        Wanted::Tags(name, page) => {
            let registry = registry()?;
            registry.get(name).map(|repository| {
                let answer = pages::tags(name.as_str(), repository.tags(), page);
                list(&registry, &format!("{name}/tags/list"), answer)
            })
        }
        Wanted::Tag(name, tag) => {
            let registry = registry()?;
            let index = registry
                .get(name)
                .and_then(|repository| repository.tag(tag));
            // A layer of gzip that comes or goes makes it another one.
            index.map(|index| Found::Provisional(index.content(registry.modified)))
        }
        Wanted::Manifest(name, digest) => {
            let registry = registry()?;
            let document = registry
                .get(name)
                .and_then(|repository| repository.document(*digest));
            document.map(|document| by_digest(document, &registry))
        }
        Wanted::Blob(name, digest) => return find_blob(holdings, name, *digest),
        Wanted::Nothing(complaint) => Err(*complaint),
    };
    Ok(found.unwrap_or_else(Found::Refused))
}

/// A document that was asked for by its digest, and so never is another.
fn by_digest(document: &Document, registry: &Registry) -> Found {
    let content = Content {
        immutable: true,
        ..document.content(registry.modified)
    };
    if document.lasting {
        Found::Content(content)
    } else {
        Found::Provisional(content)
    }
}

fn find_blob(
    holdings: &Holdings,
    name: &ImageName,
    digest: Sha256,
) -> Result<Found, HoldingsError> {
    let registry = holdings.oci().registry(holdings)?;
    let blob = registry
        .get(name)
        .and_then(|repository| repository.blob(digest));
    let content = match blob {
        Err(complaint) => return Ok(Found::Refused(complaint)),
        Ok(Blob::Config(document)) => return Ok(by_digest(document, &registry)),
        Ok(Blob::Archive(version, archive)) => holdings
            .file_of(version, archive.file.as_str())?
            // What SHA256SUMS says is another file than the manifest means.
            .filter(|content| {
                content.length == archive.size && content.validators.tag() == digest.to_string()
            })
            .map(|content| Found::Content(as_blob(content, digest))),
        Ok(Blob::Gzip(layer)) => holdings
            .oci()
            .open(holdings, *layer)?
            .map(|content| Found::Provisional(as_blob(content, digest))),
    };
    Ok(content.unwrap_or(Found::Refused(Complaint::Blob)))
}

/// A file, as it is sent to whoever asked for its digest.
fn as_blob(content: Content, digest: Sha256) -> Content {
    Content {
        media_type: BLOB.into(),
        validators: content.validators.tagged(tag(digest)),
        headers: digest_header(digest),
        ..content
    }
}

/// The entity tag of what has a digest.
fn tag(digest: Sha256) -> String {
    format!("sha256:{digest}")
}

fn digest_header(digest: Sha256) -> Vec<(HeaderName, HeaderValue)> {
    let value = HeaderValue::try_from(tag(digest)).expect("digests are ASCII");
    vec![(DIGEST, value)]
}

/// A list, which is another one when what is offered is.
fn list(registry: &Registry, path: &str, answer: pages::Answer) -> Found {
    let digest = Sha256::of(&answer.bytes);
    let next = answer.next.and_then(|query| {
        let link = format!("</v2/{path}?{query}>; rel=\"next\"");
        HeaderValue::try_from(link).ok()
    });
    Found::Provisional(Content {
        media_type: JSON.into(),
        length: answer.bytes.len() as u64,
        validators: Validators::new(digest.to_string(), registry.modified),
        immutable: false,
        headers: next.map(|link| (header::LINK, link)).into_iter().collect(),
        data: Data::Memory(answer.bytes.into()),
    })
}
