//! SHA-1 in certificates, which [`Policy::Arch`] believes if it is old.

use super::super::forge::{Forge, Signing, day};
use super::super::*;
use super::reason;
use sequoia_openpgp::types::{HashAlgorithm, SignatureType};
use std::time::SystemTime;

const DATA: &[u8] = b"a package";

/// The days of 2019-01-19 and the next, counted as [`day`] does.
const LINE: i64 = -2539;
const AFTER: i64 = LINE + 1;

fn sha1(number: i64, kind: SignatureType) -> Signing {
    Signing::on(number).kind(kind).hash(HashAlgorithm::SHA1)
}

/// A key of 2018 that SHA-1 of the given day holds together.
fn bound_by_sha1(number: i64) -> Forge {
    let mut forge = old();
    let itself = forge.clone();
    forge = forge.bare();
    let how = sha1(number, SignatureType::PositiveCertification);
    forge.certified(0, &itself, &how);
    forge
}

fn old() -> Forge {
    let time = SystemTime::try_from(day(-2800)).unwrap();
    Forge::with(|b| {
        let flags = sequoia_openpgp::types::KeyFlags::empty();
        b.set_creation_time(time)
            .set_primary_key_flags(flags.set_signing().set_certification())
    })
}

fn verify(keyring: &Keyring, signature: &[u8], policy: Policy) -> Option<Reason> {
    let result = keyring.verify_detached(DATA, signature, policy, day(20));
    result.is_err().then(|| reason(result))
}

#[test]
fn the_line_is_where_gpg_draws_it() {
    assert_eq!(day(LINE).to_string(), "2019-01-19T00:00:00Z");
}

#[test]
fn what_holds_a_certificate_together_may_be_old_sha1_for_arch_only() {
    for (number, good) in [(-2700, true), (LINE, true), (AFTER, false)] {
        let forge = bound_by_sha1(number);
        let signature = forge.sign(0, DATA, &Signing::on(6));
        let verdict = verify(&forge.keyring(), &signature, Policy::Arch);
        assert_eq!(verdict.is_none(), good, "{number}: {verdict:?}");
        let standard = verify(&forge.keyring(), &signature, Policy::Standard);
        assert!(matches!(standard, Some(Reason::KeyRefused(_))));
    }
}

#[test]
fn data_is_never_signed_with_sha1_however_old() {
    let forge = bound_by_sha1(-2700);
    for hash in [HashAlgorithm::SHA1, HashAlgorithm::MD5] {
        let how = Signing::on(-2650).hash(hash);
        let signature = forge.sign(0, DATA, &how);
        let verdict = verify(&forge.keyring(), &signature, Policy::Arch);
        assert!(matches!(verdict, Some(Reason::Weak(_))), "{verdict:?}");
    }
}

#[test]
fn certifications_may_be_old_sha1() {
    let masters: Vec<Forge> = (0..3).map(|_| old()).collect();
    let trusted: String = masters
        .iter()
        .map(|m| format!("{}:4:\n", m.fingerprint()))
        .collect();
    let verdict = |number, hash| {
        let mut packager = old();
        let how = sha1(number, SignatureType::GenericCertification).hash(hash);
        for master in &masters {
            packager.certified(0, master, &how);
        }
        let all = masters.iter().chain([&packager]);
        let bytes: Vec<u8> = all.flat_map(Forge::public).collect();
        let keyring = Keyring::from_web_of_trust(&bytes, &trusted, "", Policy::Arch).unwrap();
        verify(
            &keyring,
            &packager.sign(0, DATA, &Signing::on(6)),
            Policy::Arch,
        )
    };
    assert_eq!(verdict(LINE, HashAlgorithm::SHA1), None);
    let none = Some(Reason::NotCertified { by: 0, needed: 3 });
    assert_eq!(verdict(AFTER, HashAlgorithm::SHA1), none);
    assert_eq!(verdict(LINE, HashAlgorithm::MD5), none);
}

#[test]
fn a_revocation_counts_whatever_its_digest() {
    for hash in [HashAlgorithm::SHA1, HashAlgorithm::MD5] {
        let mut forge = Forge::with(|b| b.add_userid("Second").add_signing_subkey());
        let itself = forge.clone();
        let trusted = format!("{}:5:\n", itself.fingerprint());
        let signature = itself.sign(1, DATA, &Signing::on(6));
        let verdict = |forge: &Forge| {
            let bytes = forge.public();
            let keyring = Keyring::from_web_of_trust(&bytes, &trusted, "", Policy::Arch).unwrap();
            verify(&keyring, &signature, Policy::Arch)
        };
        let how = sha1(10, SignatureType::CertificationRevocation).hash(hash);
        forge.certified(0, &itself, &how);
        assert_eq!(verdict(&forge), None);
        // A master none of whose user ids is left.
        forge.certified(1, &itself, &how);
        let none = Some(Reason::NotCertified { by: 0, needed: 3 });
        assert_eq!(verdict(&forge), none);
    }
}
