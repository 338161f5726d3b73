//! Fingerprints of OpenPGP primary keys as a type.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fingerprint of a primary key: 40 (v4) or 64 (v6) upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// A text that is not a fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a fingerprint (40 or 64 hexadecimal digits)")]
pub struct InvalidFingerprint(String);

impl Fingerprint {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;
    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex || !matches!(digits.len(), 40 | 64) {
            return Err(InvalidFingerprint(text.chars().take(100).collect()));
        }
        Ok(Self(digits.to_ascii_uppercase()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;
    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(f: Fingerprint) -> Self {
        f.0
    }
}

impl From<sequoia_openpgp::Fingerprint> for Fingerprint {
    fn from(f: sequoia_openpgp::Fingerprint) -> Self {
        Self(f.to_hex())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpg_s_groups_and_lower_case_are_read() {
        let spaced = "4cb5 0190 207b 4758 a3f7  3a79 6ed0 e7b8 2643 e131";
        let fingerprint: Fingerprint = spaced.parse().unwrap();
        assert_eq!(
            fingerprint.as_str(),
            "4CB50190207B4758A3F73A796ED0E7B82643E131"
        );
    }

    #[test]
    fn key_ids_and_other_texts_are_not_fingerprints() {
        for text in [
            "",
            "6ED0E7B82643E131",
            "0x4CB50190207B4758A3F73A796ED0E7B82643E131",
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text:?}");
        }
    }
}
