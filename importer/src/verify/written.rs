//! What the import itself wrote into the tree, on top of the image: no change
//! of anybody's as long as it is as it was written.

use super::VerifyError;
use crate::record::WrittenFile;
use hatchery_image::Sha256;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// Largest such file, in bytes. A larger one is not as it was written.
const FILE_MAX: u64 = 1 << 20;

/// The files that were written, and whether each is unchanged.
#[derive(Debug)]
pub(super) struct Written {
    files: BTreeMap<Vec<u8>, bool>,
    folders: BTreeSet<Vec<u8>>,
}

impl Written {
    /// Reads them beneath the tree, without following any link.
    pub(super) fn open(tree: &Path, files: &[WrittenFile]) -> Result<Self, VerifyError> {
        let mut written = Self {
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
        };
        for file in files {
            let is_same = is_same(tree, file).map_err(|source| VerifyError::Failed {
                doing: "read",
                path: file.path.beneath(tree),
                source,
            })?;
            let path = file.path.as_str();
            written.files.insert(path.as_bytes().to_vec(), is_same);
            for (at, _) in path.match_indices('/') {
                written.folders.insert(path.as_bytes()[..at].to_vec());
            }
        }
        Ok(written)
    }

    /// The files, and the directories above them.
    pub(super) fn paths(&self) -> BTreeSet<Vec<u8>> {
        let files = self.files.keys();
        files.chain(&self.folders).cloned().collect()
    }

    /// Whether a difference at this path is the import's own.
    pub(super) fn is_own_file(&self, path: &[u8]) -> bool {
        self.files.get(path) == Some(&true)
    }

    /// Whether a directory that was added is above a file of the import's own.
    pub(super) fn is_own_folder(&self, path: &[u8]) -> bool {
        self.folders.contains(path)
    }
}

fn is_same(tree: &Path, file: &WrittenFile) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(tree, flags, Mode::empty())?;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle: OwnedFd =
        match rustix::fs::openat2(&root, file.path.as_str(), flags, Mode::empty(), how) {
            Ok(handle) => handle,
            // Gone, or somebody has put something else there.
            Err(_) => return Ok(false),
        };
    if FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode) != FileType::RegularFile {
        return Ok(false);
    }
    let named = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let opened = rustix::fs::openat(CWD, named, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    File::from(opened)
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes.len() as u64 <= FILE_MAX && Sha256::of(&bytes) == file.sha256)
}
