//! OCI distribution.

mod documents;
mod gzip;
mod refused;

use super::client::{Answer, Client};
use super::images::{Image, Images};
use hatchery_image::{Architecture, Sha256};
use serde_json::Value;
use std::fs;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn image() -> Image<'static> {
    Image {
        zstd: true,
        systemd: Some(257),
        ..Image::default()
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

/// The status and the code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let code = json(answer)["errors"][0]["code"].as_str().unwrap().into();
    (answer.status, code)
}

/// Digests of an index's manifests.
fn digests(index: &Value) -> Vec<&str> {
    let manifests = index["manifests"].as_array().unwrap();
    let digests = manifests.iter().map(|m| m["digest"].as_str().unwrap());
    digests.collect()
}

#[test]
fn a_client_comes_from_the_tag_to_the_bytes_of_the_archive() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    for target in ["/v2/", "/v2"] {
        let answer = client.get(target, &[]);
        assert_eq!((answer.status, text(&answer)), (200, "{}"));
        let version = answer.header("docker-distribution-api-version");
        assert_eq!(version, Some("registry/2.0"));
    }
    let index = client.get("/v2/debian/manifests/latest", &[]);
    assert_eq!(index.header("content-type"), Some(INDEX));
    assert_eq!(index.header("cache-control"), Some("no-cache"));
    let digest = format!("sha256:{}", Sha256::of(&index.body));
    assert_eq!(index.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(index.header("etag").unwrap(), format!("\"{digest}\""));
    let same = client.get(&format!("/v2/debian/manifests/{digest}"), &[]);
    assert_eq!(same.body, index.body);
    assert!(same.header("cache-control").unwrap().contains("immutable"));
    let version = client.get("/v2/debian/manifests/1", &[]);
    assert_eq!(version.body, index.body);

    let index = json(&index);
    let target = format!("/v2/debian/manifests/{}", digests(&index)[0]);
    let manifest = client.get(&target, &[]);
    assert_eq!(manifest.header("content-type"), Some(MANIFEST));
    let manifest = json(&manifest);
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        format!("/v2/debian/blobs/{digest}")
    };
    let config = client.get(&blob(&manifest["config"]), &[]);
    assert_eq!(config.status, 200);
    let diff_id = json(&config)["rootfs"]["diff_ids"][0].clone();
    assert_eq!(diff_id, format!("sha256:{}", image.tar()));
    let layer = &manifest["layers"][0];
    let answer = client.get(&blob(layer), &[]);
    assert_eq!((answer.status, &answer.body), (200, &image.zstd()));
    assert_eq!(layer["size"], answer.body.len());
}

#[test]
fn blobs_have_heads_ranges_and_tags() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let digest = format!("sha256:{}", Sha256::of(&image.zstd()));
    let target = format!("/v2/debian/blobs/{digest}");
    let head = client.head(&target, &[]);
    assert_eq!(head.status, 200);
    let length = image.zstd().len().to_string();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    assert_eq!(
        head.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(head.header("cache-control").unwrap().contains("immutable"));
    let part = client.get(&target, &["Range: bytes=2-5"]);
    assert_eq!((part.status, &part.body[..]), (206, &image.zstd()[2..6]));
    let etag = head.header("etag").unwrap();
    let rest = format!("If-Range: {etag}");
    let part = client.get(&target, &["Range: bytes=7-", &rest]);
    assert_eq!((part.status, &part.body[..]), (206, &image.zstd()[7..]));
    let known = client.get(&target, &[&format!("If-None-Match: {etag}")]);
    assert_eq!(known.status, 304);
    let beyond = client.get(&target, &["Range: bytes=1000-"]);
    assert_eq!(refusal(&beyond), (416, "RANGE_INVALID".into()));
    let other = client.get(&target, &["If-Match: \"x\""]);
    assert_eq!(refusal(&other).0, 412);
    let manifest = client.head("/v2/debian/manifests/latest", &[]);
    assert_eq!(manifest.header("content-type"), Some(INDEX));
}

#[test]
fn tags_are_versions_and_channels_by_the_page() {
    let image = image();
    let second = Image {
        version: "2",
        channels: &["latest", "testing"],
        ..image.clone()
    };
    let arm = Image {
        architecture: Architecture::Armhf,
        version: "3",
        channels: &["testing"],
        ..image.clone()
    };
    let hidden = Image {
        name: "only-xz",
        zstd: false,
        ..image.clone()
    };
    let web = Image {
        name: "web",
        ..image.clone()
    };
    let images = Images::new(&[image, second, arm, hidden, web]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let all = client.get("/v2/debian/tags/list", &[]);
    let expected = r#"{"name":"debian","tags":["1","2","3","latest","testing"]}"#;
    assert_eq!((text(&all), all.header("link")), (expected, None));
    let mut target = "/v2/debian/tags/list?n=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = client.get(&target, &[]);
        seen.push(json(&answer)["tags"].clone());
        let Some(link) = answer.header("link") else {
            break;
        };
        let next = link.strip_prefix('<').unwrap();
        target = next.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    let expected = serde_json::json!([["1", "2"], ["3", "latest"], ["testing"]]);
    assert_eq!(Value::from(seen), expected);
    let names = client.get("/v2/_catalog", &[]);
    assert_eq!(text(&names), r#"{"repositories":["debian","web"]}"#);
    let names = client.get("/v2/_catalog?n=1", &[]);
    let link = names.header("link");
    assert_eq!(link, Some("</v2/_catalog?n=1&last=debian>; rel=\"next\""));
}

#[test]
fn a_tag_is_of_every_architecture_and_follows_its_channel() {
    let image = image();
    let arm = Image {
        architecture: Architecture::Arm64,
        ..image.clone()
    };
    let mut images = Images::new(&[arm, image.clone()]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let before = client.get("/v2/debian/manifests/latest", &[]);
    let platform = |entry: &Value| entry["platform"].to_string();
    let index = json(&before);
    let entries = index["manifests"].as_array().unwrap().iter();
    let platforms: Vec<_> = entries.map(platform).collect();
    let expected = [
        r#"{"architecture":"amd64","os":"linux"}"#,
        r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#,
    ];
    assert_eq!(platforms, expected);
    let second = Image {
        version: "2",
        ..image
    };
    images.publish(std::slice::from_ref(&second));
    let etag = before.header("etag").unwrap();
    let known = format!("If-None-Match: {etag}");
    let after = client.get("/v2/debian/manifests/latest", &[&known]);
    assert_eq!(after.status, 200);
    let after = json(&after);
    let (before, after) = (digests(&index), digests(&after));
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
    // Who has asked for the tag and asks for its digest now is not left alone.
    let digest = etag.trim_matches('"');
    let late = client.get(&format!("/v2/debian/manifests/{digest}"), &[]);
    assert_eq!(late.status, 200);
}

#[test]
fn an_empty_store_has_no_names() {
    let images = Images::new(&[]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get("/v2/", &[]).status, 200);
    let names = client.get("/v2/_catalog", &[]);
    assert_eq!(text(&names), r#"{"repositories":[]}"#);
    fs::remove_file(images.store().catalog()).unwrap();
    assert_eq!(client.get("/v2/", &[]).status, 200);
    assert_eq!(client.get("/v2/debian/tags/list", &[]).status, 404);
}
