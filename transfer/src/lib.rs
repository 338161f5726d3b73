//! How bytes arrive: from HTTP(S), `file://` or a folder, several mirrors in
//! turn, resumed, digested and limited while streaming.
//!
//! This crate decides nothing about trust: it is told what digest to expect.
//! Its verbs are synchronous; the runtime inside is its own business.
//! (Skeleton; see the owner of this crate.)

use hatchery_image::{Progress, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// A place where a repository lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `http://` or `https://`, always ending in `/`.
    Http(url::Url),
    /// A folder on this host (`file://` or a path).
    Folder(PathBuf),
}

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

/// Placeholder error; the owner refines it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TransferError(pub String);

/// Content-addressed files: `ROOT/sha256/ab/abcd…`, partial ones in `ROOT/part/`.
#[derive(Clone, Debug)]
pub struct Cache {
    _root: PathBuf,
}

impl Cache {
    /// Opens (and makes) a cache.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(_root: &Path) -> Result<Self, TransferError> {
        todo!()
    }
    /// Path of a file of this digest if it is there. It was verified when it
    /// was put there.
    #[must_use]
    pub fn find(&self, _digest: Sha256) -> Option<PathBuf> {
        todo!()
    }
    /// The folder, for other content keyed by other means.
    #[must_use]
    pub fn root(&self) -> &Path {
        todo!()
    }
}

/// Fetches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// A client with pooled connections.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new() -> Result<Self, TransferError> {
        todo!()
    }
    /// A small document, in memory.
    ///
    /// # Errors
    /// What each location answered.
    pub fn get(&self, _request: &Request, _progress: &Progress) -> Result<Vec<u8>, TransferError> {
        todo!()
    }
    /// A file into the cache, resuming what an earlier run began; `sha256`
    /// and `size` must be known.
    ///
    /// # Errors
    /// What each location answered, or a digest mismatch.
    pub fn download(
        &self,
        _request: &Request,
        _cache: &Cache,
        _progress: &Progress,
    ) -> Result<File, TransferError> {
        todo!()
    }
    /// Many files into the cache, `parallel` at a time. `done` is called with
    /// the request's index as each one is complete and verified (from several
    /// threads), so that work on it overlaps with the other downloads.
    ///
    /// # Errors
    /// The first one that failed everywhere; `done`'s own error stops too.
    pub fn download_all<E: From<TransferError> + Send>(
        &self,
        _requests: &[Request],
        _cache: &Cache,
        _parallel: usize,
        _done: &(dyn Fn(usize, File) -> Result<(), E> + Sync),
        _progress: &Progress,
    ) -> Result<(), E> {
        todo!()
    }
}
