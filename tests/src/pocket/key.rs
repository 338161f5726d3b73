//! Throw-away packager's keys, made and used in process: gpg takes 30 ms a
//! signature, and a repository has a hundred.

use hatchery_image::{Fingerprint, Keyring};
use sequoia_openpgp as openpgp;

use openpgp::cert::{CertBuilder, CertRevocationBuilder};
use openpgp::crypto::KeyPair;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::parse::Parse as _;
use openpgp::serialize::SerializeInto as _;
use openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};
use openpgp::{Cert, Packet};
use std::time::{Duration, SystemTime};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// A key that certifies and signs, Ed25519, which GnuPG reads since 2.1.
#[derive(Clone, Debug)]
pub struct Key {
    cert: Cert,
}

impl Key {
    /// A new one, as old as everything here.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn new(user_id: &str) -> Self {
        Self::made(user_id, None)
    }

    /// One that could only be used for so many days.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn expiring(user_id: &str, days: u64) -> Self {
        Self::made(user_id, Some(Duration::from_secs(days * DAY)))
    }

    fn made(user_id: &str, validity: Option<Duration>) -> Self {
        let flags = KeyFlags::empty().set_signing().set_certification();
        let (cert, _) = CertBuilder::new()
            .add_userid(user_id)
            .set_creation_time(built())
            .set_validity_period(validity)
            .set_primary_key_flags(flags)
            .generate()
            .expect("a new key");
        Self { cert }
    }

    /// The same, revoked by its owner, who lost it.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn revoked(&self) -> Self {
        let revocation = CertRevocationBuilder::new()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"")
            .and_then(|builder| builder.set_signature_creation_time(built()))
            .and_then(|builder| builder.build(&mut self.pair(), &self.cert, None))
            .expect("a revocation");
        let revoked = self.cert.clone().insert_packets(revocation);
        let (cert, _) = revoked.expect("a key takes its own revocation");
        Self { cert }
    }

    /// One that was kept.
    ///
    /// # Panics
    /// When the bytes are something else.
    #[must_use]
    pub fn from_secret(bytes: &[u8]) -> Self {
        let cert = Cert::from_bytes(bytes).expect("a key that was kept");
        Self { cert }
    }

    /// To keep it: binary, the private half without a passphrase.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn secret(&self) -> Vec<u8> {
        self.cert.as_tsk().to_vec().expect("a key")
    }

    /// The public certificate, binary.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        let public = self.cert.clone().strip_secret_key_material();
        public.to_vec().expect("a certificate")
    }

    /// Trusts only this key.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        Keyring::parse(&self.public()).expect("a certificate")
    }

    /// Primary fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.cert.fingerprint().into()
    }

    /// A binary detached signature.
    ///
    /// # Panics
    /// When the key cannot sign.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> Vec<u8> {
        let builder = SignatureBuilder::new(SignatureType::Binary)
            .set_hash_algo(HashAlgorithm::SHA512)
            .set_signature_creation_time(built())
            .expect("a time that fits");
        let signature = builder.sign_message(&mut self.pair(), data);
        let packet = Packet::from(signature.expect("a key that signs"));
        packet.to_vec().expect("a signature")
    }

    fn pair(&self) -> KeyPair {
        let key = self.cert.primary_key().key().clone();
        let secret = key.parts_into_secret().expect("its private half");
        secret.into_keypair().expect("no passphrase")
    }
}

fn built() -> SystemTime {
    let seconds = u64::try_from(super::BUILT).expect("after 1970");
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}
