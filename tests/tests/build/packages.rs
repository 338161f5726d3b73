//! Packages that are not there, do not go together, or are not what the
//! signed index says.

use super::fixture::{NEEDS, Workshop, says};
use hatchery_tests::debs::Deb;
use hatchery_tests::require;
use std::fs;

#[test]
fn an_unknown_package_is_named_with_the_nearest_ones() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::with(&[
        Deb::new("openssh-server", "1"),
        Deb::new("openssh-client", "1"),
        Deb::new("hello", "1"),
    ]);
    let error = workshop.refused("packages = [\"opensh-server\"]");
    says(
        &error,
        &[
            "cannot plan the packages of small",
            "there is no package opensh-server in small; did you mean openssh-server",
        ],
    );
    let error = workshop.refused("packages = [\"zzzzzz\"]");
    assert!(
        error.ends_with("there is no package zzzzzz in small"),
        "{error}"
    );
}

#[test]
fn a_dependency_that_nothing_satisfies_is_explained_down_to_who_wants_it() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::with(&[
        Deb::new("web", "3").field("Depends", "server"),
        Deb::new("server", "2").field("Depends", "libssl (>= 3), libnothing"),
        Deb::new("libssl", "1.1"),
    ]);
    let error = workshop.refused("packages = [\"web\"]");
    says(
        &error,
        &[
            "these packages cannot be installed together",
            "web 3 (it was asked for)",
            "server 2 (for web: server)",
            "needs libssl (>= 3), but there is only libssl 1.1",
        ],
    );
}

#[test]
fn packages_that_conflict_are_both_named() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::with(&[
        Deb::new("postfix", "1").field("Conflicts", "exim4"),
        Deb::new("exim4", "1"),
    ]);
    let error = workshop.refused("packages = [\"exim4\", \"postfix\"]");
    says(&error, &["postfix 1 conflicts with exim4"]);
}

#[test]
fn two_packages_with_the_same_file_are_both_named() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::with(&[
        Deb::new("one", "1").file("etc/shared", b"1"),
        Deb::new("two", "1").file("etc/shared", b"2"),
    ]);
    let error = workshop.refused("packages = [\"one\", \"two\"]");
    says(
        &error,
        &["the packages one and two both have the file /etc/shared"],
    );
}

#[test]
fn a_package_that_was_replaced_in_the_pool_is_not_installed() {
    if !require(&NEEDS) {
        return;
    }
    let hello = Deb::new("hello", "1").file("usr/bin/hello", b"hello");
    let workshop = Workshop::with(std::slice::from_ref(&hello));
    let file = workshop.repository.file(&hello);
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1200;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let lines = "packages = [\"hello\"]";
    says(
        &workshop.refused(lines),
        &[
            "cannot bootstrap small",
            "cannot download the packages",
            "hello_1_all.deb: its SHA-256 is",
        ],
    );
    bytes.push(0);
    fs::write(&file, &bytes).unwrap();
    let error = workshop.refused(lines);
    says(&error, &["hello_1_all.deb: it is", "bytes long instead of"]);
    fs::remove_file(&file).unwrap();
    says(
        &workshop.refused(lines),
        &["hello_1_all.deb", "No such file"],
    );
}

#[test]
fn a_file_that_is_another_package_than_planned_is_not_installed() {
    if !require(&NEEDS) {
        return;
    }
    let mut workshop = Workshop::empty();
    let other = Deb::new("other", "1").bytes();
    workshop
        .repository
        .add_bytes(&Deb::new("hello", "1"), &other);
    let older = Deb::new("world", "1").bytes();
    workshop
        .repository
        .add_bytes(&Deb::new("world", "2"), &older);
    let torn = Deb::new("torn", "1").file("usr/torn", b"torn");
    let half = torn.bytes();
    workshop
        .repository
        .add_bytes(&torn, &half[..half.len() / 2]);
    let page = b"<html>please log in</html>";
    workshop
        .repository
        .add_bytes(&Deb::new("portal", "1"), page);
    workshop.publish();
    for (package, wanted) in [
        (
            "hello",
            "the package that was to be hello 1 (all) says that it is other 1 (all)",
        ),
        (
            "world",
            "the package that was to be world 2 (all) says that it is world 1 (all)",
        ),
        ("torn", "not a Debian package: a member is cut off"),
        (
            "portal",
            "not a Debian package: it does not start like an ar archive",
        ),
    ] {
        let error = workshop.refused(&format!("packages = [\"{package}\"]"));
        says(&error, &["cannot unpack", package, wanted]);
    }
}
