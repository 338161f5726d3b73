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
//! A distribution whose packagers sign each with a key of their own says whom
//! it trusts with certifications; [`Keyring::from_web_of_trust`] follows them.
//!
//! Never reads the clock. Only `directory` touches the disk.

mod certificate;
mod clearsigned;
mod directory;
mod error;
mod fingerprint;
#[cfg(test)]
pub(crate) mod forge;
mod own;
mod policy;
mod signature;
#[cfg(test)]
mod tests;
mod verify;
mod web;

pub use certificate::{Certificate, CertificateState};
pub use directory::{KEY_EXTENSIONS, key_files};
pub use error::{Cause, KeyringError, Reason, Rejected};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use own::CERTIFICATE_MAX;
pub use policy::Policy;
pub use signature::CLOCK_TOLERANCE;
pub use verify::Verified;

use jiff::Timestamp;
use sequoia_openpgp::Cert;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use web::Standing;

/// Longest key file that is read, in bytes. Arch's keyring, the largest of a
/// distribution, takes 1.7 MiB.
pub const KEYRING_MAX: usize = 16 << 20;

/// Most certificates that a key file may hold; Arch's has 182.
pub const CERTIFICATES_MAX: usize = 4096;

/// Longest detached signature or armored block of signatures that is read, in
/// bytes. Debian's three take 2.5 KiB, a post-quantum one up to 50 KiB.
pub const SIGNATURE_MAX: usize = 256 << 10;

/// Most signatures that are looked at; Debian makes up to four.
pub const SIGNATURES_MAX: usize = 32;

/// Certificates whose signatures count.
#[derive(Clone, Default)]
pub struct Keyring {
    members: Vec<Member>,
}

/// A certificate of a keyring.
#[derive(Clone)]
struct Member {
    certificate: Arc<Cert>,
    /// None: it was named, and counts by itself.
    standing: Option<Arc<Standing>>,
}

impl Member {
    fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint().into()
    }
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
            keyring.insert(Member {
                certificate,
                standing: None,
            });
        }
        Ok(keyring)
    }

    /// Adds the certificates of another keyring. One that is in both keeps
    /// what either knows of it: subkeys, extensions, revocations. It counts by
    /// itself if it does so in either.
    pub fn extend(&mut self, other: Self) {
        for member in other.members {
            self.insert(member);
        }
    }

    fn insert(&mut self, member: Member) {
        let fingerprint = member.certificate.fingerprint();
        let Some(known) = self
            .members
            .iter_mut()
            .find(|m| m.certificate.fingerprint() == fingerprint)
        else {
            self.members.push(member);
            return;
        };
        let merged = Cert::clone(&known.certificate)
            .merge_public(Cert::clone(&member.certificate))
            .expect("certificates of one fingerprint merge");
        let standings = known.standing.take().zip(member.standing);
        known.standing = standings.map(|(known, _)| Arc::new(known.anew()));
        known.certificate = Arc::new(merged);
    }

    /// Only the certificates with these primary fingerprints.
    #[must_use]
    pub fn only(&self, fingerprints: &[Fingerprint]) -> Self {
        let wanted = |m: &&Member| fingerprints.contains(&m.fingerprint());
        Self {
            members: self.members.iter().filter(wanted).cloned().collect(),
        }
    }

    /// Primary fingerprints of all certificates.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.members.iter().map(Member::fingerprint).collect()
    }

    /// Whether no certificate is in it, so that nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The certificates as a person wants to see them at the time `now`.
    #[must_use]
    pub fn certificates(&self, now: Timestamp) -> Vec<Certificate> {
        let members = self.members.iter();
        members.map(|m| certificate::describe(m, now)).collect()
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
