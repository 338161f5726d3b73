//! How strict to be with algorithms: an explicit choice a distribution, and
//! all of it in this file.

use sequoia_openpgp as openpgp;

use openpgp::cert::prelude::ValidErasedKeyAmalgamation;
use openpgp::packet::{Packet, Signature, key::PublicParts};
use openpgp::policy::{HashAlgoSecurity, StandardPolicy};
use openpgp::types::{AEADAlgorithm, HashAlgorithm, SignatureType, SymmetricAlgorithm};
use std::time::{Duration, SystemTime};

/// What can be forged, and never counts over data, whatever the clock says.
const WEAK: [HashAlgorithm; 3] = [
    HashAlgorithm::MD5,
    HashAlgorithm::SHA1,
    HashAlgorithm::RipeMD,
];

/// The beginning of 2019-01-19 in seconds since 1970: what is SHA-1 and newer
/// is never believed. gpg draws its line for certifications there, before
/// anybody could make two certificates of one SHA-1 (published in 2020). The
/// date is the certifier's own and part of what is digested, so whoever makes
/// such a pair today finds no old signature that fits it.
const LAST_SHA1: u64 = 1_547_856_000;

/// How strict to be. An explicit choice a distribution, in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// sequoia's standard policy at the given time: our own signatures, Debian's.
    Standard,
    /// The same over data. But a third of Arch Linux's certificates is older
    /// than gpg's change to SHA-256, so what binds a certificate together and
    /// what certifies it may be SHA-1 if it was made before 2019-01-19, where
    /// gpg draws the line for certifications. A revocation counts whatever
    /// its digest: a forged one only makes us stricter.
    Arch,
}

impl Policy {
    /// What this policy says at a time.
    pub(super) fn at(self, now: SystemTime) -> Rules {
        let mut standard = StandardPolicy::at(now);
        for weak in WEAK {
            standard.reject_hash(weak);
        }
        let lenient = (self == Self::Arch).then(|| {
            let mut lenient = standard.clone();
            for weak in WEAK {
                lenient.accept_hash(weak);
            }
            lenient
        });
        Rules { standard, lenient }
    }
}

/// A policy at a time, as sequoia asks it.
#[derive(Debug)]
pub(super) struct Rules {
    standard: StandardPolicy<'static>,
    /// For what [`is_old_enough`] and revocations, if they are read at all.
    lenient: Option<StandardPolicy<'static>>,
}

impl openpgp::policy::Policy for Rules {
    fn signature(&self, signature: &Signature, needs: HashAlgoSecurity) -> openpgp::Result<()> {
        match &self.lenient {
            Some(lenient) if is_revocation(signature) || is_old_enough(signature) => {
                lenient.signature(signature, needs)
            }
            _ => self.standard.signature(signature, needs),
        }
    }

    fn key(&self, key: &ValidErasedKeyAmalgamation<'_, PublicParts>) -> openpgp::Result<()> {
        self.standard.key(key)
    }

    fn symmetric_algorithm(&self, algorithm: SymmetricAlgorithm) -> openpgp::Result<()> {
        self.standard.symmetric_algorithm(algorithm)
    }

    fn aead_algorithm(&self, algorithm: AEADAlgorithm) -> openpgp::Result<()> {
        self.standard.aead_algorithm(algorithm)
    }

    fn packet(&self, packet: &Packet) -> openpgp::Result<()> {
        self.standard.packet(packet)
    }
}

fn is_revocation(signature: &Signature) -> bool {
    matches!(
        signature.typ(),
        SignatureType::KeyRevocation
            | SignatureType::SubkeyRevocation
            | SignatureType::CertificationRevocation
    )
}

/// Whether it is a SHA-1 signature over a key or user id, from before the line.
fn is_old_enough(signature: &Signature) -> bool {
    let over_key = matches!(
        signature.typ(),
        SignatureType::GenericCertification
            | SignatureType::CasualCertification
            | SignatureType::PositiveCertification
            | SignatureType::DirectKey
            | SignatureType::SubkeyBinding
            | SignatureType::PrimaryKeyBinding
    );
    let line = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SHA1);
    let made = signature.signature_creation_time();
    over_key
        && signature.hash_algo() == HashAlgorithm::SHA1
        && made.is_some_and(|made| made <= line)
}
