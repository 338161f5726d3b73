//! Signing with the user's own GnuPG, through gpgme. Private keys never leave
//! GnuPG's homes. (Skeleton; see the owner of this module.)

use crate::Fingerprint;
use std::path::{Path, PathBuf};

/// Placeholder error; the owner refines it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(pub String);

/// A private key in a GnuPG home.
#[derive(Clone, Debug)]
pub struct Signer {
    home: Option<PathBuf>,
    fingerprint: Fingerprint,
}

impl Signer {
    /// Finds the one secret key that matches `query` (fingerprint, mail
    /// address or name; all secret keys when none) in the GnuPG home.
    ///
    /// # Errors
    /// None or several match, or GnuPG does not answer.
    pub fn find(_home: Option<&Path>, _query: Option<&str>) -> Result<Self, SignerError> {
        todo!()
    }
    /// Primary fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
    /// The GnuPG home, if it is not the user's own.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }
    /// A binary detached signature: exactly one.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn sign_detached(&self, _data: &[u8]) -> Result<Vec<u8>, SignerError> {
        todo!()
    }
    /// Seals a payload in an envelope; the bytes of the file.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn seal(&self, _payload_type: &str, _payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        todo!()
    }
    /// The public certificate, binary.
    ///
    /// # Errors
    /// GnuPG refused.
    pub fn public_key(&self) -> Result<Vec<u8>, SignerError> {
        todo!()
    }
}
