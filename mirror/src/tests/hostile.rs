//! Requests that want something else than files of the store.

use super::client::Client;
use super::fixture::{Fixture, VERSION};
use hatchery_image::Sha256;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

#[test]
fn targets_that_could_mean_another_file() {
    let fixture = Fixture::new();
    fs::write(fixture.folder.path().join("secret"), b"secret").unwrap();
    let server = fixture.serve();
    for (target, expected) in [
        ("/../secret", 400),
        ("/images/../../secret", 400),
        ("/%2e%2e/secret", 400),
        ("/%2E%2E/secret", 400),
        ("/..%2fsecret", 400),
        ("/%252e%252e/secret", 400),
        (
            "/images/debian/amd64/20261122.1/..%2f..%2f..%2f..%2f..%2fsecret",
            400,
        ),
        ("/images/debian/amd64/20261122.1/debian.tar.xz%00", 400),
        ("/images/debian/amd64/20261122.1/debian.tar.xz%", 400),
        ("/images/debian/amd64/20261122.1/..", 400),
        ("/images/debian/amd64/20261122.1/", 404),
        ("/images/debian/amd64/20261122.1", 404),
        ("//catalog.json", 404),
        ("/", 200),
        ("/.lock", 404),
        ("/repository.json", 404),
        ("/images/debian/amd64/20261122.1/SHA256SUMS/", 404),
        ("/etc/passwd", 404),
        ("http://elsewhere/catalog.json", 200),
        ("http://elsewhere/../secret", 400),
        ("/catalog.json?../../secret", 200),
    ] {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        assert_eq!(answer.status, expected, "{target}");
        assert!(!answer.body.windows(6).any(|w| w == b"secret"), "{target}");
    }
}

#[test]
fn heads_that_are_too_long_or_broken() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let long = "a".repeat(3000);
    let longer = "a".repeat(40_000);
    for (request, expected) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: m\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nHost: m\r\nX: {longer}\r\n\r\n"),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: m\r\n{}\r\n",
                "X: y\r\n".repeat(500)
            ),
            431,
        ),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("GET /\0 HTTP/1.1\r\nHost: m\r\n\r\n".into(), 400),
        ("GET / x HTTP/1.1\r\nHost: m\r\n\r\n".into(), 400),
        (
            "GET / HTTP/1.1\r\nHost: m\r\nbad header\r\n\r\n".into(),
            400,
        ),
        ("GET / HTTP/1.1\r\nHost : m\r\n\r\n".into(), 400),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".into(), 400),
    ] {
        let mut client = Client::connect(server.local_addr());
        client.send(&request);
        let shown: String = request.chars().take(60).collect();
        let answer = client.answer_head().expect(&shown);
        assert_eq!(answer.status, expected, "{shown:?}");
    }
    // Seven of them were read by hyper alone, and are counted with the end of
    // their connections.
    let end = Instant::now() + Duration::from_secs(10);
    let is_counted = || {
        let metrics = Client::connect(server.local_addr()).get("/metrics", &[]);
        let text = String::from_utf8(metrics.body).unwrap();
        text.contains("hatchery_requests_malformed_total 7\n")
    };
    while !is_counted() {
        assert!(Instant::now() < end, "heads are not counted");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The server is none the worse for it.
    let answer = Client::connect(server.local_addr()).get("/catalog.json", &[]);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_link_planted_in_the_store_leads_nowhere() {
    let fixture = Fixture::new();
    let secret = fixture.folder.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    let version = fixture.version();
    let sums = fs::read_to_string(version.join("SHA256SUMS")).unwrap();
    let digest = Sha256::of(b"secret");
    fs::write(
        version.join("SHA256SUMS"),
        format!("{sums}{digest} *link\n"),
    )
    .unwrap();
    symlink(&secret, version.join("link")).unwrap();
    let other = version.parent().unwrap().join("other");
    symlink(&version, &other).unwrap();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    assert_eq!(client.get(&format!("{VERSION}/link"), &[]).status, 404);
    let through = "/images/debian/amd64/other/debian.nspawn";
    assert_eq!(client.get(through, &[]).status, 404);
    // A catalog that is a link, too.
    fs::rename(fixture.catalog(), fixture.folder.path().join("catalog")).unwrap();
    symlink("../catalog", fixture.catalog()).unwrap();
    assert_eq!(client.get("/catalog.json", &[]).status, 404);
}

#[test]
fn a_store_that_is_broken_says_nothing_of_itself() {
    let fixture = Fixture::new();
    fs::write(fixture.version().join("SHA256SUMS"), b"nonsense\n").unwrap();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let answer = client.get(&format!("{VERSION}/debian.tar.xz"), &[]);
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, b"500 Internal Server Error\n");
    fs::write(fixture.catalog(), b"nonsense").unwrap();
    let answer = client.get("/images/debian/amd64/latest/debian.nspawn", &[]);
    assert_eq!(answer.status, 404);
}

#[test]
fn a_file_that_shrinks_ends_the_connection() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    client.request("GET", &format!("{VERSION}/debian.tar.xz"), &[]);
    let head = client.answer_head().unwrap();
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    let path = fixture.version().join("debian.tar.xz");
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let body = client.read(length).unwrap_or_default();
    assert!(body.len() < length, "{} bytes", body.len());
}
