//! Revocations that a mirror publishes of keys that a host has pinned: they
//! count although the stored certificate still verifies, and are never lost.

use super::fixture::{certificate, fresh, gpg, names, refused_as, request, revoke};
use super::memory::warnings;
use crate::import::fixture::{Street, chain, import};
use crate::wire::fixture::signing;
use hatchery_image::Keyring;
use hatchery_importer::ImportRequest;
use hatchery_importer::import::Kind;
use hatchery_mirror::{Signing, refresh, succeed};
use hatchery_tests::lab::key;
use hatchery_tests::trickster::{Trick, Trickster};
use hatchery_transfer::Location;
use std::fs;
use std::path::PathBuf;

fn trusted(street: &Street) -> PathBuf {
    street.yard.path("trusted")
}

/// A host that trusts what is in its folder of keys, at first the signer as it
/// is now.
fn host(street: &Street, machine: &str) -> ImportRequest {
    let keys = trusted(street);
    if !keys.exists() {
        street.keyring().save_to_directory(&keys).unwrap();
    }
    let mut request = request(street, machine);
    request.repository.keyring = Keyring::load_directory(&keys).unwrap();
    request.repository.keys = Some(keys);
    request
}

fn show(street: &Street, certificates: &Keyring) {
    fs::write(street.store().join("keys.pgp"), certificates.to_bytes()).unwrap();
}

#[test]
fn a_revocation_that_the_mirror_publishes_counts_though_the_stored_certificate_verifies() {
    let Some(street) = fresh() else { return };
    import(&host(&street, "before")).unwrap();
    let signer = &street.yard.signer;
    let old = certificate(signer);
    revoke(&street, signer);
    show(&street, &certificate(signer));
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
    // From now on the mirror may hide it, or show the certificate of before.
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
    show(&street, &old);
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
    // Not even who saves the old certificate again takes it back.
    old.save_to_directory(&trusted(&street)).unwrap();
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
}

#[test]
fn a_revocation_of_one_mirror_counts_for_the_next() {
    let Some(street) = fresh() else { return };
    let signer = &street.yard.signer;
    let mut victim = host(&street, "victim");
    // Even where nothing can be kept.
    victim.repository.keys = None;
    revoke(&street, signer);
    let tricks = [(
        "keys.pgp",
        Trick::Bytes(certificate(signer).to_bytes(), vec![]),
    )];
    let honest = Trickster::serve(&street.store(), &tricks);
    let old = street.store();
    victim.repository.locations = vec![
        Location::parse(&honest.url()).unwrap(),
        Location::Folder(old),
    ];
    let error = refused_as(&victim, Kind::Trust, "was revoked");
    assert!(!chain(&error).contains("cannot fetch"), "{error}");
}

#[test]
fn a_revocation_that_was_shown_to_a_person_who_trusts_the_key_again() {
    let Some(street) = fresh() else { return };
    let signer = &street.yard.signer;
    let _ = host(&street, "before");
    revoke(&street, signer);
    show(&street, &certificate(signer));
    let mut told = host(&street, "victim");
    told.repository.trust = vec![signer.fingerprint().clone()];
    refused_as(&told, Kind::Trust, "was revoked");
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
}

#[test]
fn a_revoked_subkey_signs_no_more() {
    let Some(street) = fresh() else { return };
    let signer = &street.yard.signer;
    let fingerprint = signer.fingerprint().as_str();
    gpg(signer, &["--quick-add-key", fingerprint, "ed25519", "sign"]);
    refresh(&street.yard.store(), signer, &signing()).unwrap();
    import(&host(&street, "before")).unwrap();
    // The primary key signs well still, but a subkey signed this catalog.
    let edit = ["--command-fd", "0", "--edit-key", fingerprint];
    let home = signer.home().unwrap().to_str().unwrap();
    let line = "printf 'key 1\\nrevkey\\ny\\n1\\n\\ny\\nsave\\n' | gpg --homedir \"$0\" --no-tty \
                --pinentry-mode loopback --passphrase '' \"$@\"";
    let argv = [&["sh", "-c", line, home][..], &edit].concat();
    hatchery_tests::run::run(&argv).unwrap();
    show(&street, &certificate(signer));
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    refused_as(&host(&street, "victim"), Kind::Trust, "was revoked");
}

#[test]
fn who_publishes_with_another_key_can_publish_the_revocation_of_the_old_one() {
    let Some(street) = fresh() else { return };
    let (old, new) = (
        &street.yard.signer,
        key(&street.yard.path("new"), "new@example.org"),
    );
    succeed(&street.yard.store(), old, &new, &signing()).unwrap();
    let before = certificate(old);
    revoke(&street, old);
    let told = Signing {
        trusted: certificate(old),
        ..signing()
    };
    refresh(&street.yard.store(), &new, &told).unwrap();
    let published = Keyring::load(&street.store().join("keys.pgp")).unwrap();
    let revoked = published.revoked_since(&before).fingerprints();
    assert!(revoked.contains(old.fingerprint()));
    let _ = new.stop_agent();
}

#[test]
fn nothing_is_kept_or_said_when_nothing_is_new_or_it_is_of_another() {
    let Some(street) = fresh() else { return };
    let request = host(&street, "m");
    let file = trusted(&street).join(format!("{}.pgp", street.yard.signer.fingerprint()));
    let before = fs::read(&file).unwrap();
    // The name is the same, the key is not, and it is revoked.
    let other = key(&street.yard.path("other"), "images@example.org");
    revoke(&street, &other);
    let mut published = street.keyring();
    published.extend(certificate(&other));
    show(&street, &published);
    assert_eq!(warnings(&request), Vec::<String>::new());
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(names(&trusted(&street)).len(), 1);
    let _ = other.stop_agent();
}

#[test]
fn certificates_that_cannot_be_read_or_never_end_change_nothing() {
    let Some(street) = fresh() else { return };
    let noise = Trick::Bytes(b"-----BEGIN PGP NOTHING".to_vec(), vec![]);
    for (machine, trick) in [("noise", noise), ("endless", Trick::Endless)] {
        let server = Trickster::serve(&street.store(), &[("keys.pgp", trick)]);
        let mut request = host(&street, machine);
        request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
        import(&request).unwrap();
    }
}
