//! What a key says of itself, and what others say of it.

use super::super::forge::{Forge, Signing, day};
use super::super::*;
use sequoia_openpgp::types::{ReasonForRevocation, SignatureType};

fn state(keyring: &Keyring) -> CertificateState {
    keyring.certificates(day(80))[0].state.clone()
}

#[test]
fn what_others_say_of_a_key_is_left_behind() {
    let (forge, stranger) = (Forge::new(), Forge::new());
    let known = forge.keyring();
    let mut praised = forge.clone();
    let how = Signing::on(3).kind(SignatureType::GenericCertification);
    praised.certified(0, &stranger, &how);
    assert!(praised.public().len() > forge.public().len());
    let renewed = known.renewed(&praised.keyring());
    assert_eq!(renewed.to_bytes(), known.to_bytes());
    assert!(renewed.newer_than(&known).is_empty());
}

#[test]
fn a_revocation_by_another_key_is_none() {
    let (forge, stranger) = (Forge::new(), Forge::new());
    let known = forge.keyring();
    let mut revoked = stranger.clone();
    revoked.revoke(30, ReasonForRevocation::KeyCompromised);
    // The stranger's revocation, behind the key that is to be revoked.
    let whole = revoked.public();
    let key_of = |forge: &Forge| {
        use sequoia_openpgp::serialize::SerializeInto as _;
        let key = forge.cert.primary_key().key().clone();
        sequoia_openpgp::Packet::from(key).to_vec().unwrap()
    };
    let rest = &whole[key_of(&stranger).len()..];
    let mixed = Keyring::parse(&[key_of(&forge), rest.to_vec()].concat()).unwrap();
    assert_eq!(mixed.fingerprints(), known.fingerprints());
    let renewed = known.renewed(&mixed);
    assert!(renewed.revoked_since(&known).is_empty());
    assert_eq!(renewed.to_bytes(), known.to_bytes());
    assert_eq!(state(&renewed), CertificateState::Good);
}

#[test]
fn a_revocation_is_new_once_and_survives_every_merge() {
    let mut forge = Forge::with_subkey(300);
    let known = forge.keyring();
    let mut subkey = forge.clone();
    subkey.revoke_subkey(1, 30);
    forge.revoke(30, ReasonForRevocation::KeyCompromised);
    for revoked in [forge.keyring(), subkey.keyring()] {
        let renewed = known.renewed(&revoked);
        assert_eq!(
            renewed.revoked_since(&known).fingerprints(),
            known.fingerprints()
        );
        assert_ne!(state(&renewed), CertificateState::Good);
        let again = renewed.renewed(&known);
        assert!(again.revoked_since(&renewed).is_empty());
        assert!(again.newer_than(&renewed).is_empty());
        let mut merged = known.clone();
        merged.extend(again);
        assert_eq!(state(&merged), state(&renewed));
    }
}

#[test]
fn a_new_subkey_is_news_and_no_revocation() {
    let mut forge = Forge::with_subkey(300);
    let known = forge.keyring();
    forge.add_signing_subkey(40);
    let renewed = known.renewed(&forge.keyring());
    assert_eq!(
        renewed.newer_than(&known).fingerprints(),
        known.fingerprints()
    );
    assert!(renewed.revoked_since(&known).is_empty());
}

#[test]
fn a_certificate_that_would_grow_too_large_stays_as_it_is() {
    let mut forge = Forge::new();
    let known = forge.keyring();
    let name = "x".repeat(2000);
    let mut large = forge.cert.clone();
    let mut pair = {
        let key = large.primary_key().key().clone();
        key.parts_into_secret().unwrap().into_keypair().unwrap()
    };
    for number in 0..CERTIFICATE_MAX / 2000 {
        let user_id = sequoia_openpgp::packet::UserID::from(format!("{number}{name}"));
        let how = sequoia_openpgp::packet::signature::SignatureBuilder::new(
            SignatureType::PositiveCertification,
        );
        let binding = user_id.bind(&mut pair, &large, how).unwrap();
        let packets = [sequoia_openpgp::Packet::from(user_id), binding.into()];
        large = large.insert_packets(packets).unwrap().0;
    }
    forge.cert = large;
    assert!(forge.public().len() > CERTIFICATE_MAX);
    let renewed = known.renewed(&forge.keyring());
    assert_eq!(renewed.to_bytes(), known.to_bytes());
}
