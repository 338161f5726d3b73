//! Makes certificates and signatures for tests, good ones and every kind of
//! bad one, at times of the test's choosing.

use super::Keyring;
use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use base64::Engine as _;
use openpgp::cert::prelude::*;
use openpgp::crypto::KeyPair;
use openpgp::packet::prelude::*;
use openpgp::serialize::SerializeInto as _;
use openpgp::types::{Curve, HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};
use openpgp::{Packet, Profile};
use std::time::{Duration, SystemTime};

pub(crate) const DAY: u64 = 86_400;

/// Midnight of the given day of 2026 (`0` is the first of January).
pub(crate) fn day(number: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + number * DAY as i64).unwrap()
}

fn system(time: Timestamp) -> SystemTime {
    SystemTime::try_from(time).unwrap()
}

/// A certificate with its private keys.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) cert: Cert,
}

/// What to sign with, and how.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) time: Timestamp,
    pub(crate) hash: HashAlgorithm,
    pub(crate) kind: SignatureType,
    pub(crate) validity: Option<Duration>,
}

impl Signing {
    /// A binary signature of the given day.
    pub(crate) fn on(number: i64) -> Self {
        Self {
            time: day(number),
            hash: HashAlgorithm::SHA512,
            kind: SignatureType::Binary,
            validity: None,
        }
    }
    pub(crate) fn hash(mut self, hash: HashAlgorithm) -> Self {
        self.hash = hash;
        self
    }
    pub(crate) fn text(self) -> Self {
        self.kind(SignatureType::Text)
    }
    pub(crate) fn kind(mut self, kind: SignatureType) -> Self {
        self.kind = kind;
        self
    }
    pub(crate) fn valid_for(mut self, days: u64) -> Self {
        self.validity = Some(Duration::from_secs(days * DAY));
        self
    }
    fn builder(&self) -> SignatureBuilder {
        let builder = SignatureBuilder::new(self.kind)
            .set_hash_algo(self.hash)
            .set_signature_creation_time(system(self.time))
            .unwrap();
        match self.validity {
            Some(validity) => builder.set_signature_validity_period(validity).unwrap(),
            None => builder,
        }
    }
}

impl Forge {
    /// A certificate made on day 0 whose primary key certifies and signs.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder.set_primary_key_flags(signing().set_certification()))
    }

    pub(crate) fn with(set: impl FnOnce(CertBuilder<'_>) -> CertBuilder<'_>) -> Self {
        let builder = CertBuilder::new()
            .add_userid("Test <test@example.org>")
            .set_creation_time(system(day(0)));
        let (cert, _) = set(builder).generate().unwrap();
        Self { cert }
    }

    /// The same with keys and signatures of version 6.
    pub(crate) fn version_6() -> Self {
        Self::with(|builder| {
            builder
                .set_profile(Profile::RFC9580)
                .unwrap()
                .set_primary_key_flags(signing().set_certification())
        })
    }

    /// A primary key that only certifies, and a subkey that signs.
    pub(crate) fn with_subkey(validity_in_days: u64) -> Self {
        let validity = Duration::from_secs(validity_in_days * DAY);
        Self::with(|builder| builder.add_subkey(signing(), validity, None))
    }

    /// Adds another subkey that signs, made on the given day.
    pub(crate) fn add_signing_subkey(&mut self, number: i64) {
        let time = system(day(number));
        let mut subkey: Key<key::SecretParts, key::SubordinateRole> =
            Key4::generate_ecc(true, Curve::Ed25519).unwrap().into();
        subkey.set_creation_time(time).unwrap();
        let primary = self.cert.primary_key().key();
        let back = SignatureBuilder::new(SignatureType::PrimaryKeyBinding)
            .set_signature_creation_time(time)
            .unwrap()
            .sign_primary_key_binding(
                &mut subkey.clone().into_keypair().unwrap(),
                primary,
                &subkey,
            )
            .unwrap();
        let binding = SignatureBuilder::new(SignatureType::SubkeyBinding)
            .set_signature_creation_time(time)
            .unwrap()
            .set_key_flags(signing())
            .unwrap()
            .set_embedded_signature(back)
            .unwrap();
        let binding = subkey.bind(&mut self.pair(0), &self.cert, binding).unwrap();
        let packets = [Packet::from(subkey), binding.into()];
        self.cert = self.cert.clone().insert_packets(packets).unwrap().0;
    }

    /// Revokes the whole certificate.
    pub(crate) fn revoke(&mut self, number: i64, reason: ReasonForRevocation) {
        let revocation = CertRevocationBuilder::new()
            .set_reason_for_revocation(reason, b"")
            .unwrap()
            .set_signature_creation_time(system(day(number)))
            .unwrap()
            .build(&mut self.pair(0), &self.cert, None)
            .unwrap();
        self.cert = self.cert.clone().insert_packets(revocation).unwrap().0;
    }

    /// Revokes the key of this number (0 is the primary key).
    pub(crate) fn revoke_subkey(&mut self, key: usize, number: i64) {
        let subkey = self.cert.keys().subkeys().nth(key - 1).unwrap();
        let revocation = SubkeyRevocationBuilder::new()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
            .unwrap()
            .set_signature_creation_time(system(day(number)))
            .unwrap()
            .build(&mut self.pair(0), &self.cert, subkey.key(), None)
            .unwrap();
        self.cert = self.cert.clone().insert_packets(revocation).unwrap().0;
    }

    /// Has the user id of this number (0 is the first) certified by another, or
    /// that certification revoked: what `how.kind` says.
    pub(crate) fn certified(&mut self, user_id: usize, by: &Self, how: &Signing) {
        self.certified_with(user_id, by, how, |builder| builder);
    }

    /// The same with something special about it.
    pub(crate) fn certified_with(
        &mut self,
        user_id: usize,
        by: &Self,
        how: &Signing,
        set: impl FnOnce(SignatureBuilder) -> SignatureBuilder,
    ) {
        let certified = self.cert.userids().nth(user_id).unwrap().userid().clone();
        let mut builder = set(how.builder());
        if how.kind == SignatureType::CertificationRevocation {
            let reason = ReasonForRevocation::UIDRetired;
            builder = builder.set_reason_for_revocation(reason, b"").unwrap();
        }
        if by.cert.fingerprint() == self.cert.fingerprint()
            && how.kind != SignatureType::CertificationRevocation
        {
            let flags = signing().set_certification();
            builder = builder.set_key_flags(flags).unwrap();
        }
        let key = self.cert.primary_key().key().clone();
        let signature = builder
            .sign_userid_binding(&mut by.pair(0), Some(&key), &certified)
            .unwrap();
        self.insert(user_id, signature);
    }

    /// Adds a signature to the user id of this number.
    pub(crate) fn insert(&mut self, user_id: usize, signature: Signature) {
        let user_id = self.cert.userids().nth(user_id).unwrap().userid().clone();
        let packets = [Packet::from(user_id), signature.into()];
        self.cert = self.cert.clone().insert_packets(packets).unwrap().0;
    }

    /// The same key without what binds it together.
    pub(crate) fn bare(mut self) -> Self {
        let key = self.cert.primary_key().key().clone();
        let key = key.parts_into_secret().unwrap();
        let user_id = self.cert.userids().next().unwrap().userid().clone();
        let packets = [Packet::from(key), user_id.into()];
        self.cert = Cert::from_packets(packets.into_iter()).unwrap();
        self
    }

    fn pair(&self, key: usize) -> KeyPair {
        // The certificate lists its newest subkey first.
        let mut keys: Vec<_> = self.cert.keys().secret().collect();
        keys.sort_by_key(|k| (!k.primary(), k.key().creation_time()));
        keys[key].key().clone().into_keypair().unwrap()
    }

    /// A binary detached signature by the key of this number: 0 is the
    /// primary key, subkeys follow by age.
    pub(crate) fn sign(&self, key: usize, data: &[u8], how: &Signing) -> Vec<u8> {
        let mut key = self.pair(key);
        let signature = how.builder().sign_message(&mut key, data).unwrap();
        Packet::from(signature).to_vec().unwrap()
    }

    /// A clearsigned text of lines that need no escaping, without a line feed
    /// at the end of the last.
    pub(crate) fn clearsign(&self, text: &str, how: &Signing) -> String {
        let covered = text.replace('\n', "\r\n");
        let armored = armored(&self.sign(0, covered.as_bytes(), how));
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}\n{armored}")
    }

    /// An envelope, as `hatchery_image::signer` seals it.
    pub(crate) fn seal(&self, payload_type: &str, payload: &[u8], how: &Signing) -> Vec<u8> {
        seal_with(&[self], payload_type, payload, how)
    }

    /// The public certificate, binary.
    pub(crate) fn public(&self) -> Vec<u8> {
        self.cert
            .clone()
            .strip_secret_key_material()
            .to_vec()
            .unwrap()
    }

    /// The public certificate as text.
    pub(crate) fn public_armored(&self) -> Vec<u8> {
        let public = self.cert.clone().strip_secret_key_material();
        public.armored().to_vec().unwrap()
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::parse(&self.public()).unwrap()
    }

    pub(crate) fn fingerprint(&self) -> super::Fingerprint {
        self.cert.fingerprint().into()
    }
}

fn signing() -> KeyFlags {
    KeyFlags::empty().set_signing()
}

/// An envelope with a signature by each, first key first.
pub(crate) fn seal_with(
    signers: &[&Forge],
    payload_type: &str,
    payload: &[u8],
    how: &Signing,
) -> Vec<u8> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let covered = crate::envelope::pre_authentication_encoding(payload_type, payload);
    let signatures: Vec<_> = signers
        .iter()
        .map(|signer| crate::envelope::Signature {
            keyid: signer.fingerprint().to_string(),
            sig: base64.encode(signer.sign(0, &covered, how)),
        })
        .collect();
    let envelope = crate::envelope::Envelope {
        payload_type: payload_type.to_owned(),
        payload: base64.encode(payload),
        signatures,
    };
    serde_json::to_vec(&envelope).unwrap()
}

/// The armored block of a signature.
pub(crate) fn armored(signature: &[u8]) -> String {
    let kind = openpgp::armor::Kind::Signature;
    let mut writer = openpgp::armor::Writer::new(Vec::new(), kind).unwrap();
    std::io::Write::write_all(&mut writer, signature).unwrap();
    String::from_utf8(writer.finalize().unwrap()).unwrap()
}
