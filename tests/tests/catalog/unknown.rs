//! First contact: a host that trusts no key, and one that was told a
//! fingerprint.

use super::fixture::{catalog_path, fresh, names, refused_as, request, seal, write};
use crate::import::fixture::{Street, import};
use hatchery_image::{Fingerprint, Keyring};
use hatchery_importer::import::Kind;
use hatchery_importer::repository::RepositoryError;
use hatchery_importer::{ImportError, ImportRequest};
use hatchery_tests::lab::key;
use std::fs;

/// A host that trusts nobody and was told these fingerprints.
fn told(street: &Street, fingerprints: &[&Fingerprint]) -> ImportRequest {
    let mut request = request(street, "victim");
    request.repository.keyring = Keyring::default();
    request.repository.trust = fingerprints.iter().map(|f| (*f).clone()).collect();
    request.repository.keys = Some(street.host.path().join("keys"));
    request
}

#[test]
fn a_fingerprint_that_was_told_is_trusted_from_then_on() {
    let Some(street) = fresh() else { return };
    let request = told(&street, &[street.yard.signer.fingerprint()]);
    import(&request).unwrap();
    let keys = street.host.path().join("keys");
    let kept = Keyring::load_directory(&keys).unwrap();
    assert_eq!(
        kept.fingerprints(),
        [street.yard.signer.fingerprint().clone()]
    );
    let mut next = told(&street, &[]);
    next.machine = "next".parse().unwrap();
    next.repository.keyring = kept;
    import(&next).unwrap();
}

#[test]
fn a_mirror_without_the_key_that_was_told() {
    let Some(street) = fresh() else { return };
    let other = "0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap();
    let request = told(&street, &[&other]);
    refused_as(
        &request,
        Kind::Trust,
        "it is not the repository that you were told of",
    );
    assert!(!street.host.path().join("keys").exists());
}

#[test]
fn the_key_that_was_told_lies_there_but_did_not_sign() {
    let Some(street) = fresh() else { return };
    let other = key(&street.yard.path("other"), "other@example.org");
    let mut keys = street.keyring();
    keys.extend(Keyring::parse(&other.public_key().unwrap()).unwrap());
    fs::write(street.store().join("keys.pgp"), keys.to_bytes()).unwrap();
    let request = told(&street, &[other.fingerprint()]);
    refused_as(&request, Kind::Trust, "is not a trusted key");
    assert!(!street.host.path().join("keys").exists());
    let _ = other.stop_agent();
}

#[test]
fn a_trusted_key_does_not_count_beside_the_one_that_was_told() {
    let Some(street) = fresh() else { return };
    let other = "0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap();
    let mut request = told(&street, &[&other]);
    request.repository.keyring = street.keyring();
    refused_as(&request, Kind::Trust, "the mirror has no key 0123");
}

#[test]
fn nothing_is_trusted_by_itself() {
    let Some(street) = fresh() else { return };
    let fingerprint = street.yard.signer.fingerprint().as_str();
    let error = refused_as(
        &told(&street, &[]),
        Kind::Trust,
        &format!("--trust {fingerprint}"),
    );
    match error {
        ImportError::Repository(RepositoryError::FirstContact { candidates, .. }) => {
            assert_eq!(candidates.len(), 1);
            assert_eq!(candidates[0].user_ids, ["images@example.org"]);
        }
        error => panic!("{error}"),
    }
    assert!(!street.host.path().join("keys").exists());
    assert!(names(&street.places().state.join("repositories")).is_empty());
}

#[test]
fn a_mirror_without_certificates_has_nobody_to_show() {
    let Some(street) = fresh() else { return };
    fs::remove_file(street.store().join("keys.pgp")).unwrap();
    let error = refused_as(&told(&street, &[]), Kind::Trust, "no key is trusted");
    assert!(
        matches!(error, ImportError::Repository(RepositoryError::NoKey)),
        "{error}"
    );
}

#[test]
fn certificates_of_others_are_not_shown_as_the_signers() {
    let Some(street) = fresh() else { return };
    let stranger = key(&street.yard.path("x"), "images@example.org");
    // The catalog is signed by a key that the mirror does not show.
    let mut forged = super::fixture::catalog(&street);
    forged.keys = vec![stranger.fingerprint().clone()];
    write(&street, &seal(&stranger, &forged));
    refused_as(&told(&street, &[]), Kind::Trust, "is not a trusted key");
    assert!(catalog_path(&street).exists());
    let _ = stranger.stop_agent();
}

#[test]
fn a_short_fingerprint_is_none() {
    for short in [
        "0123456789ABCDEF",
        "89ABCDEF",
        "0x0123456789ABCDEF0123456789ABCDEF01234567",
        "0123456789ABCDEF0123456789ABCDEF0123456",
    ] {
        assert!(short.parse::<Fingerprint>().is_err(), "{short}");
    }
    let spaced = "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567";
    assert!(spaced.parse::<Fingerprint>().is_ok());
}
