//! What to fetch, and what it must turn out to be.

use crate::{Location, TransferError};
use hatchery_image::{RelativePath, Sha256};

/// Something to fetch.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to look, in this order.
    pub locations: Vec<Location>,
    /// Path beneath each of them.
    pub path: String,
    /// What it must digest to, if known.
    pub sha256: Option<Sha256>,
    /// Its exact length in bytes, if known.
    pub size: Option<u64>,
    /// Most bytes that are read.
    pub limit: u64,
}

impl Request {
    /// Most bytes that may arrive: the exact length where it is known.
    pub(crate) fn most(&self) -> u64 {
        self.size.map_or(self.limit, |size| size.min(self.limit))
    }

    /// The path as a type, and at least one location.
    pub(crate) fn check(&self) -> Result<RelativePath, TransferError> {
        let path = self
            .path
            .parse()
            .map_err(|source| TransferError::Path { source })?;
        if self.locations.is_empty() {
            return Err(TransferError::NoLocation {
                path: self.path.clone(),
            });
        }
        if let Some(size) = self.size.filter(|size| *size > self.limit) {
            return Err(TransferError::OverLimit {
                path: self.path.clone(),
                size,
                limit: self.limit,
            });
        }
        Ok(path)
    }
}
