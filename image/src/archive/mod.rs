//! The archive: a deterministic tar in zstd frames that are cut at file
//! boundaries, with a table of contents and a skeleton. (Skeleton; see the
//! owner of this module.)

use crate::manifest::{self, Tar, Unpacked};
use crate::place::Root;
use crate::progress::Progress;
use std::fs::File;
use std::path::Path;

/// How to pack.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// Newer modification times are set to this (seconds since 1970).
    pub source_date_epoch: i64,
    /// zstd level, 1 to 19.
    pub zstd_level: i32,
    /// xz preset, 0 to 9, if a `.tar.xz` is wanted too.
    pub xz_level: Option<u32>,
    /// Threads; the bytes do not depend on them.
    pub threads: usize,
}

/// What packing made.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The tar stream.
    pub tar: Tar,
    /// The archives.
    pub archives: Vec<manifest::Archive>,
    /// What unpacking makes.
    pub unpacked: Unpacked,
}

/// Placeholder error; the owner refines it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArchiveError(pub String);

/// Packs the tree at `root` into `directory/BASE.tar.zst` (and `.tar.xz`),
/// fsynced. Reads the tree once.
///
/// # Errors
/// Which file could not be read or written.
pub fn pack(
    _root: &Path,
    _directory: &Path,
    _base: &str,
    _options: &PackOptions,
    _progress: &Progress,
) -> Result<Packed, ArchiveError> {
    todo!()
}

/// An open archive whose bytes had the expected digest.
#[derive(Debug)]
pub struct VerifiedArchive {
    _file: File,
    _archive: manifest::Archive,
}

impl VerifiedArchive {
    /// Reads the file once and compares size and digest.
    ///
    /// # Errors
    /// It differs, or cannot be read.
    pub fn verify(_file: File, _expected: &manifest::Archive) -> Result<Self, ArchiveError> {
        todo!()
    }
}

/// Unpacks a verified archive beneath `root`, in parallel, refusing anything
/// beyond `limits` or out of the root.
///
/// # Errors
/// Which entry was refused and why, or what the system said.
pub fn unpack(
    _archive: &VerifiedArchive,
    _root: &Root,
    _limits: &Unpacked,
    _threads: usize,
    _progress: &Progress,
) -> Result<(), ArchiveError> {
    todo!()
}
