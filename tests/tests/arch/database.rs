//! Databases, which are mostly not signed, that say something else than the
//! packages, or that are made to do harm.

use super::fixture::{Bench, CORE, NEEDS, pkg, with_file};
use crate::build::fixture::says;
use hatchery_tests::pocket::{Compression, Kind, Listed, Member, Pkg};
use hatchery_tests::require;

#[test]
fn a_database_that_gives_another_version_of_a_package() {
    if !require(&NEEDS) {
        return;
    }
    // An old package, which is signed, in the place of the newest.
    let bench = Bench::with_changed(&with_file("one"), |listed| {
        listed.folder = "one-2-1".to_owned();
        listed.set("VERSION", &["2-1"]);
    });
    says(
        &bench.refused(&["one"], ""),
        &["the package that was to be one 2-1 (any) says that it is one 1-1 (any)"],
    );
}

#[test]
fn a_database_that_gives_a_package_the_name_of_another_one() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&with_file("weak"), |listed| {
        listed.folder = "strong-1-1".to_owned();
        listed.set("NAME", &["strong"]);
    });
    says(
        &bench.refused(&["strong"], ""),
        &["the package that was to be strong 1-1 (any) says that it is weak 1-1 (any)"],
    );
}

#[test]
fn a_database_that_gives_a_package_the_file_of_another_one() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    let key = bench.repository.key().clone();
    let two = Listed::new(&with_file("two"), &key);
    let mut one = Listed::new(&with_file("one"), &key);
    for field in ["FILENAME", "CSIZE", "MD5SUM", "SHA256SUM", "PGPSIG"] {
        let (_, values) = two.fields.iter().find(|(name, _)| name == field).unwrap();
        one.set(field, &[&values[0]]);
    }
    bench.repository.put(one);
    bench.repository.put(two);
    bench.repository.publish();
    says(
        &bench.refused(&["one"], ""),
        &["the package that was to be one 1-1 (any) says that it is two 1-1 (any)"],
    );
    // Nor can both be in it.
    says(
        &bench.refused(&["one", "two"], ""),
        &["the packages one and two are both said to be the file two-1-1-any.pkg.tar.zst"],
    );
}

#[test]
fn a_database_that_calls_a_package_by_two_names() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&with_file("one"), |listed| listed.set("NAME", &["two"]));
    let built = bench.builds(&["one"], "");
    built.warned_once(&["core", "another name inside the entry of one 1-1"]);
    assert_eq!(built.installed(), ["one-1-1"]);
}

#[test]
fn a_database_that_hides_what_a_package_needs() {
    if !require(&NEEDS) {
        return;
    }
    for needed in ["two", "virtual>=1"] {
        let mut bench = Bench::empty();
        // What it provides itself is not new enough.
        let one = with_file("one").depends(needed).provides("virtual=0");
        bench.repository.add_changed(&one, |listed| {
            listed.set("DEPENDS", &[]);
        });
        bench.repository.publish();
        says(
            &bench.refused(&["one"], ""),
            &[
                "cannot install the packages",
                &format!("the package one needs {needed}, which is not installed"),
                "the repository's database says something else",
            ],
        );
    }
}

#[test]
fn a_database_that_hides_a_conflict() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    let one = with_file("one").conflicts("virtual<2");
    bench
        .repository
        .add_changed(&one, |listed| listed.set("CONFLICTS", &[]));
    bench
        .repository
        .add(&with_file("two").provides("virtual=1"));
    bench.repository.publish();
    says(
        &bench.refused(&["one", "two"], ""),
        &["the packages one and two are in conflict (virtual<2)"],
    );
}

/// It costs a package more, which is signed like the others. pacman before
/// 6.1 does the same, and a newer one refuses.
#[test]
fn a_database_that_adds_a_dependency_adds_a_package() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    let depends = |listed: &mut Listed| listed.set("DEPENDS", &["two"]);
    bench.repository.add_changed(&with_file("one"), depends);
    bench.repository.add(&with_file("two"));
    bench.repository.publish();
    let built = bench.builds(&["one"], "");
    assert_eq!(built.installed(), ["one-1-1", "two-1-1"]);
    assert_eq!(built.field("one-1-1", "DEPENDS"), "");
}

#[test]
fn a_package_whose_digest_is_not_in_the_database() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&with_file("one"), |listed| listed.set("SHA256SUM", &[]));
    says(
        &bench.refused(&["one"], ""),
        &["the database of core has no SHA-256 of the package one"],
    );
}

#[test]
fn a_database_whose_file_names_are_paths() {
    if !require(&NEEDS) {
        return;
    }
    for name in ["../../x.pkg.tar.zst", "/etc/passwd", ".x", ""] {
        let bench = Bench::with_changed(&with_file("one"), |listed| {
            listed.set("FILENAME", &[name]);
        });
        let error = bench.refused(&["one"], "");
        says(&error, &["\"one-1-1/desc\" cannot be used", "%FILENAME%"]);
    }
}

#[test]
fn a_database_that_is_none() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    let good = std::fs::read(bench.repository.database()).unwrap();
    for (bytes, why) in [
        (b"<html>Not found</html>".to_vec(), "cannot be read"),
        (good[..good.len() / 2].to_vec(), "cannot be read"),
        (b"BZh91AY&SY".to_vec(), "is compressed with bzip2"),
    ] {
        bench.repository.publish_bytes(&bytes);
        let error = bench.refused(&["one"], "");
        says(&error, &["no mirror has a database that can be used", why]);
    }
}

/// A tar of one file of zeros, compressed to next to nothing.
fn bomb(compression: Compression, mebibytes: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("one-1-1/files").unwrap();
    header.set_size(mebibytes << 20);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    // What is compressed in pieces is one text again.
    let mut bytes = compression.pack(header.as_bytes());
    let zeros = compression.pack(&vec![0; 1 << 20]);
    for _ in 0..mebibytes {
        bytes.extend_from_slice(&zeros);
    }
    bytes
}

#[test]
fn a_database_that_grows_without_end() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::empty();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let bytes = bomb(compression, 300);
        assert!(bytes.len() < 4 << 20, "{compression:?}: {}", bytes.len());
        bench.repository.publish_bytes(&bytes);
        let error = bench.refused(&["one"], "");
        says(&error, &["the database decompresses to more than"]);
    }
}

#[test]
fn a_database_of_too_many_entries() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::empty();
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_path("one-1-1/").unwrap();
    header.set_size(0);
    header.set_cksum();
    let thousand = Compression::Zstd.pack(&header.as_bytes().repeat(1000));
    bench.repository.publish_bytes(&thousand.repeat(310));
    let error = bench.refused(&["one"], "");
    says(&error, &["the database holds more than", "entries"]);
}

#[test]
fn a_database_of_a_package_that_describes_itself_without_end() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with_changed(&pkg("one"), |listed| {
        listed.set("DESC", &[&"x".repeat(5 << 20)]);
    });
    let error = bench.refused(&["one"], "");
    says(&error, &["\"one-1-1/desc\" is longer than"]);
}

#[test]
fn a_database_of_what_is_no_package() {
    if !require(&NEEDS) {
        return;
    }
    let mut bench = Bench::empty();
    bench.repository.add_changed(&pkg("one"), |listed| {
        listed.folder = "../one-1-1".to_owned();
    });
    bench.repository.publish();
    let error = bench.refused(&["one"], "");
    says(&error, &["is not called NAME-VERSION-RELEASE/FILE"]);
}

#[test]
fn a_file_in_a_database_that_is_not_known_is_passed_over() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    // As in core.files, which has a list of files besides.
    let mut tar = bench.repository.database_tar();
    tar.truncate(tar.len() - 1024);
    let list = Pkg::new(CORE, "1-1")
        .bare(Member::new(
            "one-1-1/files",
            Kind::File(b"%FILES%\n".into()),
        ))
        .without(".BUILDINFO")
        .without(".PKGINFO")
        .without(".MTREE")
        .compressed(Compression::None);
    tar.extend(list.bytes());
    bench.repository.publish_bytes(&tar);
    let built = bench.builds(&["one"], "");
    assert_eq!(built.installed(), ["one-1-1"]);
}
