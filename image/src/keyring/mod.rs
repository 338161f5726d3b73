//! Whom to trust: OpenPGP certificates, and the only place where a
//! [`Verified`] value is made.
//!
//! Verifies in process with sequoia-openpgp; no gpg is needed. gpg's exit
//! status is no verdict: 2.2 accepts SHA-1, expired and revoked keys and a
//! future date. Here a key must be live and unrevoked at `now` and the
//! signature strong; what is pinned is the primary fingerprint, so that
//! signing subkeys may change. Any one good signature by a key of the keyring
//! suffices: Debian signs a release with the keys of two, and a repository
//! with an old and a new key can be read by hosts that know either. When none
//! is good, the error says for each why.
//!
//! Never reads the clock. Only `directory` touches the disk.

mod certificate;
mod clearsigned;
mod directory;
mod error;
mod fingerprint;
#[cfg(test)]
pub(crate) mod forge;
mod signature;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertificateState};
pub use directory::{KEY_EXTENSIONS, key_files};
pub use error::{Cause, KeyringError, Reason, Rejected};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use signature::CLOCK_TOLERANCE;

use jiff::Timestamp;
use sequoia_openpgp::Cert;
use signature::{Candidate, Document};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

/// Longest key file that is read, in bytes. Arch's keyring, the largest of a
/// distribution, takes 1 MiB.
pub const KEYRING_MAX: usize = 16 << 20;

/// Most certificates that a key file may hold; Arch's has 164.
pub const CERTIFICATES_MAX: usize = 4096;

/// Longest detached signature or armored block of signatures that is read, in
/// bytes. Debian's three take 2.5 KiB, a post-quantum one up to 50 KiB.
pub const SIGNATURE_MAX: usize = 256 << 10;

/// Most signatures that are looked at; Debian makes up to four.
pub const SIGNATURES_MAX: usize = 32;

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

/// Certificates whose signatures count.
#[derive(Clone, Default)]
pub struct Keyring {
    certificates: Vec<Arc<Cert>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fingerprints()).finish()
    }
}

impl Keyring {
    /// Reads certificates, binary or armored, one or several.
    ///
    /// # Errors
    /// Bytes that hold no certificate, one that cannot be read, or a private key.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let mut keyring = Self::default();
        for certificate in certificate::parse(bytes)? {
            keyring.insert(certificate);
        }
        Ok(keyring)
    }

    /// Adds the certificates of another keyring. One that is in both keeps
    /// what either knows of it: subkeys, extensions, revocations.
    pub fn extend(&mut self, other: Self) {
        for certificate in other.certificates {
            self.insert(certificate);
        }
    }

    fn insert(&mut self, certificate: Arc<Cert>) {
        let fingerprint = certificate.fingerprint();
        let Some(known) = self
            .certificates
            .iter_mut()
            .find(|c| c.fingerprint() == fingerprint)
        else {
            self.certificates.push(certificate);
            return;
        };
        let merged = Cert::clone(known)
            .merge_public(Cert::clone(&certificate))
            .expect("certificates of one fingerprint merge");
        *known = Arc::new(merged);
    }

    /// Only the certificates with these primary fingerprints.
    #[must_use]
    pub fn only(&self, fingerprints: &[Fingerprint]) -> Self {
        let wanted = |c: &&Arc<Cert>| fingerprints.contains(&c.fingerprint().into());
        Self {
            certificates: self.certificates.iter().filter(wanted).cloned().collect(),
        }
    }

    /// Primary fingerprints of all certificates.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        let fingerprints = self.certificates.iter().map(|c| c.fingerprint().into());
        fingerprints.collect()
    }

    /// Whether no certificate is in it, so that nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The certificates as a person wants to see them at the time `now`.
    #[must_use]
    pub fn certificates(&self, now: Timestamp) -> Vec<Certificate> {
        let certificates = self.certificates.iter();
        certificates
            .map(|c| certificate::describe(c, now))
            .collect()
    }

    /// Verifies a detached signature over `data` at the time `now`; any one
    /// good signature by a key of this keyring suffices.
    ///
    /// # Errors
    /// No good signature: says for each why it does not count.
    pub fn verify_detached<T: AsRef<[u8]>>(
        &self,
        data: T,
        signature: &[u8],
        policy: Policy,
        now: Timestamp,
    ) -> Result<Verified<T>, KeyringError> {
        let signatures = signature::parse(signature)?;
        let (signer, signed_at) =
            self.judge(&signatures, Document::Binary, data.as_ref(), policy, now)?;
        Ok(Verified {
            value: data,
            signer,
            signed_at,
        })
    }

    /// Verifies a clearsigned text (Debian's `InRelease`) and returns what is
    /// inside the signature: its lines without the blanks at their ends, which
    /// the signature does not cover, each ended with a line feed. Anything
    /// around it is an error.
    ///
    /// # Errors
    /// As above, and a text that is not exactly one clearsigned message.
    pub fn verify_clearsigned(
        &self,
        text: &[u8],
        policy: Policy,
        now: Timestamp,
    ) -> Result<Verified<Vec<u8>>, KeyringError> {
        let parts = clearsigned::Clearsigned::parse(text)?;
        let signatures = signature::parse(parts.signature)?;
        let (signer, signed_at) =
            self.judge(&signatures, Document::Text, &parts.digested(), policy, now)?;
        Ok(Verified {
            value: parts.text(),
            signer,
            signed_at,
        })
    }

    /// Verifies an envelope of the given payload type and returns its payload.
    ///
    /// # Errors
    /// As above, and another payload type.
    pub fn verify_envelope(
        &self,
        bytes: &[u8],
        payload_type: &str,
        now: Timestamp,
    ) -> Result<Verified<Vec<u8>>, KeyringError> {
        let opened = crate::envelope::open(bytes, payload_type)?;
        let mut signatures = Vec::new();
        for signature in &opened.signatures {
            signatures.extend(signature::parse(signature)?);
            if signatures.len() > SIGNATURES_MAX {
                return Err(KeyringError::SignatureTooLarge);
            }
        }
        if signatures.is_empty() {
            return Err(KeyringError::NoSignature);
        }
        let (signer, signed_at) = self.judge(
            &signatures,
            Document::Binary,
            &opened.digested,
            Policy::Standard,
            now,
        )?;
        Ok(Verified {
            value: opened.payload,
            signer,
            signed_at,
        })
    }

    /// Checks a signature that was just made: exactly one, by this keyring,
    /// and good at the time that it says itself.
    #[cfg(feature = "sign")]
    pub(crate) fn check_made(&self, data: &[u8], signature: &[u8]) -> Result<(), KeyringError> {
        let signatures = signature::parse(signature)?;
        let [made] = signatures.as_slice() else {
            return Err(KeyringError::SeveralSignatures(signatures.len()));
        };
        let time = made.as_ref().ok().and_then(|s| s.signature_creation_time());
        let time = time.and_then(|t| Timestamp::try_from(t).ok());
        let now = time.unwrap_or(Timestamp::UNIX_EPOCH);
        let document = Document::Binary;
        self.judge(&signatures, document, data, Policy::Standard, now)
            .map(drop)
    }

    fn judge(
        &self,
        signatures: &[signature::Parsed],
        document: Document,
        data: &[u8],
        Policy::Standard: Policy,
        now: Timestamp,
    ) -> Result<(Fingerprint, Timestamp), KeyringError> {
        let time = system_time(now);
        let policy = signature::policy(time);
        let mut rejected = Vec::new();
        for parsed in signatures {
            let judged = parsed
                .as_ref()
                .map_err(Rejected::clone)
                .and_then(|s| signature::prepare(s, &self.certificates, document, &policy))
                .and_then(|mut candidate: Candidate<'_>| {
                    candidate.update(data);
                    candidate.judge(&policy, time)
                });
            match judged {
                Ok(good) => return Ok(good),
                Err(reason) => rejected.push(reason),
            }
        }
        Err(refusal(rejected, now))
    }
}

/// The binary form of a signature that may be armored.
#[cfg(feature = "sign")]
pub(crate) fn dearmor_signature(bytes: &[u8]) -> Result<Vec<u8>, KeyringError> {
    signature::dearmor(bytes).map(std::borrow::Cow::into_owned)
}

/// Before 1970 no key is live, so what cannot be converted verifies nothing.
fn system_time(now: Timestamp) -> SystemTime {
    SystemTime::try_from(now).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A clock that is behind explains more than the other reasons do: keys and
/// signatures look wrong because of it.
fn refusal(rejected: Vec<Rejected>, now: Timestamp) -> KeyringError {
    for Rejected { key, reason } in &rejected {
        if let (Reason::Future(signed), Ok(signer)) = (reason, key.parse()) {
            return KeyringError::ClockBeforeSignature {
                signer,
                signed: *signed,
                now,
            };
        }
    }
    KeyringError::Untrusted(rejected)
}
