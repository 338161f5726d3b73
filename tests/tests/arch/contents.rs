//! Package files, signed as they should be, that are no packages.

use super::fixture::{Bench, NEEDS, pkg, with_file};
use crate::build::fixture::says;
use hatchery_tests::pocket::{Compression, Kind, Listed, Member, Pkg};
use hatchery_tests::require;

/// What is said of a package whose signed file has these bytes.
fn refused(bytes: &[u8]) -> String {
    let bench = bench(bytes);
    bench.refused(&["one"], "")
}

fn bench(bytes: &[u8]) -> Bench {
    let mut bench = Bench::empty();
    let key = bench.repository.key().clone();
    let honest = Listed::new(&with_file("one"), &key);
    let mut listed = honest;
    listed.bytes = bytes.to_vec();
    listed.set("CSIZE", &[&bytes.len().to_string()]);
    let digest = hatchery_image::Sha256::of(bytes).to_string();
    listed.set("SHA256SUM", &[&digest]);
    listed.sign_with(key.sign(bytes));
    bench.repository.put(listed);
    bench.repository.publish();
    bench
}

#[test]
fn a_package_file_that_is_no_archive() {
    if !require(&NEEDS) {
        return;
    }
    let text = b"<html>Not found</html>".as_slice();
    for bytes in [
        text.to_vec(),
        Compression::Zstd.pack(text),
        Compression::Xz.pack(text),
        Compression::Gzip.pack(text),
        b"\x28\xb5\x2f\xfd and no more".to_vec(),
    ] {
        let error = refused(&bytes);
        says(
            &error,
            &[
                "cannot unpack the packages",
                "cannot read the contents of the package one",
            ],
        );
    }
}

#[test]
fn an_archive_without_anything_in_it() {
    if !require(&NEEDS) {
        return;
    }
    let empty = Compression::Zstd.pack(&[0; 1024]);
    says(&refused(&empty), &["the package one has no .PKGINFO"]);
    says(&refused(&Compression::Zstd.pack(b"")), &["the package one"]);
}

#[test]
fn a_package_file_that_ends_early() {
    if !require(&NEEDS) {
        return;
    }
    for compression in [Compression::Zstd, Compression::Xz, Compression::Gzip] {
        let bytes = with_file("one")
            .file("usr/noise", &hatchery_tests::lab::noise(100_000))
            .compressed(compression)
            .bytes();
        for length in [bytes.len() / 2, bytes.len() - 2] {
            let error = refused(&bytes[..length]);
            says(&error, &["the package one"]);
        }
    }
}

#[test]
fn a_package_that_does_not_say_what_it_is() {
    if !require(&NEEDS) {
        return;
    }
    let package = with_file("one").without(".PKGINFO");
    let error = Bench::with(&[package]).refused(&["one"], "");
    says(&error, &["the package one has no .PKGINFO"]);
}

#[test]
fn a_package_that_is_for_another_architecture() {
    if !require(&NEEDS) {
        return;
    }
    let other = with_file("one").architecture("aarch64");
    let bench = bench(&other.bytes());
    let error = bench.refused(&["one"], "");
    says(
        &error,
        &["was to be one 1-1 (any) says that it is one 1-1 (aarch64)"],
    );
}

#[test]
fn a_package_without_a_list_of_its_files_has_those_that_are_in_it() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one").without(".MTREE")]);
    let built = bench.builds(&["one"], "");
    assert_eq!(
        built.read("var/lib/pacman/local/one-1-1/files"),
        "%FILES%\netc/\netc/one\n\n"
    );
    assert!(!built.has("var/lib/pacman/local/one-1-1/mtree"));
}

#[test]
fn metadata_that_is_no_plain_file() {
    if !require(&NEEDS) {
        return;
    }
    for kind in [Kind::Link("/etc/passwd".to_owned()), Kind::Folder] {
        let package = pkg("one")
            .without(".PKGINFO")
            .without(".MTREE")
            .bare(Member::new(".PKGINFO", kind));
        let error = Bench::with(&[package]).refused(&["one"], "");
        says(
            &error,
            &["the package one has metadata that is no plain file (/.PKGINFO)"],
        );
    }
}

#[test]
fn a_list_of_files_with_names_that_the_database_cannot_hold() {
    if !require(&NEEDS) {
        return;
    }
    for path in [
        "etc/a\n%BACKUP%\netc/passwd",
        "etc/../../x",
        "/etc/x",
        "etc//x",
    ] {
        // In the list only, and not in the package.
        let package = listing(path);
        let error = Bench::with(&[package]).refused(&["one"], "");
        says(&error, &["cannot read the package one", ".MTREE"]);
    }
}

/// A package whose list of files has one more than the package.
fn listing(path: &str) -> Pkg {
    let listed = with_file("one").bare(Member::new(path, Kind::File(b"x".into())));
    let (_, tar) = Compression::unpack(&listed.bytes());
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut mtree = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path_bytes().as_ref() == b".MTREE" {
            std::io::Read::read_to_end(&mut entry, &mut mtree).unwrap();
        }
    }
    with_file("one")
        .without(".MTREE")
        .bare(Member::new(".MTREE", Kind::File(mtree)))
}

#[test]
fn a_file_that_the_package_does_not_list_is_told_and_left_out() {
    if !require(&NEEDS) {
        return;
    }
    let mut unlisted = Member::new("etc/unlisted", Kind::File(b"x".into()));
    unlisted.listed = false;
    let bench = Bench::with(&[with_file("one").placed(unlisted)]);
    let built = bench.builds(&["one"], "");
    built.warned_once(&["/etc/unlisted is not in the file list of the package one"]);
    assert!(built.has("etc/one") && !built.has("etc/unlisted"));
}
