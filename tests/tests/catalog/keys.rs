//! Signatures of keys that may not sign, or not any more.

use super::fixture::{
    catalog, certificate, envelope, known, refused, refused_as, request, revoke, seal,
    seal_with_options, write,
};
use crate::import::fixture::Street;
use hatchery_image::catalog::PAYLOAD_TYPE;
use hatchery_image::envelope::pre_authentication_encoding;
use hatchery_image::signer::Home;
use hatchery_image::{Catalog, Keyring};
use hatchery_importer::ImportRequest;
use hatchery_importer::import::Kind;
use hatchery_tests::lab::key;
use hatchery_tests::run::run;
use sequoia_openpgp as openpgp;
use std::fs;

fn next(street: &Street) -> Catalog {
    let mut next = catalog(street);
    next.version += 1;
    next
}

/// To import with this key alone, from a mirror that publishes no certificates.
fn trusting(street: &Street, keyring: Keyring) -> ImportRequest {
    let _ = fs::remove_file(street.store().join("keys.pgp"));
    let mut request = request(street, "victim");
    request.repository.keyring = keyring;
    request
}

#[test]
fn a_stranger_who_lists_himself() {
    let Some(street) = known() else { return };
    let other = key(&street.yard.path("other"), "images@example.org");
    let mut forged = next(&street);
    forged.keys = vec![other.fingerprint().clone()];
    write(&street, &seal(&other, &forged));
    let _ = other.stop_agent();
    refused(&street, "is not a trusted key");
}

#[test]
fn a_trusted_key_that_the_catalog_does_not_list() {
    let Some(street) = known() else { return };
    let other = key(&street.yard.path("other"), "other@example.org");
    write(&street, &seal(&other, &next(&street)));
    let _ = other.stop_agent();
    let mut keyring = street.keyring();
    keyring.extend(certificate(&other));
    let mut request = request(&street, "victim");
    request.repository.keyring = keyring;
    refused_as(&request, Kind::Trust, "does not list among its own keys");
}

#[test]
fn a_revoked_key() {
    let Some(street) = known() else { return };
    let signer = &street.yard.signer;
    revoke(&street, signer);
    let request = trusting(&street, certificate(signer));
    refused_as(&request, Kind::Trust, "was revoked");
}

#[test]
fn an_expired_key() {
    let Some(street) = known() else { return };
    let home = Home::create(&street.yard.path("brief")).unwrap();
    let text = home.path().unwrap().to_str().unwrap().to_owned();
    let past = "--faked-system-time=20260101T000000!";
    let make = [
        "--quick-generate-key",
        "brief@example.org",
        "ed25519",
        "sign,cert",
        "1d",
    ];
    let argv = [
        "gpg",
        "--homedir",
        &text,
        "--batch",
        "--passphrase",
        "",
        past,
    ];
    run(&[&argv[..], &make].concat()).unwrap();
    let listed = run(&["gpg", "--homedir", &text, "--with-colons", "--list-keys"]).unwrap();
    let fingerprint = listed.lines().find(|l| l.starts_with("fpr:")).unwrap();
    let fingerprint = fingerprint.split(':').nth(9).unwrap();
    let mut forged = next(&street);
    forged.keys = vec![fingerprint.parse().unwrap()];
    let payload = serde_json::to_vec(&forged).unwrap();
    let covered = street.yard.path("covered");
    fs::write(
        &covered,
        pre_authentication_encoding(PAYLOAD_TYPE, &payload),
    )
    .unwrap();
    let (output, public) = (street.yard.path("signature"), street.yard.path("brief.pgp"));
    let sign = [
        "--output",
        output.to_str().unwrap(),
        "--detach-sign",
        covered.to_str().unwrap(),
    ];
    run(&[&argv[..], &sign].concat()).unwrap();
    let export = [
        "gpg",
        "--homedir",
        &text,
        "--output",
        public.to_str().unwrap(),
        "--export",
    ];
    run(&export).unwrap();
    let _ = home.stop_agent();
    let signature = fs::read(output).unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &[signature]));
    let request = trusting(&street, Keyring::load(&public).unwrap());
    refused_as(&request, Kind::Trust, "has expired");
}

#[test]
fn a_signature_with_sha_1() {
    let Some(street) = known() else { return };
    let signer = street.yard.signer.clone();
    let forged = next(&street);
    write(
        &street,
        &seal_with_options(&street, &signer, &["--digest-algo", "SHA1"], &forged),
    );
    refused(&street, "too weak");
}

#[test]
fn a_signature_that_has_expired() {
    let Some(street) = known() else { return };
    let signer = street.yard.signer.clone();
    let forged = next(&street);
    let options = ["--default-sig-expire", "seconds=1"];
    write(
        &street,
        &seal_with_options(&street, &signer, &options, &forged),
    );
    std::thread::sleep(std::time::Duration::from_secs(2));
    refused(&street, "made a signature that expired");
}

#[test]
fn a_signature_from_the_future() {
    let Some(street) = known() else { return };
    let signer = street.yard.signer.clone();
    let forged = next(&street);
    let options = ["--faked-system-time=20990101T000000!"];
    write(
        &street,
        &seal_with_options(&street, &signer, &options, &forged),
    );
    refused(&street, "check the clock");
}

#[test]
fn a_signature_of_a_text() {
    let Some(street) = known() else { return };
    let signer = street.yard.signer.clone();
    let forged = next(&street);
    write(
        &street,
        &seal_with_options(&street, &signer, &["--textmode"], &forged),
    );
    refused(&street, "its type is");
}

#[test]
fn a_subkey_that_is_not_for_signing() {
    use openpgp::packet::signature::SignatureBuilder;
    use openpgp::serialize::SerializeInto as _;
    use openpgp::types::{HashAlgorithm, SignatureType};
    let Some(street) = known() else { return };
    // GnuPG itself refuses to sign with it.
    let builder = openpgp::cert::CertBuilder::new().add_userid("odd@example.org");
    let (cert, _) = builder.add_authentication_subkey().generate().unwrap();
    let subkey = cert.keys().subkeys().next().unwrap().key().clone();
    let mut pair = subkey.parts_into_secret().unwrap().into_keypair().unwrap();
    let mut forged = next(&street);
    forged.keys = vec![cert.fingerprint().into()];
    let payload = serde_json::to_vec(&forged).unwrap();
    let covered = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    let signature = SignatureBuilder::new(SignatureType::Binary)
        .set_hash_algo(HashAlgorithm::SHA512)
        .sign_message(&mut pair, &covered)
        .unwrap();
    let packet = openpgp::Packet::from(signature).to_vec().unwrap();
    write(&street, &envelope(PAYLOAD_TYPE, &payload, &[packet]));
    let public = cert.strip_secret_key_material().to_vec().unwrap();
    let request = trusting(&street, Keyring::parse(&public).unwrap());
    refused_as(&request, Kind::Trust, "is not a key for signing");
}
