//! simplestreams: what a client that reads the documents finds behind them.

use super::client::Client;
use super::images::{Image, Images};
use crate::Running;
use hatchery_image::{Architecture, Sha256};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const INDEX: &str = "/streams/v1/index.json";
const IMAGES: &str = "/streams/v1/images.json";

fn get(server: &Running, target: &str) -> Vec<u8> {
    let answer = Client::connect(server.local_addr()).get(target, &[]);
    assert_eq!(answer.status, 200, "{target}");
    answer.body
}

fn document(server: &Running, target: &str) -> Value {
    serde_json::from_slice(&get(server, target)).unwrap()
}

/// The products, once there are so many versions in them.
fn products(server: &Running, versions: usize) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let products = document(server, IMAGES)["products"].take();
        let all = products.as_object().unwrap().values();
        let count: usize = all.map(|p| p["versions"].as_object().unwrap().len()).sum();
        if count == versions {
            return products;
        }
        assert!(count < versions && Instant::now() < end, "{products}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `name: aliases: serials`, a line a product.
fn outline(products: &Value) -> String {
    let products = products.as_object().unwrap().iter();
    products
        .map(|(name, product)| {
            let versions = product["versions"].as_object().unwrap();
            let serials: Vec<_> = versions.keys().map(String::as_str).collect();
            let aliases = product["aliases"].as_str().unwrap();
            format!("{name} ({aliases}) {}\n", serials.join(" "))
        })
        .collect()
}

#[test]
fn what_the_documents_say_is_what_is_served() {
    let image = Image::default();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let products = products(&server, 1);
    let name = "debian:trixie:debian:amd64";
    let mut product = products[name].clone();
    let items = product["versions"]["20261122_161500_1"]["items"].take();
    assert_eq!(
        product,
        json!({
            "aliases": "debian,debian/trixie", "arch": "amd64", "os": "debian",
            "release": "trixie", "release_title": "trixie", "variant": "debian",
            "versions": { "20261122_161500_1": { "items": null } },
        })
    );
    assert_eq!(
        document(&server, INDEX),
        json!({
            "format": "index:1.0",
            "index": { "images": {
                "datatype": "image-downloads", "format": "products:1.0",
                "path": "streams/v1/images.json", "products": [name],
            } },
        })
    );
    let file = |item: &Value| {
        let bytes = get(&server, &format!("/{}", item["path"].as_str().unwrap()));
        assert_eq!(item["size"], bytes.len());
        assert_eq!(item["sha256"], Sha256::of(&bytes).to_string());
        bytes
    };
    let root = file(&items["root.tar.xz"]);
    assert_eq!(root, image.archive());
    for kind in ["incus.tar.xz", "lxd.tar.xz"] {
        let item = &items[kind];
        let both = [file(item), root.clone()].concat();
        let fingerprint = Sha256::of(&both).to_string();
        assert_eq!(item["ftype"], kind);
        assert_eq!(item["combined_sha256"], fingerprint);
        assert_eq!(item["combined_rootxz_sha256"], fingerprint);
    }
}

#[test]
fn an_empty_store_has_documents_that_list_nothing() {
    let images = Images::new(&[]);
    let server = images.serve();
    let check = || {
        let index = document(&server, INDEX);
        assert_eq!(index["index"]["images"]["products"], json!([]));
        assert_eq!(document(&server, IMAGES)["products"], json!({}));
    };
    check();
    fs::write(images.store().catalog(), "not a catalog").unwrap();
    check();
    fs::remove_file(images.store().catalog()).unwrap();
    check();
}

#[test]
fn aliases_mean_what_latest_points_at() {
    let version = |version, published, channels| Image {
        version,
        published,
        channels,
        ..Image::default()
    };
    let first = version("1", "2026-11-22T10:00:00Z", &["latest"]);
    let second = version("2", "2026-11-22T11:00:00Z", &["latest"]);
    let third = version("3", "2026-11-22T12:00:00Z", &["testing"]);
    let mut images = Images::new(&[first.clone(), second, third]);
    let server = images.serve();
    assert_eq!(
        outline(&products(&server, 3)),
        "debian:trixie:debian+newer:amd64 () 20261122_120000_3\n\
         debian:trixie:debian:amd64 (debian,debian/trixie) 20261122_100000_1 20261122_110000_2\n"
    );
    // The channel turns back.
    images.publish(&[first]);
    assert_eq!(
        outline(&products(&server, 3)),
        "debian:trixie:debian+newer:amd64 () 20261122_110000_2 20261122_120000_3\n\
         debian:trixie:debian:amd64 (debian,debian/trixie) 20261122_100000_1\n"
    );
}

#[test]
fn an_image_that_moves_to_another_release_takes_its_name_along() {
    let old = Image {
        release: "debian/bookworm",
        version: "12",
        ..Image::default()
    };
    let new = Image {
        published: "2026-11-23T00:00:00Z",
        version: "13",
        ..Image::default()
    };
    let images = Images::new(&[old, new]);
    assert_eq!(
        outline(&products(&images.serve(), 2)),
        "debian:bookworm:debian:amd64 () 20261122_161500_12\n\
         debian:trixie:debian:amd64 (debian,debian/trixie) 20261123_000000_13\n"
    );
}

#[test]
fn no_two_products_of_an_architecture_share_an_alias() {
    let image = |name, architecture, release| Image {
        name,
        architecture,
        release,
        ..Image::default()
    };
    let (amd, arm) = (Architecture::Amd64, Architecture::Arm64);
    let images = Images::new(&[
        image("debian", amd, "debian/trixie"),
        image("web", amd, "debian/trixie"),
        image("web", arm, "debian/trixie"),
        image("db", arm, "debian/trixie"),
        // `web/amd64` is web's, for amd64.
        image("odd", amd, "web/amd64"),
        image("strange", amd, "a,b/\u{1b}[1m"),
    ]);
    assert_eq!(
        outline(&products(&images.serve(), 6)),
        "debian:trixie:db:arm64 (db,debian/trixie) 20261122_161500_1\n\
         debian:trixie:debian:amd64 (debian,debian/trixie) 20261122_161500_1\n\
         debian:trixie:web:amd64 (web) 20261122_161500_1\n\
         debian:trixie:web:arm64 (web) 20261122_161500_1\n\
         unknown:unknown:strange:amd64 (strange) 20261122_161500_1\n\
         web:amd64:odd:amd64 (odd) 20261122_161500_1\n"
    );
}

#[test]
fn only_what_is_whole_is_listed() {
    let good = Image::default();
    let version = |version| Image {
        version,
        ..Image::default()
    };
    let all = ["2", "3", "4", "5"].map(version);
    let mut everything = all.to_vec();
    everything.push(good);
    let images = Images::new(&everything);
    let directory = |i: usize| images.directory(&all[i]);
    fs::remove_file(directory(0).join("debian.tar.xz")).unwrap();
    fs::write(directory(1).join("debian.tar.xz"), "too long for it").unwrap();
    fs::remove_dir_all(directory(2)).unwrap();
    fs::write(directory(3).join("debian.manifest.json"), "{}").unwrap();
    let server = images.serve();
    let expected = "debian:trixie:debian:amd64 (debian,debian/trixie) 20261122_161500_1\n";
    assert_eq!(outline(&products(&server, 1)), expected);
    let missing = "/streams/v1/images/debian/amd64/9/metadata.tar.xz";
    let answer = Client::connect(server.local_addr()).get(missing, &[]);
    assert_eq!(answer.status, 404);
}

/// Which fingerprint is shown for the one version.
fn fingerprint(server: &Running) -> String {
    let products = products(server, 1);
    let product = products.as_object().unwrap().values().next().unwrap();
    let version = product["versions"].as_object().unwrap().values().next();
    let item = &version.unwrap()["items"]["incus.tar.xz"];
    item["combined_sha256"].as_str().unwrap().to_owned()
}

#[test]
fn a_fingerprint_is_taken_from_the_store_and_made_where_it_is_missing() {
    let image = Image::default();
    let images = Images::new(std::slice::from_ref(&image));
    let server = images.serve();
    let metadata = get(&server, "/streams/v1/images/debian/amd64/1/metadata.tar.xz");
    let right = Sha256::of(&[metadata.clone(), image.archive()].concat()).to_string();
    assert_eq!(fingerprint(&server), right);
    let folder = images.store().root().join("derived/streams");
    fs::create_dir_all(&folder).unwrap();
    let name = format!("{}-{}", Sha256::of(&metadata), Sha256::of(&image.archive()));
    for (content, expected) in [
        (
            format!("{}\n", Sha256::of(b"kept")),
            Sha256::of(b"kept").to_string(),
        ),
        ("damaged\n".to_owned(), right.clone()),
        (String::new(), right.clone()),
        ("x".repeat(1 << 20), right.clone()),
    ] {
        fs::write(folder.join(&name), &content).unwrap();
        assert_eq!(fingerprint(&images.serve()), expected);
    }
}

#[test]
fn a_list_that_grows_by_itself_is_always_newer_than_before() {
    let images = Images::new(&[Image::default()]);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let first = client.get(IMAGES, &[]);
    products(&server, 1);
    let whole = client.get(IMAGES, &[]);
    let dated = |answer: &super::client::Answer| answer.header("last-modified").unwrap().to_owned();
    if first.body != whole.body {
        assert_eq!(dated(&first), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
    assert_ne!(dated(&whole), "Thu, 01 Jan 1970 00:00:00 GMT");
    let since = format!("If-Modified-Since: {}", dated(&first));
    let again = client.get(IMAGES, &[&since]);
    assert_eq!(again.status == 304, first.body == whole.body);
    let etag = format!("If-None-Match: {}", whole.header("etag").unwrap());
    assert_eq!(client.get(IMAGES, &[&etag]).status, 304);
}
