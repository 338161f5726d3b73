//! What a route leads to, and what is known of it.

use crate::conditional::Validators;
use crate::protocols::oci;
use bytes::Bytes;
use hatchery_image::Sha256;
use hyper::http::header::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a route leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// Content to send.
    Content(Content),
    /// Content to send that soon is another, though the catalog is the same:
    /// for nobody to keep.
    Provisional(Content),
    /// The same file of the version that a channel points at: where it is,
    /// relative to what was asked for.
    Elsewhere(String),
    /// Nothing.
    Nothing,
    /// Nothing either, and what that means in OCI's words. It may be there
    /// soon, though the catalog is the same.
    Refused(oci::Complaint),
}

impl Found {
    /// Provisional content, older by its date than whatever it will be.
    pub(crate) fn provisional(mut content: Content) -> Self {
        content.validators = content.validators.dated(UNIX_EPOCH);
        Self::Provisional(content)
    }
}

/// Content that can be sent.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: Cow<'static, str>,
    /// Length in bytes.
    pub(crate) length: u64,
    pub(crate) validators: Validators,
    /// Whether this path will never hold other content.
    pub(crate) immutable: bool,
    /// Headers beyond those that all content has.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) data: Data,
}

impl Content {
    /// Something made just now.
    pub(crate) fn of(media_type: &'static str, bytes: Vec<u8>, modified: SystemTime) -> Self {
        Self {
            media_type: media_type.into(),
            length: bytes.len() as u64,
            validators: Validators::new(Sha256::of(&bytes).to_string(), modified),
            immutable: false,
            headers: Vec::new(),
            data: Data::Memory(bytes.into()),
        }
    }
}

/// Where content comes from.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Memory(Bytes),
    File(Arc<File>),
}
