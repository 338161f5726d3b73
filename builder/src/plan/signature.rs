//! A package's own signature, which a lock keeps as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Longest signature that is kept, in bytes. Arch's have 119 to 566, one of a
/// post-quantum key takes up to 50 KiB.
pub const SIGNATURE_MAX: usize = 64 << 10;

/// A detached OpenPGP signature, as it came and not verified yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature(Vec<u8>);

/// Something that is not the signature of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature of a package has 1 to {SIGNATURE_MAX} bytes, written as base64")]
pub struct InvalidSignature;

impl Signature {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for Signature {
    type Error = InvalidSignature;
    fn try_from(bytes: Vec<u8>) -> Result<Self, InvalidSignature> {
        if bytes.is_empty() || bytes.len() > SIGNATURE_MAX {
            return Err(InvalidSignature);
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Signature {
    type Error = InvalidSignature;
    fn try_from(text: String) -> Result<Self, InvalidSignature> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidSignature)?;
        bytes.try_into()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        STANDARD.encode(signature.0)
    }
}
