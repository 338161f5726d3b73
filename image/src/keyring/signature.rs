//! One detached signature: read strictly, then judged. The order of the
//! checks decides what is reported: what the signature itself claims (its
//! time, say) is only believed once the key has vouched for it.
//!
//! Verification works on packets and not with sequoia's `DetachedVerifier`,
//! because that asks whether the key was good when the signature was made;
//! ours asks whether it is good now.

use super::error::{Cause, KeyringError, Reason, Rejected};
use super::policy::Rules;
use super::{Fingerprint, Member, SIGNATURE_MAX, SIGNATURES_MAX};
use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::cert::prelude::*;
use openpgp::crypto::hash::Context;
use openpgp::packet::{Packet, Signature, Tag};
use openpgp::parse::{PacketParser, PacketParserBuilder, PacketParserResult, Parse as _};
use openpgp::policy::{HashAlgoSecurity, Policy as _};
use openpgp::types::{RevocationStatus, SignatureType};
use std::borrow::Cow;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

/// How far a signature may lie in the future: clocks of two hosts that are
/// both kept by NTP differ by less than this.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

const ARMOR: &[u8] = b"-----BEGIN PGP ";

/// What kind of document a signature must say it covers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// Bytes as they are.
    Binary,
    /// A text with CRLF between its lines.
    Text,
}

/// A signature that could be read, or why not.
pub(super) type Parsed = Result<Signature, Rejected>;

/// Reads detached signatures, binary or armored: signature packets and
/// nothing else.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Parsed>, KeyringError> {
    packets(&dearmor(bytes)?)
}

/// The binary form of signatures that may be armored.
pub(super) fn dearmor(bytes: &[u8]) -> Result<Cow<'_, [u8]>, KeyringError> {
    if bytes.len() > SIGNATURE_MAX {
        return Err(KeyringError::SignatureTooLarge);
    }
    if bytes.is_empty() {
        return Err(KeyringError::NoSignature);
    }
    if !bytes.trim_ascii_start().starts_with(ARMOR) {
        return Ok(bytes.into());
    }
    let mode = openpgp::armor::ReaderMode::Tolerant(Some(openpgp::armor::Kind::Signature));
    let mut binary = Vec::new();
    // Dearmored is shorter than armored, and that was limited above.
    openpgp::armor::Reader::from_bytes(bytes, mode)
        .read_to_end(&mut binary)
        .map_err(|e| KeyringError::MalformedSignature(e.into()))?;
    Ok(binary.into())
}

fn packets(binary: &[u8]) -> Result<Vec<Parsed>, KeyringError> {
    let malformed = |e: openpgp::anyhow::Error| KeyringError::MalformedSignature(e.into());
    let mut signatures = Vec::new();
    // Without recursion nothing is ever decompressed.
    let mut result: PacketParserResult<'_> = PacketParserBuilder::from_bytes(binary)
        .map_err(malformed)?
        .dearmor(openpgp::parse::Dearmor::Disabled)
        .max_recursion_depth(0)
        .build()
        .map_err(malformed)?;
    while let PacketParserResult::Some(parser) = result {
        if parser.packet.tag() != Tag::Signature {
            let what = format!("it holds a packet of type {}", parser.packet.tag());
            return Err(KeyringError::MalformedSignature(what.into()));
        }
        if signatures.len() == SIGNATURES_MAX {
            return Err(KeyringError::SignatureTooLarge);
        }
        let (packet, rest) = next(parser).map_err(KeyringError::MalformedSignature)?;
        signatures.push(read(packet));
        result = rest;
    }
    if signatures.is_empty() {
        return Err(KeyringError::NoSignature);
    }
    Ok(signatures)
}

fn next(parser: PacketParser<'_>) -> Result<(Packet, PacketParserResult<'_>), Cause> {
    parser.next().map_err(Into::into)
}

fn read(packet: Packet) -> Parsed {
    match packet {
        Packet::Signature(signature) => Ok(signature),
        Packet::Unknown(unknown) => Err(Rejected {
            key: "of an unreadable signature".into(),
            reason: Reason::Malformed(unknown.error().to_string()),
        }),
        _ => Err(Rejected {
            key: "of an unreadable signature".into(),
            reason: Reason::Malformed("unexpected packet".into()),
        }),
    }
}

/// A signature whose key is in the keyring, while the data is digested.
pub(super) struct Candidate<'a> {
    signature: &'a Signature,
    members: Vec<&'a Member>,
    digest: Context,
}

/// Looks up whose signature this may be, and prepares to digest the data.
pub(super) fn prepare<'a>(
    signature: &'a Signature,
    members: &'a [Member],
    document: Document,
    rules: &Rules,
) -> Result<Candidate<'a>, Rejected> {
    let issuers = signature.get_issuers();
    let claimed = issuers
        .first()
        .map_or_else(|| "of an unnamed signer".into(), ToString::to_string);
    let reject = |reason| {
        Err(Rejected {
            key: claimed.clone(),
            reason,
        })
    };
    let has_key = |m: &&Member| {
        let mut keys = m.certificate.keys().key_handles(issuers.iter());
        !issuers.is_empty() && keys.next().is_some()
    };
    let members: Vec<_> = members.iter().filter(has_key).collect();
    if members.is_empty() {
        return reject(Reason::UnknownKey);
    }
    let expected = match document {
        Document::Binary => SignatureType::Binary,
        Document::Text => SignatureType::Text,
    };
    if signature.typ() != expected {
        let what = format!("its type is {}, not {expected}", signature.typ());
        return reject(Reason::Malformed(what));
    }
    if let Err(error) = rules.signature(signature, HashAlgoSecurity::CollisionResistance) {
        return reject(Reason::Weak(root_cause(&error)));
    }
    let mut digest = match signature.hash_algo().context() {
        Ok(builder) => builder.for_signature(signature.version()),
        Err(error) => return reject(Reason::Weak(root_cause(&error))),
    };
    if let Signature::V6(v6) = signature {
        digest.update(v6.salt());
    }
    Ok(Candidate {
        signature,
        members,
        digest,
    })
}

impl Candidate<'_> {
    /// Digests some of the data.
    pub(super) fn update(&mut self, data: &[u8]) {
        self.digest.update(data);
    }

    /// Whose signature it is and when it was made, if it is good at `now`.
    pub(super) fn judge(
        &self,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<(Fingerprint, Timestamp), Rejected> {
        let mut rejected = None;
        for member in &self.members {
            match self.judge_with(member, rules, now) {
                Ok(time) => return Ok((member.fingerprint(), time)),
                Err(reason) => {
                    let key = member.fingerprint().into();
                    // One key can sit in two certificates; what is reported
                    // is of the one that comes closest.
                    if rejected.is_none() || reason != Reason::BadSignature {
                        rejected = Some(Rejected { key, reason });
                    }
                }
            }
        }
        Err(rejected.expect("a candidate has at least one certificate"))
    }

    fn judge_with(
        &self,
        member: &Member,
        rules: &Rules,
        now: SystemTime,
    ) -> Result<Timestamp, Reason> {
        let issuers = self.signature.get_issuers();
        let certificate = &*member.certificate;
        let key = certificate
            .keys()
            .key_handles(issuers.iter())
            .find(|k| {
                self.signature
                    .verify_hash(k.key(), self.digest.clone())
                    .is_ok()
            })
            .ok_or(Reason::BadSignature)?;
        let time = self.judge_time(now)?;
        // Within the tolerance, a key may be as new as its signature.
        let made = self.signature.signature_creation_time();
        let now = made.map_or(now, |made| made.max(now));
        let valid = certificate
            .with_policy(rules, now)
            .map_err(|e| Reason::KeyRefused(root_cause(&e)))?;
        if let RevocationStatus::Revoked(_) = valid.revocation_status() {
            return Err(Reason::KeyRevoked);
        }
        valid
            .alive()
            .map_err(|e| not_alive(&e, valid.primary_key().key_expiration_time()))?;
        let key = key
            .with_policy(rules, now)
            .map_err(|e| Reason::KeyRefused(root_cause(&e)))?;
        if let RevocationStatus::Revoked(_) = key.revocation_status() {
            return Err(Reason::KeyRevoked);
        }
        key.alive()
            .map_err(|e| not_alive(&e, key.key_expiration_time()))?;
        if !key.for_signing() {
            return Err(Reason::NotForSigning);
        }
        if let Some(standing) = &member.standing {
            standing.judge(certificate, now)?;
        }
        Ok(time)
    }

    fn judge_time(&self, now: SystemTime) -> Result<Timestamp, Reason> {
        let made = self
            .signature
            .signature_creation_time()
            .ok_or_else(|| Reason::Malformed("it has no time".into()))?;
        let time = timestamp(made)?;
        if made > now + CLOCK_TOLERANCE {
            return Err(Reason::Future(time));
        }
        match self.signature.signature_expiration_time() {
            Some(expires) if expires <= now => Err(Reason::SignatureExpired(timestamp(expires)?)),
            _ => Ok(time),
        }
    }
}

fn timestamp(time: SystemTime) -> Result<Timestamp, Reason> {
    Timestamp::try_from(time).map_err(|e| Reason::Malformed(e.to_string()))
}

fn not_alive(error: &openpgp::anyhow::Error, expires: Option<SystemTime>) -> Reason {
    match error.downcast_ref::<openpgp::Error>() {
        Some(openpgp::Error::Expired(_)) => {
            Reason::KeyExpired(expires.and_then(|t| timestamp(t).ok()))
        }
        _ => Reason::KeyRefused(root_cause(error)),
    }
}

/// What lies at the bottom: sequoia's outer messages repeat the key.
pub(super) fn root_cause(error: &openpgp::anyhow::Error) -> String {
    error.root_cause().to_string()
}
