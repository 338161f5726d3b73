//! Detached signatures and envelopes.

use super::super::forge::{Forge, Signing, armored, day, seal_with};
use super::super::*;
use super::reason;
use jiff::SignedDuration;
use sequoia_openpgp::types::{HashAlgorithm, ReasonForRevocation};

const DATA: &[u8] = b"what was signed";

fn verify(
    keyring: &Keyring,
    signature: &[u8],
    now: Timestamp,
) -> Result<Verified<&'static [u8]>, KeyringError> {
    keyring.verify_detached(DATA, signature, Policy::Standard, now)
}

#[test]
fn a_good_signature_counts_binary_and_armored() {
    for forge in [Forge::new(), Forge::with_subkey(300), Forge::version_6()] {
        let key = usize::from(forge.cert.keys().count() > 1);
        let signature = forge.sign(key, DATA, &Signing::on(10));
        for signature in [signature.clone(), armored(&signature).into_bytes()] {
            let verified = verify(&forge.keyring(), &signature, day(20)).unwrap();
            assert_eq!(*verified.signer(), forge.fingerprint());
            assert_eq!(verified.signed_at(), day(10));
            assert_eq!(*verified, DATA);
        }
    }
}

#[test]
fn changed_data_does_not_match() {
    let forge = Forge::new();
    let signature = forge.sign(0, b"something else", &Signing::on(10));
    let result = verify(&forge.keyring(), &signature, day(20));
    assert_eq!(reason(result), Reason::BadSignature);
}

#[test]
fn any_one_trusted_signature_suffices() {
    let (ours, theirs) = (Forge::new(), Forge::new());
    let mut both = theirs.sign(0, DATA, &Signing::on(10));
    both.extend(ours.sign(0, DATA, &Signing::on(11)));
    let verified = verify(&ours.keyring(), &both, day(20)).unwrap();
    assert_eq!(*verified.signer(), ours.fingerprint());

    // A bad one by a trusted key beside a good one by another is no matter.
    let mut keyring = ours.keyring();
    keyring.extend(theirs.keyring());
    let mut both = theirs.sign(0, b"else", &Signing::on(10));
    both.extend(ours.sign(0, DATA, &Signing::on(11)));
    assert!(verify(&keyring, &both, day(20)).is_ok());
}

#[test]
fn when_none_is_good_each_has_its_reason() {
    let (known, unknown) = (Forge::new(), Forge::new());
    let mut signatures = unknown.sign(0, DATA, &Signing::on(10));
    signatures.extend(known.sign(0, b"else", &Signing::on(10)));
    let error = verify(&known.keyring(), &signatures, day(20)).unwrap_err();
    let text = error.to_string();
    for part in [
        format!("key {} is not a trusted key", unknown.fingerprint()),
        format!(
            "key {} made a signature that does not match",
            known.fingerprint()
        ),
    ] {
        assert!(text.contains(&part), "{part:?} is not in {text:?}");
    }
    let nobody = verify(&Keyring::default(), &signatures, day(20));
    assert!(matches!(nobody, Err(KeyringError::Untrusted(r)) if r.len() == 2));
}

#[test]
fn weak_digests_never_count_whatever_the_clock_says() {
    let forge = Forge::new();
    for hash in [
        HashAlgorithm::SHA1,
        HashAlgorithm::MD5,
        HashAlgorithm::RipeMD,
    ] {
        let how = Signing::on(10).hash(hash);
        let signature = forge.sign(0, DATA, &how);
        let result = verify(&forge.keyring(), &signature, day(20));
        assert!(matches!(reason(result), Reason::Weak(_)), "{hash}");
        // In 1999 all of them were fine.
        let old = Timestamp::from_second(915_148_800).unwrap();
        let result = verify(&forge.keyring(), &signature, old);
        assert!(matches!(reason(result), Reason::Weak(_)), "{hash}");
    }
    for hash in [HashAlgorithm::SHA256, HashAlgorithm::SHA512] {
        let signature = forge.sign(0, DATA, &Signing::on(10).hash(hash));
        assert!(
            verify(&forge.keyring(), &signature, day(20)).is_ok(),
            "{hash}"
        );
    }
}

#[test]
fn a_key_must_be_live_now_and_not_only_when_it_signed() {
    let mut forge = Forge::with(|b| {
        b.set_validity_period(std::time::Duration::from_secs(100 * forge::DAY))
            .add_signing_subkey()
    });
    let signature = forge.sign(1, DATA, &Signing::on(10));
    assert!(verify(&forge.keyring(), &signature, day(99)).is_ok());
    let result = verify(&forge.keyring(), &signature, day(100));
    assert_eq!(reason(result), Reason::KeyExpired(Some(day(100))));

    // The subkey's own expiry counts too.
    forge = Forge::with_subkey(50);
    let signature = forge.sign(1, DATA, &Signing::on(10));
    let result = verify(&forge.keyring(), &signature, day(50));
    assert_eq!(reason(result), Reason::KeyExpired(Some(day(50))));
}

#[test]
fn a_revoked_key_does_not_count_even_for_what_it_signed_before() {
    for why in [
        ReasonForRevocation::KeyCompromised,
        ReasonForRevocation::KeySuperseded,
    ] {
        let mut forge = Forge::new();
        let signature = forge.sign(0, DATA, &Signing::on(10));
        forge.revoke(30, why);
        let result = verify(&forge.keyring(), &signature, day(31));
        assert_eq!(reason(result), Reason::KeyRevoked);
    }
    let mut forge = Forge::with_subkey(300);
    let signature = forge.sign(1, DATA, &Signing::on(10));
    forge.revoke_subkey(1, 30);
    let result = verify(&forge.keyring(), &signature, day(31));
    assert_eq!(reason(result), Reason::KeyRevoked);
}

#[test]
fn signing_subkeys_change_beneath_the_pinned_primary_key() {
    let mut forge = Forge::with_subkey(100);
    let before = forge.keyring();
    forge.add_signing_subkey(90);
    let signature = forge.sign(2, DATA, &Signing::on(120));
    let verified = verify(&forge.keyring(), &signature, day(121)).unwrap();
    assert_eq!(*verified.signer(), forge.fingerprint());
    // A host that has the old certificate doesn't know the new subkey.
    assert_eq!(
        reason(verify(&before, &signature, day(121))),
        Reason::UnknownKey
    );
    // Both together do.
    let mut merged = before;
    merged.extend(forge.keyring());
    assert_eq!(merged.fingerprints().len(), 1);
    assert!(verify(&merged, &signature, day(121)).is_ok());
}

#[test]
fn a_key_that_only_certifies_cannot_sign_data() {
    let forge = Forge::with_subkey(300);
    let signature = forge.sign(0, DATA, &Signing::on(10));
    let result = verify(&forge.keyring(), &signature, day(20));
    assert_eq!(reason(result), Reason::NotForSigning);
}

#[test]
fn a_clock_before_the_signature_is_its_own_error_with_both_times() {
    let forge = Forge::new();
    let signature = forge.sign(0, DATA, &Signing::on(10));
    match verify(&forge.keyring(), &signature, day(9)) {
        Err(KeyringError::ClockBeforeSignature {
            signer,
            signed,
            now,
        }) => {
            assert_eq!(
                (signer, signed, now),
                (forge.fingerprint(), day(10), day(9))
            );
        }
        other => panic!("{other:?}"),
    }
    // Even a clock from before the key was made.
    let result = verify(&forge.keyring(), &signature, day(-5000));
    assert!(matches!(
        result,
        Err(KeyringError::ClockBeforeSignature { .. })
    ));
    // Clocks of two hosts differ by a little.
    let tolerance = SignedDuration::try_from(CLOCK_TOLERANCE).unwrap();
    let result = verify(&forge.keyring(), &signature, day(10) - tolerance);
    assert!(result.is_ok(), "{result:?}");
    let first = forge.sign(0, DATA, &Signing::on(0));
    let result = verify(&forge.keyring(), &first, day(0) - tolerance);
    assert!(result.is_ok(), "the key is as new: {result:?}");
    // Somebody else's claim says nothing about our clock.
    let signature = forge.sign(0, b"else", &Signing::on(10));
    let result = verify(&forge.keyring(), &signature, day(9));
    assert_eq!(reason(result), Reason::BadSignature);
}

#[test]
fn a_signature_may_expire() {
    let forge = Forge::new();
    let signature = forge.sign(0, DATA, &Signing::on(10).valid_for(5));
    assert!(verify(&forge.keyring(), &signature, day(14)).is_ok());
    let result = verify(&forge.keyring(), &signature, day(15));
    assert_eq!(reason(result), Reason::SignatureExpired(day(15)));
}

#[test]
fn a_text_signature_is_not_one_over_bytes() {
    let forge = Forge::new();
    let signature = forge.sign(0, DATA, &Signing::on(10).text());
    let result = verify(&forge.keyring(), &signature, day(20));
    assert!(matches!(reason(result), Reason::Malformed(_)));
}

#[test]
fn an_envelope_is_opened_only_as_what_it_was_sealed_as() {
    let forge = Forge::new();
    let keyring = forge.keyring();
    let sealed = forge.seal("type/a", DATA, &Signing::on(10));
    let opened = keyring.verify_envelope(&sealed, "type/a", day(20)).unwrap();
    assert_eq!(*opened, DATA);
    let result = keyring.verify_envelope(&sealed, "type/b", day(20));
    assert!(
        matches!(result, Err(KeyringError::Envelope(_))),
        "{result:?}"
    );
    // Calling it another thing afterwards does not help.
    let text = String::from_utf8(sealed).unwrap();
    let renamed = text.replace("type/a", "type/b");
    let result = keyring.verify_envelope(renamed.as_bytes(), "type/b", day(20));
    assert_eq!(reason(result), Reason::BadSignature);
    // Nor does a detached signature over the payload alone.
    let other = forge.seal("", DATA, &Signing::on(10));
    let result = keyring.verify_detached(DATA, &other, Policy::Standard, day(20));
    assert!(result.is_err());
}

#[test]
fn an_envelope_with_one_trusted_signature_of_several_opens() {
    let (ours, theirs) = (Forge::new(), Forge::new());
    let sealed = seal_with(&[&theirs, &ours], "t", DATA, &Signing::on(10));
    let opened = ours
        .keyring()
        .verify_envelope(&sealed, "t", day(20))
        .unwrap();
    assert_eq!(*opened.signer(), ours.fingerprint());
    let none = seal_with(&[], "t", DATA, &Signing::on(10));
    let result = ours.keyring().verify_envelope(&none, "t", day(20));
    assert!(
        matches!(result, Err(KeyringError::NoSignature)),
        "{result:?}"
    );
}
