//! Whom to trust: OpenPGP certificates, and the only place where a
//! [`Verified`] value is made. (Skeleton; see the owner of this module.)

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Fingerprint of a primary key: 40 (v4) or 64 (v6) upper-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// A text that is not a fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a fingerprint (40 or 64 hexadecimal digits)")]
pub struct InvalidFingerprint(String);

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
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Fingerprint {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value whose signature was good. Only [`Keyring`] makes one.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    signer: Fingerprint,
    signed_at: Timestamp,
}

impl<T> Verified<T> {
    /// Primary fingerprint of the key whose signature was good.
    pub fn signer(&self) -> &Fingerprint {
        &self.signer
    }
    /// When that signature was made.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }
    /// Reads the verified value as something else; the proof is kept.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Verified<U>, E> {
        let Self {
            value,
            signer,
            signed_at,
        } = self;
        Ok(Verified {
            value: read(value)?,
            signer,
            signed_at,
        })
    }
    /// The value without its proof.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// How strict to be. An explicit choice a distribution, in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// sequoia's standard policy at the given time: our own signatures, Debian's.
    Standard,
}

/// Why nothing was verified. (To be refined by the owner of this module.)
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Placeholder.
    #[error("{0}")]
    Other(String),
}

/// Certificates whose signatures count.
#[derive(Clone, Debug, Default)]
pub struct Keyring {}

impl Keyring {
    /// Reads certificates, binary or armored, one or several.
    ///
    /// # Errors
    /// Bytes that hold no certificate.
    pub fn parse(_bytes: &[u8]) -> Result<Self, KeyringError> {
        todo!()
    }
    /// Adds the certificates of another keyring.
    pub fn extend(&mut self, _other: Self) {
        todo!()
    }
    /// Only the certificates with these primary fingerprints.
    #[must_use]
    pub fn only(&self, _fingerprints: &[Fingerprint]) -> Self {
        todo!()
    }
    /// Primary fingerprints of all certificates.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        todo!()
    }
    /// Verifies a detached signature over `data` at the time `now`; any one
    /// good signature by a key of this keyring suffices.
    ///
    /// # Errors
    /// No good signature: says for each why it does not count.
    pub fn verify_detached<T: AsRef<[u8]>>(
        &self,
        _data: T,
        _signature: &[u8],
        _policy: Policy,
        _now: Timestamp,
    ) -> Result<Verified<T>, KeyringError> {
        todo!()
    }
    /// Verifies a clearsigned text (Debian's `InRelease`) and returns what is
    /// inside the signature. Anything around it is an error.
    ///
    /// # Errors
    /// As above.
    pub fn verify_clearsigned(
        &self,
        _text: &[u8],
        _policy: Policy,
        _now: Timestamp,
    ) -> Result<Verified<Vec<u8>>, KeyringError> {
        todo!()
    }
    /// Verifies an envelope of the given payload type and returns its payload.
    ///
    /// # Errors
    /// As above, and another payload type.
    pub fn verify_envelope(
        &self,
        _bytes: &[u8],
        _payload_type: &str,
        _now: Timestamp,
    ) -> Result<Verified<Vec<u8>>, KeyringError> {
        todo!()
    }
}
