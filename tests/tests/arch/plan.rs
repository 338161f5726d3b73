//! Packages that do not go together, or not as they were asked for.

use super::fixture::{Bench, NEEDS, with_file};
use crate::build::fixture::says;
use hatchery_tests::require;

#[test]
fn packages_that_are_in_conflict() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one").conflicts("two<2");
    let bench = Bench::with(&[one, with_file("two")]);
    says(
        &bench.refused(&["one", "two"], ""),
        &[
            "cannot plan the packages of tiny",
            "core/one 1-1 and core/two 1-1 are in conflict (two<2)",
        ],
    );
}

#[test]
fn packages_that_need_one_another_are_installed_with_a_warning() {
    if !require(&NEEDS) {
        return;
    }
    let packages = [("one", "two"), ("two", "three"), ("three", "one")]
        .map(|(name, needed)| with_file(name).depends(needed));
    let built = Bench::with(&packages).builds(&["one"], "");
    assert_eq!(built.installed(), ["one-1-1", "three-1-1", "two-1-1"]);
    built.warned_once(&["three is installed before one, which it needs"]);
}

#[test]
fn a_package_that_is_needed_and_to_be_ignored() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one").depends("two");
    let bench = Bench::with(&[one, with_file("two")]);
    says(
        &bench.refused(&["one"], "[pacman]\nignore_pkg = [\"tw?\"]\n"),
        &[
            "a package that is to be ignored is needed",
            "core/one 1-1 needs two, and core/two 1-1 is to be ignored",
        ],
    );
}

#[test]
fn a_package_that_is_to_be_ignored_gives_way_to_another_one() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one").depends("thing");
    let providers = ["first", "second"].map(|name| with_file(name).provides("thing"));
    let bench = Bench::with(&[&[one][..], &providers].concat());
    let built = bench.builds(&["one"], "[pacman]\nignore_pkg = [\"first\"]\n");
    assert_eq!(built.installed(), ["one-1-1", "second-1-1"]);
    built.warned_once(&["ignoring the package core/first 1-1"]);
}

#[test]
fn a_package_that_does_not_exist() {
    if !require(&NEEDS) {
        return;
    }
    let bench = Bench::with(&[with_file("one")]);
    says(
        &bench.refused(&["onne"], ""),
        &["there is no package or group onne in core; did you mean one?"],
    );
}

#[test]
fn what_is_needed_is_marked_as_that() {
    if !require(&NEEDS) {
        return;
    }
    let one = with_file("one").depends("two");
    let built = Bench::with(&[one, with_file("two")]).builds(&["one"], "");
    assert_eq!(built.field("one-1-1", "REASON"), "");
    assert_eq!(built.field("two-1-1", "REASON"), "1");
}
