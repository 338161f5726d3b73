//! Unpacking any archive with ours and with the programs that it is judged
//! by, and comparing what came of it.

pub(crate) mod bytes;
pub(crate) mod tree;

use hatchery_image::archive::{ArchiveError, VerifiedArchive, unpack};
use hatchery_image::manifest::{Archive, ArchiveFormat, Span, Unpacked};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use std::fs::{self, File};
use std::path::Path;

/// An archive file's bytes, and what its manifest says.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) format: ArchiveFormat,
    pub(crate) toc: Option<Span>,
}

impl Packed {
    pub(crate) fn zst(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            format: ArchiveFormat::TarZst,
            toc: None,
        }
    }

    pub(crate) fn xz(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            format: ArchiveFormat::TarXz,
            toc: None,
        }
    }

    /// A tar in one zstd frame.
    pub(crate) fn tar(tar: &[u8]) -> Self {
        Self::zst(zstd::bulk::compress(tar, 1).unwrap())
    }

    pub(crate) fn manifest(&self, file: &str) -> Archive {
        Archive {
            file: file.parse().unwrap(),
            format: self.format,
            size: self.bytes.len() as u64,
            sha256: Sha256::of(&self.bytes),
            toc: self.toc.clone(),
            skeleton: None,
        }
    }
}

/// Whether paths are resolved by the kernel, or part by part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    Kernel,
    Steps,
}

/// Unpacks an archive into an existing directory, as an import does.
pub(crate) fn unpack_to(
    packed: &Packed,
    target: &Path,
    limits: &Unpacked,
    walk: Walk,
) -> Result<(), ArchiveError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    fs::write(&path, &packed.bytes).unwrap();
    unpack_file(&path, &packed.manifest("archive"), target, limits, walk)
}

/// The same of a file.
pub(crate) fn unpack_file(
    path: &Path,
    archive: &Archive,
    target: &Path,
    limits: &Unpacked,
    walk: Walk,
) -> Result<(), ArchiveError> {
    let verified = VerifiedArchive::verify(File::open(path).unwrap(), archive)?;
    let mut root = Root::open(target, Resolve::Beneath).unwrap();
    if walk == Walk::Steps {
        root = root.in_steps();
    }
    unpack(&verified, &root, limits, 3, &Progress::silent())
}
