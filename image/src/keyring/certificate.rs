//! Reading certificates from key files, binary or armored, and describing
//! them to people.

use super::web::Standing;
use super::{CERTIFICATES_MAX, Fingerprint, KEYRING_MAX, KeyringError, Member, Policy};
use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::cert::prelude::*;
use openpgp::parse::Parse as _;
use openpgp::types::RevocationStatus;
use std::io::Read as _;
use std::sync::Arc;

const BEGIN: &[u8] = b"-----BEGIN PGP ";

/// What a person wants to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Primary fingerprint: what is pinned.
    pub fingerprint: Fingerprint,
    /// User ids, as far as they are UTF-8, the primary one first. Whoever made
    /// the key chose them; control characters, which could make a terminal
    /// show something else, are replaced.
    pub user_ids: Vec<String>,
    /// When the primary key was made.
    pub created: Option<Timestamp>,
    /// When it expires, if ever.
    pub expires: Option<Timestamp>,
    /// Whether its signatures count now.
    pub state: CertificateState,
}

/// Whether a certificate's signatures count at a given time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateState {
    /// It is live and at least one of its keys may sign.
    Good,
    /// It has expired, or all of its signing keys have.
    Expired,
    /// It was revoked.
    Revoked,
    /// It is not acceptable, and why.
    Refused(String),
}

/// Reads every certificate of a key file.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Arc<Cert>>, KeyringError> {
    if bytes.len() > KEYRING_MAX {
        return Err(KeyringError::KeyringTooLarge(bytes.len()));
    }
    let mut certificates = Vec::new();
    let binary = bytes.first().is_some_and(|b| b & 0x80 != 0);
    if binary {
        parse_binary(bytes, &mut certificates)?;
    } else {
        for block in armored_blocks(bytes) {
            parse_binary(&dearmor(block, certificates.len())?, &mut certificates)?;
        }
    }
    if certificates.is_empty() {
        return Err(KeyringError::NoCertificate);
    }
    Ok(certificates)
}

/// Each armored block of a text, from its first line to the next one's.
fn armored_blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|&(at, window)| window == BEGIN && (at == 0 || bytes[at - 1] == b'\n'))
        .map(|(at, _)| at)
        .take(CERTIFICATES_MAX + 1)
        .collect();
    starts.push(bytes.len());
    (1..starts.len()).map(move |i| &bytes[starts[i - 1]..starts[i]])
}

fn dearmor(block: &[u8], before: usize) -> Result<Vec<u8>, KeyringError> {
    let mut binary = Vec::new();
    openpgp::armor::Reader::from_bytes(block, openpgp::armor::ReaderMode::Tolerant(None))
        .read_to_end(&mut binary)
        .map_err(|e| KeyringError::Certificate {
            number: before + 1,
            source: e.into(),
        })?;
    Ok(binary)
}

fn parse_binary(bytes: &[u8], certificates: &mut Vec<Arc<Cert>>) -> Result<(), KeyringError> {
    let unreadable = |number: usize| {
        move |e: openpgp::anyhow::Error| KeyringError::Certificate {
            number,
            source: e.into(),
        }
    };
    // A key file never holds compressed packets, so none are opened.
    let packets = openpgp::parse::PacketParserBuilder::from_bytes(bytes)
        .map_err(unreadable(certificates.len() + 1))?
        .dearmor(openpgp::parse::Dearmor::Disabled)
        .max_recursion_depth(0)
        .build()
        .map_err(unreadable(certificates.len() + 1))?;
    for certificate in CertParser::from(packets) {
        let number = certificates.len() + 1;
        let certificate = certificate.map_err(unreadable(number))?;
        if certificate.is_tsk() {
            return Err(KeyringError::PrivateKey(certificate.fingerprint().into()));
        }
        if number > CERTIFICATES_MAX {
            return Err(KeyringError::TooManyCertificates);
        }
        certificates.push(Arc::new(certificate));
    }
    Ok(())
}

/// Describes a certificate as it is at `now`.
pub(super) fn describe(member: &Member, now: Timestamp) -> Certificate {
    let now = super::system_time(now);
    let certificate = &*member.certificate;
    let standing = member.standing.as_deref();
    let policy = standing.map_or(Policy::Standard, Standing::policy).at(now);
    let valid = certificate.with_policy(&policy, now);
    let mut user_ids: Vec<String> = certificate
        .userids()
        .map(|u| shown(u.userid().value()))
        .collect();
    let mut expires = None;
    if let Ok(valid) = &valid {
        expires = valid
            .primary_key()
            .key_expiration_time()
            .and_then(|t| Timestamp::try_from(t).ok());
        if let Ok(primary) = valid.primary_userid() {
            let primary = shown(primary.userid().value());
            user_ids.sort_by_key(|u| *u != primary);
        }
    }
    Certificate {
        fingerprint: certificate.fingerprint().into(),
        user_ids,
        created: Timestamp::try_from(certificate.primary_key().key().creation_time()).ok(),
        expires,
        state: match (state(valid), standing) {
            (CertificateState::Good, Some(standing)) => standing
                .judge(certificate, now)
                .err()
                .map_or(CertificateState::Good, |reason| {
                    CertificateState::Refused(reason.to_string())
                }),
            (state, _) => state,
        },
    }
}

/// A user id as it can be shown.
fn shown(user_id: &[u8]) -> String {
    crate::shown::text(&String::from_utf8_lossy(user_id))
}

fn state(valid: openpgp::Result<ValidCert<'_>>) -> CertificateState {
    let valid = match valid {
        Ok(valid) => valid,
        Err(error) => return CertificateState::Refused(error.root_cause().to_string()),
    };
    if let RevocationStatus::Revoked(_) = valid.revocation_status() {
        return CertificateState::Revoked;
    }
    if valid.alive().is_err() {
        return CertificateState::Expired;
    }
    let signing = || valid.keys().for_signing().revoked(false);
    if signing().alive().next().is_some() {
        CertificateState::Good
    } else if signing().next().is_some() {
        CertificateState::Expired
    } else {
        CertificateState::Refused("it has no key for signing".into())
    }
}
