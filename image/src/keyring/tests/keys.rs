//! Key files.

use super::super::forge::{Forge, day};
use super::super::*;
use sequoia_openpgp::serialize::SerializeInto as _;
use sequoia_openpgp::types::ReasonForRevocation;

#[test]
fn several_certificates_are_read_binary_and_armored() {
    let (a, b) = (Forge::new(), Forge::version_6());
    let expected = [a.fingerprint(), b.fingerprint()];
    let binary = [a.public(), b.public()].concat();
    let armored = [a.public_armored(), b.public_armored()].concat();
    for bytes in [&binary, &armored] {
        let keyring = Keyring::parse(bytes).unwrap();
        assert_eq!(keyring.fingerprints(), expected);
        assert_eq!(keyring.only(&expected[1..]).fingerprints(), expected[1..]);
        assert!(keyring.only(&[]).is_empty());
    }
    // As people keep them, with words around.
    let text = [
        b"My key:\n\n".to_vec(),
        a.public_armored(),
        b"bye\n".to_vec(),
    ]
    .concat();
    assert_eq!(Keyring::parse(&text).unwrap().fingerprints(), expected[..1]);
    // The same twice is one.
    let twice = [a.public(), a.public()].concat();
    assert_eq!(
        Keyring::parse(&twice).unwrap().fingerprints(),
        expected[..1]
    );
}

#[test]
fn private_keys_are_not_read() {
    let forge = Forge::new();
    for bytes in [
        forge.cert.as_tsk().to_vec().unwrap(),
        forge.cert.as_tsk().armored().to_vec().unwrap(),
    ] {
        match Keyring::parse(&bytes) {
            Err(KeyringError::PrivateKey(fingerprint)) => {
                assert_eq!(fingerprint, forge.fingerprint());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_holds_no_certificate_is_refused() {
    for bytes in [b"".as_slice(), b"\n", b"some text\n"] {
        let result = Keyring::parse(bytes);
        assert!(
            matches!(result, Err(KeyringError::NoCertificate)),
            "{result:?}"
        );
    }
    let public = Forge::new().public();
    let result = Keyring::parse(&public[..public.len() - 20]);
    assert!(
        matches!(result, Err(KeyringError::Certificate { .. })),
        "{result:?}"
    );
    let long = vec![0; KEYRING_MAX + 1];
    let result = Keyring::parse(&long);
    assert!(matches!(result, Err(KeyringError::KeyringTooLarge(_))));
}

#[test]
fn a_folder_of_keys_is_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("keys");
    assert!(Keyring::load_directory(&folder).unwrap().is_empty());
    let (a, b) = (Forge::new(), Forge::new());
    let mut both = a.keyring();
    both.extend(b.keyring());
    let written = both.save_to_directory(&folder).unwrap();
    assert_eq!(written[0], folder.join(format!("{}.pgp", a.fingerprint())));
    std::fs::write(folder.join("notes.txt"), "not a key").unwrap();
    std::fs::write(folder.join("c.asc"), Forge::new().public_armored()).unwrap();
    let loaded = Keyring::load_directory(&folder).unwrap();
    assert_eq!(loaded.fingerprints().len(), 3);

    std::fs::write(folder.join("broken.pgp"), "not a key").unwrap();
    let error = Keyring::load_directory(&folder).unwrap_err();
    assert!(error.to_string().contains("broken.pgp"), "{error}");
}

#[test]
fn an_older_copy_takes_back_no_revocation() {
    let directory = tempfile::tempdir().unwrap();
    let mut forge = Forge::new();
    let older = forge.keyring();
    forge.revoke(30, ReasonForRevocation::KeyCompromised);
    forge.keyring().save_to_directory(directory.path()).unwrap();
    older.save_to_directory(directory.path()).unwrap();
    let loaded = Keyring::load_directory(directory.path()).unwrap();
    let state = &loaded.certificates(day(31))[0].state;
    assert_eq!(*state, CertificateState::Revoked);
}

#[test]
fn certificates_are_described_for_people() {
    let mut forge = Forge::with_subkey(100);
    let describe = |forge: &Forge, number| forge.keyring().certificates(day(number)).remove(0);
    let described = describe(&forge, 10);
    assert_eq!(described.fingerprint, forge.fingerprint());
    assert_eq!(described.user_ids, ["Test <test@example.org>"]);
    assert_eq!(described.created, Some(day(0)));
    assert_eq!(described.state, CertificateState::Good);
    assert_eq!(describe(&forge, 100).state, CertificateState::Expired);
    assert!(matches!(
        describe(&forge, -1).state,
        CertificateState::Refused(_)
    ));
    forge.revoke(30, ReasonForRevocation::KeyCompromised);
    assert_eq!(describe(&forge, 31).state, CertificateState::Revoked);
}

#[test]
fn debian_s_keys_are_the_active_ones() {
    let keyring = Keyring::parse(include_bytes!("../../../../keys/debian.pgp")).unwrap();
    let at = "2026-11-23T00:00:00Z".parse().unwrap();
    let certificates = keyring.certificates(at);
    assert_eq!(certificates.len(), 9);
    for certificate in certificates {
        let name = &certificate.user_ids[0];
        assert!(name.starts_with("Debian "), "{name}");
        assert_eq!(certificate.state, CertificateState::Good, "{name}");
    }
}

#[test]
fn what_another_keyring_knows_is_merged_and_nobody_is_added() {
    let stranger = Forge::new();
    let mut forge = Forge::with_subkey(90);
    let known = forge.keyring();
    forge.add_signing_subkey(50);
    let mut published = forge.keyring();
    published.extend(stranger.keyring());
    let renewed = known.renewed(&published);
    assert_eq!(renewed.fingerprints(), [forge.fingerprint()]);
    let signed = forge.sign(2, b"data", &super::super::forge::Signing::on(60));
    let verify = |keyring: &Keyring| {
        let result = keyring.verify_detached(b"data", &signed, Policy::Standard, day(60));
        result.map(drop)
    };
    assert!(verify(&known).is_err());
    verify(&renewed).unwrap();
    // An older copy takes back no revocation.
    forge.revoke(70, ReasonForRevocation::KeyCompromised);
    let revoked = forge.keyring().renewed(&published);
    let state = &revoked.certificates(day(80))[0].state;
    assert_eq!(*state, CertificateState::Revoked);
}

#[test]
fn a_user_id_cannot_steer_a_terminal() {
    let forge = Forge::with(|builder| builder.add_userid("\x1b[2K\rTrusted Inc."));
    let certificate = &forge.keyring().certificates(day(1))[0];
    for user_id in &certificate.user_ids {
        assert!(!user_id.contains(char::is_control), "{user_id:?}");
    }
    assert!(
        certificate
            .user_ids
            .iter()
            .any(|u| u.ends_with("Trusted Inc."))
    );
}
