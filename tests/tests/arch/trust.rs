//! Packages and databases that must not be believed.

use super::fixture::{Bench, NEEDS, with_file};
use crate::build::fixture::says;
use hatchery_tests::pocket::{Key, Listed, Pkg};
use hatchery_tests::require;
use std::fs;

/// Lines that loosen or tighten what must be signed.
fn sig_level(level: &str) -> String {
    format!("[[repository]]\nname = \"core\"\nsig_level = \"{level}\"\n")
}

fn other_key() -> Key {
    Key::new("Other <other@localhost>")
}

#[test]
fn a_package_by_a_key_that_is_not_trusted() {
    if !require(&NEEDS) {
        return;
    }
    let other = other_key();
    let bench = Bench::with_changed(&with_file("one"), |listed| {
        listed.sign_with(other.sign(&listed.bytes));
    });
    let fingerprint = other.fingerprint().to_string();
    says(
        &bench.refused(&["one"], ""),
        &[
            "cannot bootstrap tiny",
            "the package one is not signed by a trusted key",
            &fingerprint,
            "is not a trusted key",
        ],
    );
}

#[test]
fn a_package_file_that_was_changed() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&with_file("one"), |listed| {
        *listed.bytes.last_mut().unwrap() ^= 1;
    });
    says(
        &bench.refused(&["one"], ""),
        &[
            "cannot download the packages",
            "one-1-1-any.pkg.tar.zst",
            "its SHA-256 is",
            "instead of",
        ],
    );
}

/// What the database says fits another file of the same length.
fn swap(listed: &mut Listed, other: &Pkg) {
    let forged = Listed::new(other, &other_key());
    listed.bytes = forged.bytes;
    for field in ["CSIZE", "MD5SUM", "SHA256SUM"] {
        let (_, values) = forged
            .fields
            .iter()
            .find(|(name, _)| name == field)
            .unwrap();
        listed.set(field, &[&values[0]]);
    }
}

#[test]
fn a_package_file_that_was_changed_and_its_digest_in_the_database_with_it() {
    if !require(&NEEDS) {
        return;
    }
    let evil = with_file("one").file("etc/evil", b"evil\n");
    let bench = Bench::with_changed(&with_file("one"), |listed| swap(listed, &evil));
    says(
        &bench.refused(&["one"], ""),
        &[
            "the package one is not signed by a trusted key",
            "made a signature that does not match the data",
        ],
    );
}

#[test]
fn a_signature_of_the_file_of_another_package() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    let two = Listed::new(&with_file("two"), bench.repository.key());
    let signature = two.signature.clone().unwrap();
    bench.repository.put(two);
    bench.repository.add_changed(&with_file("one"), |listed| {
        listed.sign_with(signature);
    });
    bench.repository.publish();
    says(
        &bench.refused(&["one", "two"], ""),
        &["the package one", "does not match the data"],
    );
}

#[test]
fn a_package_without_a_signature() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&with_file("one"), Listed::unsign);
    for level in ["required", "database-required"] {
        if level == "database-required" {
            let signature = bench.repository.key().sign(&database(&bench));
            fs::write(signature_file(&bench), signature).unwrap();
        }
        says(
            &bench.refused(&["one"], &sig_level(level)),
            &[
                "cannot plan the packages of tiny",
                "there is no signature of the package one, and its repository must have one",
                "one-1-1-any.pkg.tar.zst.sig",
            ],
        );
    }
}

#[test]
fn a_package_without_a_signature_where_none_is_needed() {
    if !require(&NEEDS) {
        return;
    }
    for level in ["optional", "never"] {
        let bench = Bench::with_changed(&with_file("one"), Listed::unsign);
        let built = bench.builds(&["one"], &sig_level(level));
        assert_eq!(built.read("etc/one"), "one");
        assert_eq!(built.field("one-1-1", "VALIDATION"), "sha256", "{level}");
        let unverified = "nothing of the repository core is verified";
        let warned = built.warnings.iter().any(|w| w.starts_with(unverified));
        assert_eq!(warned, level == "never", "{:?}", built.warnings);
    }
}

#[test]
fn a_signature_that_is_there_counts_unless_none_does() {
    if !require(&NEEDS) {
        return;
    }
    let wrong = |listed: &mut Listed| listed.sign_with(other_key().sign(&listed.bytes));
    let bench = Bench::with_changed(&with_file("one"), wrong);
    let error = bench.refused(&["one"], &sig_level("optional"));
    says(&error, &["the package one", "is not a trusted key"]);
    let built = bench.builds(&["one"], &sig_level("never"));
    assert_eq!(built.field("one-1-1", "VALIDATION"), "sha256");
}

#[test]
fn a_signature_beside_the_package_counts_like_one_in_the_database() {
    if !require(&NEEDS) {
        return;
    }
    for level in ["required", "optional"] {
        let beside = |listed: &mut Listed| listed.set("PGPSIG", &[]);
        let bench = Bench::with_changed(&with_file("one"), beside);
        let built = bench.builds(&["one"], &sig_level(level));
        assert_eq!(built.field("one-1-1", "VALIDATION"), "pgp");
    }
}

#[test]
fn a_file_beside_the_package_that_is_no_signature() {
    if !require(&NEEDS) {
        return;
    }
    let garbage = |listed: &mut Listed| {
        listed.set("PGPSIG", &[]);
        listed.signature = Some(b"<html>Not found</html>".to_vec());
    };
    let bench = Bench::with_changed(&with_file("one"), garbage);
    says(&bench.refused(&["one"], ""), &["the package one"]);
}

#[test]
fn a_package_by_a_key_that_has_expired() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::signed_by(&Key::expiring("Tiny <tiny@localhost>", 30));
    bench.repository.add(&with_file("one"));
    bench.repository.publish();
    says(
        &bench.refused(&["one"], ""),
        &["the package one", "has expired (at 2025-07-15"],
    );
}

#[test]
fn a_package_by_a_key_that_was_revoked() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::with(&[with_file("one")]);
    bench.trusted = bench.repository.key().revoked().public();
    let error = bench.refused(&["one"], "");
    says(&error, &["the package one", "was revoked"]);
}

/// The bytes of the database.
fn database(bench: &Bench) -> Vec<u8> {
    fs::read(bench.repository.database()).unwrap()
}

fn signature_file(bench: &Bench) -> String {
    format!("{}.sig", bench.repository.database().display())
}

#[test]
fn a_database_that_must_be_signed_and_is_not() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    bench.builds(&["one"], &sig_level("required"));
    let other = Bench::with(&[with_file("one")]);
    says(
        &other.refused(&["one"], &sig_level("database-required")),
        &[
            "cannot use the repository core",
            "no mirror has a database that can be used",
            "the database must be signed, and its signature cannot be fetched",
            "core.db.sig",
        ],
    );
}

#[test]
fn a_database_with_a_signature_that_does_not_count() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    for (signature, why) in [
        (other_key().sign(&database(&bench)), "is not a trusted key"),
        (
            bench.repository.key().sign(b"an older one"),
            "does not match the data",
        ),
        (b"<html>".to_vec(), "cannot be read as an OpenPGP signature"),
    ] {
        fs::write(signature_file(&bench), signature).unwrap();
        // Where one is there, it counts.
        for level in ["required", "database-required", "optional"] {
            let error = bench.refused(&["one"], &sig_level(level));
            says(&error, &["no mirror has a database that can be used", why]);
        }
    }
    bench.builds(&["one"], &sig_level("never"));
}

#[test]
fn a_database_that_is_signed_is_used() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    bench.repository = bench.repository.signed();
    bench.repository.add(&with_file("one"));
    bench.repository.publish();
    let built = bench.builds(&["one"], &sig_level("database-required"));
    assert_eq!(built.installed(), ["one-1-1"]);
}
