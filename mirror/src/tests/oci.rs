//! OCI distribution.

use super::client::{Answer, Client};
use super::images::{Image, Images};
use crate::protocols::oci::gzip::{Layer, Layers, layer_path, list_path, render};
use hatchery_image::{Architecture, Sha256};
use serde_json::Value;
use std::fs;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The documents of [`image`].
const CONFIG: &str = "{\"created\":\"1970-01-01T00:00:00Z\",\"architecture\":\"amd64\",\"os\":\"linux\",\
    \"config\":{\"Cmd\":[\"/lib/systemd/systemd\"],\"StopSignal\":\"SIGRTMIN+3\"},\
    \"rootfs\":{\"type\":\"layers\",\
    \"diff_ids\":[\"sha256:591fa008a6d0986c5071c62f9af231951c526bbca9e0316fcd57088b3552fe67\"]},\
    \"history\":[{\"created\":\"1970-01-01T00:00:00Z\",\"created_by\":\"hatchery 0\"}]}";
const MANIFEST_BYTES: &str = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
    \"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\
    \"digest\":\"sha256:5a0ee3ef07438e9f29963b3340c92aef4e7baca46e9b99226bb3c0c98e6e19de\",\
    \"size\":325},\
    \"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+zstd\",\
    \"digest\":\"sha256:73d073b2f5885eebc6b137643993536eb6d0628da2149528151448fdb43d33a9\",\
    \"size\":19}],\"annotations\":{\"org.opencontainers.image.title\":\"debian\",\
    \"org.opencontainers.image.version\":\"1\"}}";
const INDEX_BYTES: &str = "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\
    \"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
    \"digest\":\"sha256:d25b0e0bb7e3e56b7d8d589bd86ba88d0ad4930583bd9818cd2489dd55afa03a\",\
    \"size\":497,\"annotations\":{\"io.github.containers.compression.zstd\":\"true\"},\
    \"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}";

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
fn what_is_not_there_is_said_in_the_specifications_words() {
    let image = image();
    let other = Image {
        name: "other",
        ..image.clone()
    };
    let images = Images::new(&[image.clone(), other.clone()]);
    fs::write(images.folder().join("secret"), "secret").unwrap();
    let server = images.serve();
    let digest = Sha256::of(&image.zstd());
    let foreign = Sha256::of(&other.zstd());
    let upper = digest.to_string().to_uppercase();
    let cut = &digest.to_string()[..63];
    for (target, status, code) in [
        ("/v2/fedora/manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2/fedora/tags/list", 404, "NAME_UNKNOWN"),
        (
            &format!("/v2/fedora/blobs/sha256:{digest}"),
            404,
            "NAME_UNKNOWN",
        ),
        ("/v2/Debian/manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2/library/debian/manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2//manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2/manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2/debian/manifests/2", 404, "MANIFEST_UNKNOWN"),
        ("/v2/debian/manifests/", 404, "MANIFEST_UNKNOWN"),
        ("/v2/debian/manifests/Latest", 404, "MANIFEST_UNKNOWN"),
        (
            &format!("/v2/debian/manifests/sha256:{digest}"),
            404,
            "MANIFEST_UNKNOWN",
        ),
        (
            &format!("/v2/debian/manifests/sha512:{digest}{digest}"),
            404,
            "MANIFEST_UNKNOWN",
        ),
        ("/v2/debian/manifests/sha256:", 404, "MANIFEST_UNKNOWN"),
        (
            &format!("/v2/debian/blobs/sha256:{foreign}"),
            404,
            "BLOB_UNKNOWN",
        ),
        (
            &format!("/v2/debian/blobs/sha256:{upper}"),
            404,
            "BLOB_UNKNOWN",
        ),
        (
            &format!("/v2/debian/blobs/SHA256:{digest}"),
            404,
            "BLOB_UNKNOWN",
        ),
        (
            &format!("/v2/debian/blobs/sha256:{cut}"),
            404,
            "BLOB_UNKNOWN",
        ),
        (
            &format!("/v2/debian/blobs/sha256:{digest}0"),
            404,
            "BLOB_UNKNOWN",
        ),
        (&format!("/v2/debian/blobs/{digest}"), 404, "BLOB_UNKNOWN"),
        ("/v2/debian/blobs/", 404, "BLOB_UNKNOWN"),
        ("/v2/debian/blobs/uploads/", 404, "UNSUPPORTED"),
        ("/v2/debian/tags/list/", 404, "UNSUPPORTED"),
        (
            &format!("/v2/debian/referrers/sha256:{digest}"),
            404,
            "UNSUPPORTED",
        ),
        ("/v2//", 404, "UNSUPPORTED"),
        (
            "/v2/debian/tags/list?n=-1",
            400,
            "PAGINATION_NUMBER_INVALID",
        ),
        ("/v2/../secret", 400, "NAME_INVALID"),
        ("/v2/debian/blobs/..", 400, "NAME_INVALID"),
        ("/v2/%2e%2e/manifests/latest", 400, "NAME_INVALID"),
        ("/v2/debian%2f..%2fx/manifests/latest", 400, "NAME_INVALID"),
        ("/v2/debian/manifests/%252e", 400, "NAME_INVALID"),
        ("/v2/debian/manifests/latest%00", 400, "NAME_INVALID"),
        (
            &format!("/v2/{}/manifests/x", "a".repeat(3000)),
            414,
            "NAME_INVALID",
        ),
    ] {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        assert_eq!(refusal(&answer), (status, code.into()), "{target}");
        assert!(!text(&answer).contains("secret"), "{target}");
        let version = answer.header("docker-distribution-api-version");
        assert_eq!(version, Some("registry/2.0"), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
    // What is near, but no part of this.
    for target in ["/v1/", "/v2x/", "/V2/"] {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        assert_eq!((answer.status, text(&answer)), (404, "404 Not Found\n"));
    }
}

#[test]
fn nothing_is_written() {
    let images = Images::new(&[image()]);
    let server = images.serve();
    for (method, target) in [
        ("POST", "/v2/debian/blobs/uploads/"),
        ("PUT", "/v2/debian/manifests/latest"),
        ("PATCH", "/v2/debian/blobs/uploads/1"),
        ("DELETE", "/v2/debian/manifests/latest"),
    ] {
        let mut client = Client::connect(server.local_addr());
        client.request(method, target, &["Content-Length: 0"]);
        let answer = client.answer();
        assert_eq!(refusal(&answer), (405, "UNSUPPORTED".into()), "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
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

/// Clients keep these for ever, and every mirror has to make the same.
#[test]
fn the_bytes_of_documents_never_change() {
    let images = Images::new(&[image()]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let index = client.get("/v2/debian/manifests/latest", &[]);
    let parsed = json(&index);
    let target = format!("/v2/debian/manifests/{}", digests(&parsed)[0]);
    let manifest = client.get(&target, &[]);
    let config = json(&manifest)["config"]["digest"].clone();
    let config = config.as_str().unwrap();
    let config = client.get(&format!("/v2/debian/blobs/{config}"), &[]);
    let digest = |answer: &Answer| Sha256::of(&answer.body).to_string();
    assert_eq!(text(&config), CONFIG, "{}", digest(&config));
    assert_eq!(text(&manifest), MANIFEST_BYTES, "{}", digest(&manifest));
    assert_eq!(text(&index), INDEX_BYTES);
    assert_eq!(
        digest(&index),
        "0215a896de84e672bf4dd0704b366bc0a67d62938bdeee30ccf965fd999195e9"
    );
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

#[test]
fn an_archive_that_is_not_the_manifests_is_not_sent() {
    let image = image();
    let images = Images::new(std::slice::from_ref(&image));
    let sums = images.directory(&image).join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let digest = Sha256::of(&image.zstd()).to_string();
    fs::write(&sums, text.replace(&digest, &Sha256::of(b"x").to_string())).unwrap();
    let server = images.serve();
    let target = format!("/v2/debian/blobs/sha256:{digest}");
    let answer = Client::connect(server.local_addr()).get(&target, &[]);
    assert_eq!(refusal(&answer), (404, "BLOB_UNKNOWN".into()));
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
