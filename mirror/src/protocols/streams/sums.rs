//! The fingerprints of images: SHA-256 of the metadata tarball followed by the
//! root archive, for which the whole archive has to be read once.
//!
//! `publish` makes it and keeps it in the store, in a file of its own, named
//! by the digests of both, whose content is the digest in hexadecimal and a
//! line feed:
//!
//! ```text
//! ROOT/derived/streams/<metadata>-<archive>
//! ```
//!
//! Nothing depends on these files: what is missing, damaged or of other
//! metadata the server makes good in memory (see `fingerprints`), since it does
//! not write to the store.

use crate::store::Store;
use hatchery_image::Sha256;
use hatchery_image::digest::Hashing;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Folder of what is derived, and the one in it for what is here.
pub(crate) const FOLDER: [&str; 2] = ["derived", "streams"];
/// Largest file of it that is read, in bytes: 64 digits and a line feed.
const FILE_MAX: u64 = 65;
/// Bytes that are read between two looks at whether to go on.
const CHUNK: u64 = 4 << 20;

/// What a fingerprint is made of: the digests of both files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    pub(crate) metadata: Sha256,
    pub(crate) archive: Sha256,
}

impl Parts {
    /// The file in [`FOLDER`] that keeps the fingerprint.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}", self.metadata, self.archive)
    }

    /// The fingerprint that the store keeps.
    pub(crate) fn kept(&self, store: &Store) -> Option<Sha256> {
        let path: PathBuf = FOLDER.iter().collect();
        let bytes = store.read(&path.join(self.file_name()), FILE_MAX);
        let bytes = bytes.ok().flatten()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }
}

/// What a file of [`FOLDER`] holds.
pub(crate) fn file_content(fingerprint: Sha256) -> Vec<u8> {
    format!("{fingerprint}\n").into_bytes()
}

/// Digests metadata and archive; none when `go_on` said no.
///
/// # Errors
/// The archive cannot be read, or has not so many bytes.
pub(crate) fn compute(
    metadata: &[u8],
    archive: &File,
    length: u64,
    mut go_on: impl FnMut() -> bool,
) -> io::Result<Option<Sha256>> {
    let total = length.saturating_add(metadata.len() as u64);
    // One byte more would show that it has grown.
    let both = metadata.chain(archive).take(total.saturating_add(1));
    let mut hashing = Hashing::new(both);
    while go_on() {
        if io::copy(&mut (&mut hashing).take(CHUNK), &mut io::sink())? == 0 {
            if hashing.length() == total {
                return Ok(Some(hashing.finish().1));
            }
            let text = format!("it has not the {length} bytes that its manifest says");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    Ok(None)
}
