//! Images that the catalog does not list, or lists as something else.

use super::fixture::{forge, fresh, known, refused, refused_as, request};
use crate::import::fixture::Street;
use hatchery_image::catalog::Listing;
use hatchery_image::{Architecture, Sha256};
use hatchery_importer::import::Kind;
use std::fs;

fn listing(images: &mut hatchery_image::Catalog) -> &mut Listing {
    let lab = images.images.get_mut(&"lab".parse().unwrap()).unwrap();
    lab.get_mut(&Architecture::Amd64).unwrap()
}

/// Copies the files of a version to another place of the store.
fn copy(street: &Street, to: &str) {
    let from = street.store().join("images/lab/amd64/1");
    let to = street.store().join(to);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    hatchery_tests::run::run(&["cp", "-r", from, to]).unwrap();
}

#[test]
fn a_version_that_lies_there_unlisted() {
    let Some(street) = known() else { return };
    copy(&street, "images/lab/amd64/2");
    let mut request = request(&street, "victim");
    request.reference = "lab@2".parse().unwrap();
    refused_as(&request, Kind::Conflict, "no version 2 of lab");
}

#[test]
fn a_manifest_that_was_swapped_for_another_versions() {
    let Some(street) = fresh() else { return };
    street.publish("2", "two", |_| ());
    street.import().unwrap();
    let (one, two) = (
        street.published("1", "lab.manifest.json"),
        street.published("2", "lab.manifest.json"),
    );
    fs::copy(one, two).unwrap();
    refused(&street, "its SHA-256 is");
}

#[test]
fn a_manifest_that_is_listed_under_another_version() {
    let Some(street) = known() else { return };
    copy(&street, "images/lab/amd64/2");
    forge(&street, |c| {
        let listing = listing(c);
        let one = listing.versions[&"1".parse().unwrap()].clone();
        listing.versions.insert("2".parse().unwrap(), one);
        let latest = listing.channels.values_mut().next().unwrap();
        *latest = "2".parse().unwrap();
    });
    refused(&street, "is that of lab@1");
}

#[test]
fn a_manifest_that_is_listed_under_another_name() {
    let Some(street) = known() else { return };
    copy(&street, "images/web/amd64/1");
    let manifest = street.store().join("images/web/amd64/1/web.manifest.json");
    fs::rename(manifest.with_file_name("lab.manifest.json"), &manifest).unwrap();
    forge(&street, |c| {
        let lab = c.images[&"lab".parse().unwrap()].clone();
        c.images.insert("web".parse().unwrap(), lab);
    });
    let mut request = request(&street, "victim");
    request.reference = "web".parse().unwrap();
    refused_as(&request, Kind::Trust, "is that of lab@1");
}

#[test]
fn a_manifest_that_is_listed_for_another_architecture() {
    let Some(street) = known() else { return };
    copy(&street, "images/lab/arm64/1");
    forge(&street, |c| {
        let here = listing(c).clone();
        let lab = c.images.get_mut(&"lab".parse().unwrap()).unwrap();
        lab.insert(Architecture::Arm64, here);
    });
    let mut request = request(&street, "victim");
    request.architecture = Architecture::Arm64;
    request.accept_unsuitable = true;
    refused_as(&request, Kind::Trust, "is that of lab@1 (amd64)");
}

#[test]
fn a_manifest_that_is_longer_than_listed() {
    let Some(street) = known() else { return };
    let path = street.published("1", "lab.manifest.json");
    let mut longer = fs::read(&path).unwrap();
    longer.push(b'\n');
    fs::write(&path, longer).unwrap();
    refused(&street, "bytes long instead of");
}

#[test]
fn a_manifest_that_is_listed_as_huge() {
    let Some(street) = known() else { return };
    forge(&street, |c| {
        let mut versions = listing(c).versions.values_mut();
        versions.next().unwrap().size = u64::MAX;
    });
    refused(&street, "at most");
}

#[test]
fn a_manifest_of_another_digest() {
    let Some(street) = known() else { return };
    forge(&street, |c| {
        let mut versions = listing(c).versions.values_mut();
        versions.next().unwrap().sha256 = Sha256::of(b"another");
    });
    refused(&street, "its SHA-256 is");
}

#[test]
fn a_channel_that_points_nowhere() {
    let Some(street) = known() else { return };
    forge(&street, |c| {
        let mut channels = listing(c).channels.values_mut();
        *channels.next().unwrap() = "99".parse().unwrap();
    });
    refused(&street, "points at 99, which it does not list");
}

#[test]
fn the_catalog_of_one_mirror_and_the_files_of_another() {
    let Some(street) = known() else { return };
    let (catalogs, files) = (street.yard.path("catalogs"), street.yard.path("files"));
    fs::create_dir_all(&catalogs).unwrap();
    fs::copy(
        street.store().join("catalog.json"),
        catalogs.join("catalog.json"),
    )
    .unwrap();
    // Another repository's lab@1, of other content.
    let other = Street::empty();
    other.publish("1", "other", |_| ());
    fs::rename(other.store(), &files).unwrap();
    let mut request = request(&street, "victim");
    request.repository.locations = vec![catalogs.as_path().into(), files.as_path().into()];
    refused_as(&request, Kind::Trust, "instead of");
}
