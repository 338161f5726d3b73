//! Disks that are full: the error says which path had no room.

use super::fixture::{NEEDS, Workshop, names, refused, request, says};
use super::server::{Manner, serve};
use hatchery_builder::BuildRequest;
use hatchery_builder::recipe::{Body, File, Owner};
use hatchery_tests::debs::Deb;
use hatchery_tests::{Pool, lab, require};
use std::path::Path;

/// A package of 8 MiB that do not compress.
const LARGE: usize = 8 << 20;

fn workshop() -> Workshop {
    let large = Deb::new("large", "1").file("usr/share/large", &lab::noise(LARGE));
    Workshop::with(&[large])
}

/// To build the large package with a cache and an output of one's own.
fn build_of(workshop: &Workshop, cache: &Path, output: &Path) -> BuildRequest {
    let recipe = workshop.request("packages = [\"large\"]").recipe;
    request(recipe, cache, output)
}

#[test]
fn no_room_for_a_download() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = workshop();
    let pool = Pool::tmpfs(4 << 20);
    let cache = pool.path().join("cache");
    let mut request = build_of(&workshop, &cache, &workshop.path("output"));
    request.mirrors = vec![serve(workshop.repository.folder(), Manner::Whole)];
    let error = refused(&request);
    let part = format!("cannot write {}/part/", cache.display());
    says(
        &error,
        &["cannot download the packages", &part, "No space left"],
    );
}

#[test]
fn no_room_to_unpack() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = workshop();
    let pool = Pool::tmpfs(4 << 20);
    let cache = pool.path().join("cache");
    let error = refused(&build_of(&workshop, &cache, &workshop.path("output")));
    says(
        &error,
        &[
            "cannot unpack the package large",
            "usr/share/large",
            "No space left",
        ],
    );
}

#[test]
fn no_room_for_settings() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = workshop();
    // The package, its contents in the cache, and little more.
    let pool = Pool::tmpfs(LARGE as u64 * 5 / 2);
    let cache = pool.path().join("cache");
    let mut request = build_of(&workshop, &cache, &workshop.path("output"));
    let body = Body::File {
        content: lab::noise(LARGE).into(),
        executable: false,
    };
    request.recipe.files.push(File {
        path: "/srv/settings".parse().unwrap(),
        body,
        mode: None,
        owner: Owner::root(),
    });
    let error = refused(&request);
    says(
        &error,
        &["cannot apply the settings", "srv/settings", "No space left"],
    );
}

#[test]
fn no_room_for_the_image() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = workshop();
    let pool = Pool::tmpfs(4 << 20);
    let output = pool.path().join("output");
    let error = refused(&build_of(&workshop, &workshop.path("cache"), &output));
    let staging = format!("{}/.#hatchery-", output.display());
    says(
        &error,
        &[
            "cannot pack small",
            &staging,
            "small.tar.zst",
            "No space left",
        ],
    );
    assert!(names(&output).is_empty());
}
