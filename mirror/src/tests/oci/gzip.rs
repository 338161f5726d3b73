//! Layers of gzip beside the versions.

use super::super::client::Client;
use super::super::images::{Image, Images};
use super::{digests, image, json, refusal};
use crate::protocols::oci::gzip::{Layer, Layers, layer_path, list_path, render};
use hatchery_image::Sha256;
use serde_json::Value;
use std::fs;

/// Puts a layer of gzip beside the versions, as it is found there.
fn add_gzip(images: &Images, image: &Image<'_>) -> Layer {
    let bytes = [&image.archive(), &b" gzip"[..]].concat();
    let layer = Layer {
        sha256: Sha256::of(&bytes),
        size: bytes.len() as u64,
    };
    let root = images.store().root().to_owned();
    fs::create_dir_all(root.join("derived/gzip")).unwrap();
    fs::write(root.join(layer_path(layer.sha256)), bytes).unwrap();
    let list = render(&Layers::from([(image.tar(), layer)]));
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
