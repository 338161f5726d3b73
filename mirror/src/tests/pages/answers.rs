//! Pages as HTTP: tags, HEAD, what a browser may do with them, and the time.

use super::super::client::Client;
use super::super::fixture::Fixture;
use super::super::images::Images;
use super::{DEBIANS, at_host};
use crate::Options;
use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

const TARGETS: [&str; 4] = [
    "/",
    "/images/debian/",
    "/images/debian/amd64/2/",
    "/images/debian/amd64/2/changes/",
];

#[test]
fn a_page_that_is_known_is_not_sent_again() {
    let mut images = Images::new(&DEBIANS);
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    for target in TARGETS {
        let whole = client.get(target, &[]);
        let tag = whole.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        assert_eq!(whole.header("cache-control"), Some("no-cache"));
        let head = client.head(target, &[]);
        assert_eq!(head.status, 200);
        for name in ["etag", "content-length", "content-security-policy", "vary"] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        let known = client.get(target, &[&format!("If-None-Match: {tag}")]);
        assert_eq!((known.status, known.header("etag")), (304, Some(&*tag)));
        assert_eq!(known.header("vary"), Some("Host"));
    }
    let before = client.get("/", &[]);
    images.publish(&[]);
    let after = client.get("/", &[]);
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[test]
fn a_browser_loads_nothing_but_the_style_in_the_page() {
    let images = Images::new(&DEBIANS);
    let server = images.serve();
    for target in TARGETS {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        let html = std::str::from_utf8(&answer.body).unwrap();
        let (_, style) = html.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let digest = Sha256::digest(style.as_bytes());
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        let allowed = format!("style-src 'sha256-{digest}'");
        assert!(policy.contains(&allowed), "{policy}");
        for attribute in ["<script", " src=", " style=", "@import", "url("] {
            assert!(!html.contains(attribute), "{attribute} is in {target}");
        }
    }
    // What is no page has no such policy.
    let answer = Client::connect(server.local_addr()).get("/catalog.json", &[]);
    assert_eq!(answer.header("content-security-policy"), None);
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn each_host_has_its_own_page_and_tag() {
    let images = Images::new(&DEBIANS);
    let server = images.serve();
    let tag = |host: &str| {
        let answer = at_host(server.local_addr(), "/images/debian/", host);
        answer.header("etag").unwrap().to_owned()
    };
    assert_eq!(tag("a"), tag("a"));
    assert_ne!(tag("a"), tag("b"));
}

/// The time that the server below is told, in seconds.
static NOW: AtomicI64 = AtomicI64::new(0);

#[test]
fn a_page_changes_with_the_time_that_it_speaks_of() {
    let images = Images::new(&DEBIANS);
    let server = images.serve_with(Options {
        now: || jiff::Timestamp::from_second(NOW.load(Ordering::Relaxed)).unwrap(),
        ..Fixture::options()
    });
    let set = |time: &str| {
        let time: jiff::Timestamp = time.parse().unwrap();
        NOW.store(time.as_second(), Ordering::Relaxed);
    };
    let mut client = Client::connect(server.local_addr());
    set("2026-12-20T12:00:00Z");
    let first = client.get("/", &[]);
    let tag = format!("If-None-Match: {}", first.header("etag").unwrap());
    let since = format!(
        "If-Modified-Since: {}",
        first.header("last-modified").unwrap()
    );
    set("2026-12-20T12:00:59Z");
    assert_eq!(client.get("/", &[&tag]).status, 304);
    assert_eq!(client.get("/", &[&since]).status, 304);
    set("2026-12-22T00:00:00Z");
    assert_eq!(client.get("/", &[&tag]).status, 200);
    assert_eq!(client.get("/", &[&since]).status, 200);
}

/// The time that the server below is told: when its catalog came to be there.
static PUBLISHED: AtomicI64 = AtomicI64::new(0);

#[test]
fn a_page_that_changed_within_its_minute_is_sent_again() {
    let mut images = Images::new(&DEBIANS);
    let server = images.serve_with(Options {
        now: || jiff::Timestamp::from_second(PUBLISHED.load(Ordering::Relaxed)).unwrap(),
        ..Fixture::options()
    });
    let tell = |images: &Images| {
        let catalog = fs::metadata(images.store().catalog()).unwrap();
        PUBLISHED.store(catalog.ctime(), Ordering::Relaxed);
    };
    let mut client = Client::connect(server.local_addr());
    tell(&images);
    let before = client.get("/", &[]);
    let since = format!(
        "If-Modified-Since: {}",
        before.header("last-modified").unwrap()
    );
    assert_eq!(client.get("/", &[&since]).status, 304);
    // What is a second older has another date.
    std::thread::sleep(Duration::from_millis(1100));
    images.publish(&[]);
    // As one that was copied here has it.
    let mut options = fs::File::options();
    let catalog = options.write(true).open(images.store().catalog());
    catalog.unwrap().set_modified(UNIX_EPOCH).unwrap();
    tell(&images);
    assert_eq!(client.get("/", &[&since]).status, 200);
}
