//! Mirrors that are down, or stop in the middle.

use super::fixture::{NEEDS, Workshop, build, refused, says};
use super::server::{Manner, nobody, serve};
use hatchery_builder::BuildRequest;
use hatchery_tests::debs::Deb;
use hatchery_tests::{lab, require};

/// A workshop with a package that no single read takes, and a build of it.
fn workshop() -> (Workshop, BuildRequest) {
    let large = Deb::new("large", "1").file("usr/share/large", &lab::noise(1 << 20));
    let workshop = Workshop::with(&[large]);
    let request = workshop.request("packages = [\"large\"]");
    (workshop, request)
}

#[test]
fn the_next_mirror_is_tried_when_one_is_down() {
    if !require(&NEEDS) {
        return;
    }
    let (workshop, mut request) = workshop();
    request.mirrors = vec![
        nobody(),
        workshop.path("not-there").as_path().into(),
        serve(workshop.repository.folder(), Manner::Whole),
    ];
    build(&request).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn every_mirror_is_told_when_all_are_down() {
    if !require(&NEEDS) {
        return;
    }
    let (workshop, mut request) = workshop();
    let down = nobody();
    request.mirrors = vec![down.clone()];
    std::fs::remove_dir_all(workshop.repository.folder()).unwrap();
    let error = refused(&request);
    says(
        &error,
        &[
            &format!("{down}dists/small/InRelease: cannot connect"),
            "/repository/dists/small/InRelease: cannot read it: No such file",
        ],
    );
}

#[test]
fn a_package_that_is_cut_off_is_not_installed() {
    if !require(&NEEDS) {
        return;
    }
    let (workshop, mut request) = workshop();
    let cut_off = serve(workshop.repository.folder(), Manner::CutOff);
    let own = std::mem::take(&mut request.recipe.repositories[0].mirrors);
    request.recipe.repositories[0].mirrors =
        vec![cut_off.to_string().trim_end_matches('/').parse().unwrap()];
    let error = refused(&request);
    says(
        &error,
        &[
            "cannot download the packages",
            "_1_all.deb: it ended after",
            "bytes",
        ],
    );
    // What has arrived is of use, once another mirror has the rest.
    request.recipe.repositories[0].mirrors.extend(own);
    build(&request).unwrap_or_else(|e| panic!("{e}"));
}
