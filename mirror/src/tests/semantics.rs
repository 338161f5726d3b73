//! What RFC 9110 and stock clients ask of answers.

use super::client::{Answer, Client};
use super::fixture::{ARCHIVE, Fixture, VERSION};
use hatchery_image::Sha256;
use std::fs;

fn archive() -> String {
    format!("{VERSION}/debian.tar.xz")
}

#[test]
fn a_file_comes_whole_and_well_described() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let answer = client.get(&archive(), &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.body == fixture.archive, "the body differs");
    let digest = Sha256::of(&fixture.archive);
    assert_eq!(
        answer.header("etag"),
        Some(format!("\"{digest}\"").as_str())
    );
    assert_eq!(answer.header("content-type"), Some("application/x-xz"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    assert!(answer.header("content-encoding").is_none());
    assert!(answer.header("date").is_some());

    let head = client.head(&archive(), &[]);
    let without_date = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| name != "date");
        headers
    };
    assert_eq!(head.status, 200);
    assert_eq!(without_date(&head), without_date(&answer));
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    for path in [
        archive(),
        format!("{VERSION}/SHA256SUMS"),
        format!("{VERSION}/SHA256SUMS.gpg"),
        format!("{VERSION}/debian.nspawn"),
        "/catalog.json".to_owned(),
    ] {
        let first = client.get(&path, &[]);
        assert_eq!(first.status, 200, "{path}");
        let etag = first.header("etag").unwrap();
        assert_eq!(etag, format!("\"{}\"", Sha256::of(&first.body)), "{path}");
        for condition in [
            format!("If-None-Match: {etag}"),
            format!("If-None-Match: \"x\", {etag}"),
            format!("If-None-Match: W/{etag}"),
            "If-None-Match: *".to_owned(),
            format!(
                "If-Modified-Since: {}",
                first.header("last-modified").unwrap()
            ),
        ] {
            let second = client.get(&path, &[&condition]);
            assert_eq!(second.status, 304, "{path}: {condition}");
            assert_eq!(second.header("etag"), Some(etag), "{path}: {condition}");
            assert_eq!(client.head(&path, &[&condition]).status, 304);
        }
        assert_eq!(client.get(&path, &["If-None-Match: \"x\""]).status, 200);
        assert_eq!(client.get(&path, &["If-Match: \"x\""]).status, 412);
    }
}

#[test]
fn a_new_catalog_is_seen_soon() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let first = client.get("/catalog.json", &[]);
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    for version in 2..6 {
        fixture.write_catalog(version);
        let etag = format!("If-None-Match: {}", first.header("etag").unwrap());
        let next = client.get("/catalog.json", &[&etag]);
        assert_eq!(next.status, 200);
        assert_eq!(next.body, fs::read(fixture.catalog()).unwrap());
    }
    fs::remove_file(fixture.catalog()).unwrap();
    Fixture::pass_a_moment();
    assert_eq!(client.get("/catalog.json", &[]).status, 404);
}

#[test]
fn parts_of_files() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let last = ARCHIVE - 1;
    for (range, first, end) in [
        ("0-0".to_owned(), 0, 1),
        ("1000-2999999".to_owned(), 1000, 3_000_000),
        (format!("{last}-"), last, ARCHIVE),
        ("-100".to_owned(), ARCHIVE - 100, ARCHIVE),
    ] {
        let answer = client.get(&archive(), &[&format!("Range: bytes={range}")]);
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body == fixture.archive[first..end], "{range}");
        let expected = format!("bytes {first}-{}/{ARCHIVE}", end - 1);
        assert_eq!(answer.header("content-range"), Some(expected.as_str()));
        assert_eq!(
            client
                .head(&archive(), &[&format!("Range: bytes={range}")])
                .status,
            200
        );
    }
    let beyond = client.get(&archive(), &[&format!("Range: bytes={ARCHIVE}-")]);
    assert_eq!(beyond.status, 416);
    let expected = format!("bytes */{ARCHIVE}");
    assert_eq!(beyond.header("content-range"), Some(expected.as_str()));
    // A file that is answered from memory.
    let nspawn = format!("{VERSION}/debian.nspawn");
    let answer = client.get(&nspawn, &["Range: bytes=1-4"]);
    assert_eq!((answer.status, answer.body), (206, b"Exec".to_vec()));
}

#[test]
fn several_parts_at_once() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let spans = [(5_000_000, 6_000_000), (0, 1), (ARCHIVE - 10, ARCHIVE)];
    let ranges: Vec<String> = spans
        .iter()
        .map(|(a, b)| format!("{a}-{}", b - 1))
        .collect();
    let header = format!("Range: bytes={}", ranges.join(","));
    let answer = client.get(&archive(), &[&header]);
    assert_eq!(answer.status, 206);
    assert!(answer.header("content-range").is_none());
    let kind = answer.header("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for (first, end) in spans {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/x-xz\r\n\
             Content-Range: bytes {first}-{}/{ARCHIVE}\r\n\r\n",
            end - 1
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&fixture.archive[first..end]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected, "the parts differ");
}

#[test]
fn greedy_ranges_get_the_plain_file() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let many: Vec<String> = (0..17).map(|i| format!("{i}-{i}")).collect();
    let overlapping = ["0-"; 12].join(",");
    for ranges in [many.join(","), overlapping, "5-1".into(), "x".into()] {
        let answer = client.get(&archive(), &[&format!("Range: bytes={ranges}")]);
        assert_eq!(answer.status, 200, "{ranges}");
        assert_eq!(answer.body.len(), ARCHIVE, "{ranges}");
    }
}

#[test]
fn a_resumed_download_never_mixes_two_contents() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    let first = client.get("/catalog.json", &[]);
    let resume = format!("If-Range: {}", first.header("etag").unwrap());
    let range = "Range: bytes=10-";
    let answer = client.get("/catalog.json", &[range, &resume]);
    assert_eq!((answer.status, &answer.body[..]), (206, &first.body[10..]));
    fixture.write_catalog(2);
    let answer = client.get("/catalog.json", &[range, &resume]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, fs::read(fixture.catalog()).unwrap());
    let dated = format!("If-Range: {}", answer.header("last-modified").unwrap());
    assert_eq!(client.get("/catalog.json", &[range, &dated]).status, 206);
}

#[test]
fn a_channel_leads_to_its_version() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    for name in [
        "debian.tar.xz",
        "SHA256SUMS",
        "SHA256SUMS.gpg",
        "debian.nspawn",
    ] {
        let answer = client.get(&format!("/images/debian/amd64/latest/{name}"), &[]);
        assert_eq!(answer.status, 302, "{name}");
        let expected = format!("../20261122.1/{name}");
        assert_eq!(answer.header("location"), Some(expected.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert!(answer.header("etag").is_none());
    }
    for path in [
        "/images/debian/amd64/latest/nothing",
        "/images/debian/amd64/testing/debian.tar.xz",
        "/images/debian/arm64/latest/debian.tar.xz",
        "/images/fedora/amd64/latest/debian.tar.xz",
    ] {
        assert_eq!(client.get(path, &[]).status, 404, "{path}");
    }
}

#[test]
fn what_is_not_listed_is_not_there() {
    let fixture = Fixture::new();
    // Even a digest file that is there, and listed, would break stock clients.
    let sidecar = fixture.version().join("debian.tar.xz.sha256");
    fs::write(&sidecar, b"x").unwrap();
    let sums = fixture.version().join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let digest = Sha256::of(b"x");
    fs::write(&sums, format!("{text}{digest} *debian.tar.xz.sha256\n")).unwrap();
    let server = fixture.serve();
    let mut client = Client::connect(server.local_addr());
    for name in [
        "unlisted",
        "debian.tar.xz.sha256",
        "debian.tar.xz.sha256.asc",
        "debian.tar.xz.sha256.gpg",
        "SHA256SUMS.asc",
        "other.nspawn",
        "debian.tar.zst",
    ] {
        let answer = client.get(&format!("{VERSION}/{name}"), &[]);
        assert_eq!(answer.status, 404, "{name}");
        assert_eq!(answer.body, b"404 Not Found\n");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(client.head(&format!("{VERSION}/{name}"), &[]).status, 404);
    }
    assert_eq!(
        client.get(&format!("{VERSION}/SHA256SUMS"), &[]).status,
        200
    );
}

#[test]
fn only_get_and_head() {
    let fixture = Fixture::new();
    let server = fixture.serve();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let mut client = Client::connect(server.local_addr());
        client.request(method, "/catalog.json", &["Content-Length: 0"]);
        let answer = client.answer();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
}
