//! Several mirrors of one repository, of which some are broken.

use super::fixture::{Bench, CORE, NEEDS, with_file};
use crate::build::fixture::{refused, says};
use hatchery_tests::pocket::{Pkg, PkgRepository};
use hatchery_tests::require;
use std::fs;
use std::path::PathBuf;

/// A good mirror, and one more of the same packages before it, with its top.
fn two(packages: &[Pkg]) -> (Bench, PkgRepository, PathBuf) {
    let bench = Bench::with(packages);
    let top = bench.path("first");
    let mut first = PkgRepository::create(&top, CORE, bench.repository.key());
    for package in packages {
        first.add(package);
    }
    first.publish();
    (bench, first, top)
}

#[test]
fn a_mirror_with_a_broken_database_is_passed_over() {
    if !require(&NEEDS) {
        return;
    }
    let (bench, first, top) = two(&[with_file("one")]);
    first.publish_bytes(b"\x1f\x8b and no more");
    let mirrors = [top.as_path(), &bench.path("")];
    let built = bench.builds_request(&bench.request_from(&mirrors, &["one"], ""));
    assert_eq!(built.read("etc/one"), "one");
}

#[test]
fn a_mirror_with_a_broken_package_is_passed_over() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one");
    for spoil in [b"".as_slice(), b"garbage"] {
        let (bench, first, top) = two(std::slice::from_ref(&one));
        fs::write(first.file(&one), spoil).unwrap();
        let mirrors = [top.as_path(), &bench.path("")];
        let built = bench.builds_request(&bench.request_from(&mirrors, &["one"], ""));
        assert_eq!(built.read("etc/one"), "one");
    }
}

#[test]
fn a_mirror_without_the_package_is_passed_over() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one");
    let (bench, first, top) = two(std::slice::from_ref(&one));
    fs::remove_file(first.file(&one)).unwrap();
    let mirrors = [top.as_path(), &bench.path("")];
    let built = bench.builds_request(&bench.request_from(&mirrors, &["one"], ""));
    assert_eq!(built.read("etc/one"), "one");
}

#[test]
fn mirrors_that_are_all_broken_are_all_named() {
    if !require(&NEEDS) {
        return;
    }
    let (bench, first, top) = two(&[with_file("one")]);
    first.publish_bytes(b"\x1f\x8b and no more");
    bench.repository.publish_bytes(b"<html>");
    let mirrors = [top.as_path(), &bench.path("nowhere"), &bench.path("")];
    let error = refused(&bench.request_from(&mirrors, &["one"], ""));
    says(
        &error,
        &[
            "cannot use the repository core",
            "first/core/os/x86_64/core.db: ",
            "nowhere/core/os/x86_64/core.db: ",
            "cannot be read as a tar archive",
        ],
    );
}
