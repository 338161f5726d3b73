//! nspawn.org's layout.

use super::client::Client;
use super::images::{Image, Images};
use hatchery_image::{Architecture, Sha256};
use std::fs;

const ARCHIVE: &str = "/storage/debian/trixie/tar/image.tar.xz";

fn get(images: &Images, target: &str) -> (u16, String) {
    let server = images.serve();
    let answer = Client::connect(server.local_addr()).get(target, &[]);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn a_release_has_the_files_that_stock_clients_ask_for() {
    let image = Image::default();
    let mut images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    // The script wants 200 for HEAD of the archive, and follows nothing.
    let head = client.head(ARCHIVE, &[]);
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("application/x-xz"));
    let answer = client.get(ARCHIVE, &[]);
    assert_eq!((answer.status, &answer.body), (200, &image.archive()));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let etag = answer.header("etag").unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", Sha256::of(&answer.body)));
    let known = format!("If-None-Match: {etag}");
    assert_eq!(client.get(ARCHIVE, &[&known]).status, 304);
    let directory = images.directory(&image);
    for name in ["SHA256SUMS", "SHA256SUMS.gpg"] {
        let answer = client.get(&format!("/storage/debian/trixie/tar/{name}"), &[]);
        assert_eq!(answer.body, fs::read(directory.join(name)).unwrap());
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{name}");
    }
    let next = Image {
        version: "2",
        ..image
    };
    images.publish(std::slice::from_ref(&next));
    let answer = client.get(ARCHIVE, &[&known]);
    assert_eq!((answer.status, answer.body), (200, next.archive()));
}

#[test]
fn the_rest_is_missing_and_nothing_else() {
    let images = Images::new(&[Image::default()]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    for target in [
        "/storage/debian/trixie/tar/image.tar.xz.sha256",
        "/storage/debian/trixie/tar/image.nspawn",
        "/storage/debian/trixie/tar/image.tar.zst",
        "/storage/debian/trixie/tar/debian.tar.xz",
        "/storage/debian/trixie/tar/debian.manifest.json",
        "/storage/debian/trixie/raw/image.raw.xz",
        "/storage/debian/trixie/tar/",
        "/storage/debian/trixie",
        "/storage/debian/sid/tar/image.tar.xz",
        "/storage/fedora/trixie/tar/image.tar.xz",
        "/storage//trixie/tar/image.tar.xz",
        "/storage/masterkey.pgp",
        "/storage/",
    ] {
        assert_eq!(client.get(target, &[]).status, 404, "{target}");
    }
}

#[test]
fn a_files_other_name_leads_to_it_in_the_version_too() {
    let image = Image::default();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let base = "/images/debian/amd64";
    let answer = client.get(&format!("{base}/1/image.tar.xz"), &[]);
    assert_eq!((answer.status, answer.body), (200, image.archive()));
    let answer = client.get(&format!("{base}/latest/image.tar.xz"), &[]);
    assert_eq!(answer.header("location"), Some("../1/image.tar.xz"));
    assert_eq!(
        client.get(&format!("{base}/1/image.nspawn"), &[]).status,
        404
    );
}

#[test]
fn which_image_stands_for_a_release() {
    let late = "2026-11-23T00:00:00Z";
    let other = Image {
        name: "other",
        published: late,
        ..Image::default()
    };
    let another = Image {
        name: "another",
        ..Image::default()
    };
    let release = Image {
        name: "debian-trixie",
        ..Image::default()
    };
    let plain = Image::default();
    let mut images = Images::new(&[another]);
    for image in [other, release, plain] {
        images.publish(std::slice::from_ref(&image));
        let expected = String::from_utf8(image.archive()).unwrap();
        assert_eq!(get(&images, ARCHIVE), (200, expected));
    }
    assert_eq!(
        get(&images, "/storage/list.txt"),
        (200, "debian/trixie/tar\n".into())
    );
}

#[test]
fn amd64_comes_first_and_others_where_it_is_missing() {
    let arm = Image {
        architecture: Architecture::Arm64,
        ..Image::default()
    };
    let mut images = Images::new(std::slice::from_ref(&arm));
    let found = |images: &Images| get(images, ARCHIVE).1.into_bytes();
    assert_eq!(found(&images), arm.archive());
    let amd = Image {
        name: "any-name",
        ..Image::default()
    };
    images.publish(std::slice::from_ref(&amd));
    assert_eq!(found(&images), amd.archive());
}

#[test]
fn only_what_clients_can_verify_is_offered() {
    let old = Image {
        aliased: false,
        ..Image::default()
    };
    let fedora = Image {
        name: "fedora",
        release: "fedora/43",
        ..Image::default()
    };
    let testing = Image {
        name: "sid",
        release: "debian/sid",
        channels: &["testing"],
        ..Image::default()
    };
    let strange = ["debian/..", "debian/a b", "de\u{1b}[1mbian/x", "/x", "x/"];
    let mut all = vec![old.clone(), fedora, testing];
    for (i, release) in strange.iter().enumerate() {
        all.push(Image {
            name: ["a", "b", "c", "d", "e"][i],
            release,
            ..Image::default()
        });
    }
    let mut images = Images::new(&all);
    assert_eq!(get(&images, ARCHIVE).0, 404);
    let list = |images: &Images| get(images, "/storage/list.txt");
    assert_eq!(list(&images), (200, "fedora/43/tar\n".into()));
    // Another image of the release that can be verified stands for it.
    let new = Image {
        name: "debian-new",
        ..Image::default()
    };
    images.publish(std::slice::from_ref(&new));
    assert_eq!(get(&images, ARCHIVE).1.into_bytes(), new.archive());
    assert_eq!(
        list(&images),
        (200, "debian/trixie/tar\nfedora/43/tar\n".into())
    );
}

#[test]
fn an_empty_store_has_an_empty_list() {
    let images = Images::new(&[]);
    assert_eq!(get(&images, "/storage/list.txt"), (200, String::new()));
    fs::remove_file(images.store().catalog()).unwrap();
    assert_eq!(get(&images, "/storage/list.txt"), (200, String::new()));
}

#[test]
fn old_systemd_gets_its_answers_one_after_the_other() {
    let images = Images::new(&[Image::default()]);
    let server = images.serve();
    let begun = std::time::Instant::now();
    let mut client = Client::connect(server.local_addr());
    client.get(ARCHIVE, &["User-Agent: systemd-pull/252"]);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(200));
}
