//! What is not answered, and in which words.

use super::super::client::Client;
use super::super::images::{Image, Images};
use super::{image, refusal, text};
use hatchery_image::Sha256;
use std::fs;

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
