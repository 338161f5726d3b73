//! Verifying: a signature and the data that it covers go in, and a
//! [`Verified`] value comes out, or for each signature why it does not count.
//! The data passes once, however many signatures there are.

use super::policy::Rules;
use super::signature::{self, Candidate, Document, Parsed};
use super::{Fingerprint, Keyring, KeyringError, Policy, Reason, Rejected, SIGNATURES_MAX};
use super::{clearsigned, system_time};
use crate::{Sha256, digest::Hashing};
use jiff::Timestamp;
use std::io::{ErrorKind, Read};
use std::ops::Deref;

/// How much of a reader is digested at a time, in bytes: enough that the calls
/// cost nothing beside the digests, and within a core's own cache.
const BUFFER: usize = 256 << 10;

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

impl Keyring {
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
        let mut checks = self.checks(&signatures, Document::Binary, policy, now);
        checks.update(data.as_ref());
        checks.judge(data)
    }

    /// Verifies a detached signature over everything that `data` yields, and
    /// returns the SHA-256 of it. `data` is read once and never held in
    /// memory; how much it may yield is the caller's to limit. When nothing
    /// of the signature can count, it is not read at all.
    ///
    /// # Errors
    /// As above, and those of reading.
    pub fn verify_reader(
        &self,
        data: &mut dyn Read,
        signature: &[u8],
        policy: Policy,
        now: Timestamp,
    ) -> Result<Verified<Sha256>, KeyringError> {
        let signatures = signature::parse(signature)?;
        let mut checks = self.checks(&signatures, Document::Binary, policy, now);
        let mut hashing = Hashing::new(data);
        let mut buffer = vec![0; BUFFER];
        while checks.may_count() {
            match hashing.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => checks.update(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(KeyringError::Data(error)),
            }
        }
        checks.judge(hashing.finish().1)
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
        let mut checks = self.checks(&signatures, Document::Text, policy, now);
        checks.update(&parts.digested());
        checks.judge(parts.text())
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
        let mut checks = self.checks(&signatures, Document::Binary, Policy::Standard, now);
        checks.update(&opened.digested);
        checks.judge(opened.payload)
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
        let mut checks = self.checks(&signatures, Document::Binary, Policy::Standard, now);
        checks.update(data);
        checks.judge(()).map(drop)
    }

    /// Prepares to digest what the signatures cover.
    fn checks<'a>(
        &'a self,
        signatures: &'a [Parsed],
        document: Document,
        policy: Policy,
        now: Timestamp,
    ) -> Checks<'a> {
        let rules = policy.at(system_time(now));
        let candidates = signatures.iter().map(|parsed| {
            let signature = parsed.as_ref().map_err(Rejected::clone)?;
            signature::prepare(signature, &self.members, document, &rules)
        });
        Checks {
            candidates: candidates.collect(),
            rules,
            now,
        }
    }
}

/// Signatures that are checked, while the data that they cover passes.
struct Checks<'a> {
    candidates: Vec<Result<Candidate<'a>, Rejected>>,
    rules: Rules,
    now: Timestamp,
}

impl Checks<'_> {
    fn update(&mut self, data: &[u8]) {
        for candidate in self.candidates.iter_mut().flatten() {
            candidate.update(data);
        }
    }

    fn may_count(&self) -> bool {
        self.candidates.iter().any(Result::is_ok)
    }

    /// The value, if one of the signatures is good.
    fn judge<T>(self, value: T) -> Result<Verified<T>, KeyringError> {
        let time = system_time(self.now);
        let mut rejected = Vec::new();
        for candidate in self.candidates {
            match candidate.and_then(|c| c.judge(&self.rules, time)) {
                Ok((signer, signed_at)) => {
                    return Ok(Verified {
                        value,
                        signer,
                        signed_at,
                    });
                }
                Err(reason) => rejected.push(reason),
            }
        }
        Err(refusal(rejected, self.now))
    }
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
