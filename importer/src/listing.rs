//! What was unpacked, listed: what a machine is compared with whose archive
//! (`.tar.xz`, or a `.tar.zst` of others) holds no table of contents.
//!
//! The list is made of the tree before anything else is written to it, and
//! while nobody else can reach it; its bytes are those of a verified archive,
//! and the record of the machine names its digest. As a file it is the length
//! of a table of contents (eight bytes, little endian), the table, and a
//! skeleton, both as an archive has them: so [`crate::verify`] has one way for
//! all machines.

use hatchery_image::Sha256;
use hatchery_image::archive::limits::LISTED_MAX;

/// Bytes of the length of the table.
const LENGTH: usize = 8;

/// Largest file, in bytes.
pub(crate) const LISTING_MAX: u64 = LISTED_MAX + LENGTH as u64;

/// A list.
#[derive(Debug)]
pub(crate) struct Listing {
    bytes: Vec<u8>,
    /// Length of the table.
    table: usize,
    /// By which it is found again.
    pub(crate) sha256: Sha256,
}

impl Listing {
    /// Of a table and a skeleton.
    pub(crate) fn new(table: Vec<u8>, skeleton: &[u8]) -> Self {
        let length = table.len();
        let mut bytes = table;
        bytes.splice(..0, (length as u64).to_le_bytes());
        bytes.extend_from_slice(skeleton);
        Self {
            sha256: Sha256::of(&bytes),
            table: length,
            bytes,
        }
    }

    /// Out of a file; none if it has another digest.
    pub(crate) fn read(bytes: Vec<u8>, sha256: Sha256) -> Option<Self> {
        let length = u64::from_le_bytes(*bytes.first_chunk::<LENGTH>()?);
        let table = usize::try_from(length).ok()?;
        let fits = table <= bytes.len() - LENGTH && Sha256::of(&bytes) == sha256;
        fits.then_some(Self {
            bytes,
            table,
            sha256,
        })
    }

    /// The file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Table and skeleton.
    pub(crate) fn parts(self) -> (Vec<u8>, Vec<u8>) {
        let mut table = self.bytes;
        let skeleton = table.split_off(LENGTH + self.table);
        table.drain(..LENGTH);
        (table, skeleton)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_come_back_and_another_file_is_refused() {
        let listing = Listing::new(b"table".to_vec(), b"skeleton");
        let (bytes, sha256) = (listing.bytes().to_vec(), listing.sha256);
        let parts = (b"table".to_vec(), b"skeleton".to_vec());
        let again = Listing::read(bytes.clone(), sha256).unwrap();
        assert_eq!(again.parts(), parts);
        let mut longer = bytes.clone();
        longer[1] = 1;
        for other in [&longer[..], &bytes[..4], &bytes[1..], b""] {
            assert!(Listing::read(other.to_vec(), sha256).is_none());
            // Nor does a length that lies beyond the end get anybody to read there.
            let own = Sha256::of(other);
            assert!(Listing::read(other.to_vec(), own).is_none());
        }
    }
}
