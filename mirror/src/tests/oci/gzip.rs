//! Layers of gzip beside the versions.

use super::super::client::Client;
use super::super::images::{Image, Images};
use super::super::told::{bytes_read, warnings};
use super::{digests, image, json, refusal};
use crate::holdings::Holdings;
use crate::protocols::oci::gzip::{LIST_MAX, Layer, Layers, layer_path, list_path, render};
use crate::protocols::oci::route;
use crate::target::Route;
use crate::{Outcome, remove_gzip};
use hatchery_image::Sha256;
use hatchery_image::manifest::Manifest;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Puts a layer of gzip beside the versions, as it is found there.
fn add_gzip(images: &Images, image: &Image<'_>) -> Layer {
    let bytes = [&image.archive(), &b" gzip"[..]].concat();
    add_layer(images, image.tar(), &bytes)
}

fn add_layer(images: &Images, tar: Sha256, bytes: &[u8]) -> Layer {
    let layer = Layer {
        sha256: Sha256::of(bytes),
        size: bytes.len() as u64,
    };
    let root = images.store().root().to_owned();
    fs::create_dir_all(root.join("derived/gzip")).unwrap();
    fs::write(root.join(layer_path(layer.sha256)), bytes).unwrap();
    let list = render(&Layers::from([(tar, layer)]));
    hatchery_image::durable::write(&root.join(list_path()), &list, 0o644).unwrap();
    layer
}

#[test]
fn a_layer_of_gzip_comes_first_and_zstd_is_marked() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let tag = "/v2/debian/manifests/latest";
    let plain = client.get(tag, &[]);
    let mark =
        |entry: &Value| entry["annotations"]["io.github.containers.compression.zstd"].clone();
    assert_eq!(mark(&json(&plain)["manifests"][0]), "true");
    let layer = add_gzip(&images, &image);
    let both = client.get(tag, &[]);
    let index = json(&both);
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        [mark(&entries[0]), mark(&entries[1])],
        [Value::Null, "true".into()]
    );
    assert_eq!(entries[1], json(&plain)["manifests"][0]);
    let manifests: Vec<Value> = digests(&index)
        .iter()
        .map(|digest| json(&client.get(&format!("/v2/debian/manifests/{digest}"), &[])))
        .collect();
    assert_eq!(manifests[0]["config"], manifests[1]["config"]);
    let gzip = &manifests[0]["layers"][0];
    assert_eq!(
        gzip["mediaType"],
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    let target = format!("/v2/debian/blobs/sha256:{}", layer.sha256);
    let blob = client.get(&target, &[]);
    assert_eq!(Sha256::of(&blob.body), layer.sha256);
    // An index that somebody pinned is still there.
    let digest = plain.header("docker-content-digest").unwrap();
    let pinned = client.get(&format!("/v2/debian/manifests/{digest}"), &[]);
    assert_eq!(pinned.body, plain.body);
    // A file that is not the one that is listed is not sent.
    let path = images.store().root().join(layer_path(layer.sha256));
    fs::write(&path, "other").unwrap();
    assert_eq!(
        refusal(&client.get(&target, &[])),
        (404, "BLOB_UNKNOWN".into())
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(
        refusal(&client.get(&target, &[])),
        (404, "BLOB_UNKNOWN".into())
    );
    // Nor is anything of a list that is damaged.
    fs::write(images.store().root().join(list_path()), "damaged").unwrap();
    assert_eq!(client.get(tag, &[]).body, plain.body);
}

fn list_of(images: &Images) -> PathBuf {
    images.store().root().join(list_path())
}

/// Looks for what a registry is asked for.
fn find(holdings: &Holdings, path: &[&str]) {
    let wanted = route(path, None).unwrap();
    drop(holdings.find(&Route::Oci(wanted)).unwrap());
}

#[test]
fn a_list_that_cannot_be_read_is_none_and_is_told_once() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    add_gzip(&images, &image);
    let holdings = Holdings::new(images.store());
    let find = || find(&holdings, &["debian", "manifests", "latest"]);
    let too_large = " ".repeat(LIST_MAX as usize + 1);
    for content in ["damaged", &too_large] {
        fs::write(list_of(&images), content).unwrap();
        let warnings = warnings(|| (0..5).for_each(|_| find()));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("no layer of gzip is offered"));
    }
}

#[test]
fn a_list_is_read_once() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    add_gzip(&images, &image);
    let holdings = Holdings::new(images.store());
    let find = || find(&holdings, &["debian", "manifests", "latest"]);
    find();
    let length = fs::metadata(list_of(&images)).unwrap().len();
    assert!(bytes_read(find) < length);
}

#[test]
fn a_layer_that_is_not_what_is_listed_is_told_once() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    let layer = add_gzip(&images, &image);
    let path = images.store().root().join(layer_path(layer.sha256));
    fs::write(&path, "other").unwrap();
    let holdings = Holdings::new(images.store());
    let digest = format!("sha256:{}", layer.sha256);
    let warnings = warnings(|| {
        for _ in 0..5 {
            find(&holdings, &["debian", "blobs", &digest]);
        }
    });
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn a_layer_stays_while_another_version_has_its_tar() {
    let same = |manifest: &mut Manifest| manifest.tar.sha256 = Sha256::of(b"same");
    let image = Image {
        edit: same,
        ..image()
    };
    let other = Image {
        version: "2",
        ..image.clone()
    };
    let images = Images::new(&[image.clone(), other]);
    let layer = add_layer(&images, Sha256::of(b"same"), b"gzip");
    let path = images.store().root().join(layer_path(layer.sha256));
    let remove = |selections: &[&str]| {
        let selections: Vec<_> = selections.iter().map(|s| s.parse().unwrap()).collect();
        let removal = remove_gzip(&images.store(), &selections).unwrap();
        let outcomes = removal.layers.iter().map(|layer| layer.outcome);
        (outcomes.collect::<Vec<_>>(), removal.unlisted)
    };
    assert_eq!(remove(&["debian:1"]), (vec![Outcome::Needed], 0));
    assert!(path.exists());
    let both = vec![Outcome::Removed, Outcome::Removed];
    assert_eq!(remove(&["debian:1", "debian:2"]), (both, 0));
    assert!(!path.exists());
    // As a crash after the list was written leaves it.
    fs::write(&path, "left").unwrap();
    assert_eq!(remove(&["debian:1"]), (vec![], 1));
    assert!(!path.exists());
}

#[test]
fn what_is_removed_without_being_listed_is_counted() {
    let images = Images::new(&[image()]);
    let layer = add_layer(&images, Sha256::of(b"gone"), b"gzip");
    let removal = remove_gzip(&images.store(), &[]).unwrap();
    assert_eq!((removal.layers.len(), removal.unlisted), (0, 1));
    let path = images.store().root().join(layer_path(layer.sha256));
    assert!(!path.exists());
    // A store without layers has none to remove.
    fs::remove_dir_all(images.store().root().join("derived")).unwrap();
    let removal = remove_gzip(&images.store(), &[]).unwrap();
    assert_eq!((removal.layers.len(), removal.unlisted), (0, 0));
}
