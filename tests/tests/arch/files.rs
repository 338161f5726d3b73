//! Paths that two packages have.

use super::fixture::{Bench, NEEDS, pkg, with_file};
use crate::build::fixture::says;
use hatchery_tests::pocket::{Kind, Member, Pkg};
use hatchery_tests::require;

/// What is said of two packages, the second of which is installed last.
fn refused(one: Pkg, two: Pkg) -> String {
    Bench::with(&[one, two.depends("one")]).refused(&["two"], "")
}

#[test]
fn a_file_of_two_packages() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(
        pkg("one").file("etc/x", b"1"),
        pkg("two").file("etc/x", b"2"),
    );
    says(
        &error,
        &[
            "cannot install the packages",
            "the packages one and two both have /etc/x",
        ],
    );
    // The same bytes are no excuse.
    let error = refused(
        pkg("one").file("etc/x", b"1"),
        pkg("two").file("etc/x", b"1"),
    );
    says(&error, &["the packages one and two both have /etc/x"]);
}

#[test]
fn a_folder_where_another_package_has_a_file() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(
        pkg("one").file("etc/x", b"1"),
        pkg("two").file("etc/x/y", b"2"),
    );
    says(&error, &["the packages one and two both have /etc/x"]);
}

#[test]
fn a_file_where_another_package_has_a_folder() {
    if !require(&NEEDS) {
        return;
    }
    let error = refused(
        pkg("one").file("etc/x/y", b"1"),
        pkg("two").file("etc/x", b"2"),
    );
    says(&error, &["the packages one and two both have /etc/x"]);
}

#[test]
fn a_link_where_another_package_has_a_folder() {
    if !require(&NEEDS) {
        return;
    }
    let one = pkg("one").file("usr/lib/x", b"1").link("lib", "usr/lib");
    let error = refused(one, pkg("two").file("lib/y", b"2"));
    says(&error, &["the packages one and two both have /lib"]);
}

/// As on the way through `/lib` to what is in `/usr/lib`.
#[test]
fn a_file_of_two_packages_by_two_paths() {
    if !require(&NEEDS) {
        return;
    }
    let one = pkg("one").file("usr/lib/x", b"1").link("lib", "usr/lib");
    // The folder that is a link is not among its paths.
    let two = pkg("two").bare(Member::new("lib/x", Kind::File(b"2".into())));
    let bench = Bench::with(&[one, two.depends("one")]);
    let error = bench.refused(&["two"], "");
    says(&error, &["the packages one and two both have /lib"]);
}

#[test]
fn a_folder_of_two_packages_is_that_of_the_first() {
    if !require(&NEEDS) {
        return;
    }
    let mut folder = Member::new("srv", Kind::Folder);
    folder.mode = 0o750;
    let one = pkg("one").placed(folder);
    let two = with_file("two").folder("srv").depends("one");
    let built = Bench::with(&[one, two]).builds(&["two"], "");
    let stat = std::fs::metadata(built.tree.join("srv")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&stat) & 0o7777, 0o750);
    assert_eq!(built.warnings, [""; 0]);
}

#[test]
fn a_file_where_every_tree_has_a_folder() {
    if !require(&NEEDS) {
        return;
    }
    for path in ["tmp", "var/log", "dev", "etc/pacman.d"] {
        let error = Bench::with(&[pkg("one").file(path, b"x")]).refused(&["one"], "");
        let place = format!("/{path}");
        says(&error, &["one", &place, "directory"]);
    }
}
