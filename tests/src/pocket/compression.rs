//! How packages and databases are compressed: the four that pacman's users
//! meet.

use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use std::io::{self, Read, Write as _};

/// Fast: what is made here is read a few times and thrown away.
const ZSTD_LEVEL: i32 = 1;
/// The same for xz.
const XZ_LEVEL: u32 = 0;
/// Most bytes that something that was made here unpacks to.
const UNPACKED_MAX: u64 = 256 << 20;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.zst`, as Arch's packages are.
    Zstd,
    /// `.xz`, as they were until 2019.
    Xz,
    /// `.gz`, as Arch's databases are.
    Gzip,
    /// None at all.
    None,
}

impl Compression {
    /// What file names end in.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    /// Compresses.
    ///
    /// # Panics
    /// Never: memory takes everything.
    #[must_use]
    pub fn pack(self, bytes: &[u8]) -> Vec<u8> {
        let packed = match self {
            Self::Zstd => zstd::encode_all(bytes, ZSTD_LEVEL),
            Self::Xz => {
                let mut xz = XzEncoder::new(Vec::new(), XZ_LEVEL);
                xz.write_all(bytes).and_then(|()| xz.finish())
            }
            Self::Gzip => gzip(bytes),
            Self::None => Ok(bytes.to_vec()),
        };
        packed.expect("memory takes everything")
    }

    /// What [`Compression::pack`] has compressed, and with which.
    ///
    /// # Panics
    /// When it was something else.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> (Self, Vec<u8>) {
        let (this, reader): (Self, Box<dyn Read + '_>) = match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let zstd = zstd::Decoder::new(bytes).expect("a decoder");
                (Self::Zstd, Box::new(zstd))
            }
            [0xfd, b'7', b'z', ..] => (Self::Xz, Box::new(liblzma::read::XzDecoder::new(bytes))),
            [0x1f, 0x8b, ..] => (
                Self::Gzip,
                Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            ),
            _ => (Self::None, Box::new(bytes)),
        };
        let mut unpacked = Vec::new();
        let read = reader.take(UNPACKED_MAX).read_to_end(&mut unpacked);
        read.expect("what was compressed");
        (this, unpacked)
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)?;
    gzip.finish()
}
