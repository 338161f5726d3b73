//! The pages for people.

mod answers;
mod commands;
mod content;
mod hostile;
mod hosts;
mod states;

use super::client::{Answer, Client};
use super::images::Image;
use hatchery_image::Sha256;
use hatchery_image::manifest::{File, FileRole, Manifest, Package};
use std::net::SocketAddr;

const KEY: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// A page, which is there.
fn page(address: SocketAddr, target: &str) -> String {
    let answer = Client::connect(address).get(target, &[]);
    assert_eq!(answer.status, 200, "{target}");
    let html = Some("text/html; charset=utf-8");
    assert_eq!(answer.header("content-type"), html, "{target}");
    String::from_utf8(answer.body).unwrap()
}

/// What is answered when the request names this host.
fn at_host(address: SocketAddr, target: &str, host: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.answer()
}

/// What a reader sees: the text without tags, spaces drawn together.
fn text(html: &str) -> String {
    let body = html.split_once("</style>").map_or(html, |(_, body)| body);
    let mut text = String::new();
    for part in body.split('<') {
        let shown = part.split_once('>').map_or("", |(_, shown)| shown);
        text.push_str(shown);
        text.push(' ');
    }
    let text = text.replace("&#38;", "&").replace("&#60;", "<");
    let text = text
        .replace("&#62;", ">")
        .replace("&#39;", "'")
        .replace("&#34;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Asserts that a reader sees each of these.
fn assert_shows(html: &str, expected: &[&str]) {
    let text = text(html);
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

fn package(name: &str, version: &str, architecture: &str) -> Package {
    Package {
        name: name.into(),
        version: version.into(),
        architecture: architecture.into(),
        size: 1,
        installed_size: 1536,
        sha256: Sha256::of(name.as_bytes()),
        licenses: Vec::new(),
    }
}

fn file(name: &str, role: FileRole) -> File {
    File {
        file: name.parse().unwrap(),
        role,
        size: 3,
        sha256: Sha256::of(b"abc"),
    }
}

/// Two versions of Debian, and what the second changed.
const DEBIANS: [Image<'static>; 2] = [
    Image {
        name: "debian",
        architecture: hatchery_image::Architecture::Amd64,
        version: "1",
        release: "debian/trixie",
        published: "2026-11-21T10:00:00Z",
        aliased: true,
        zstd: true,
        systemd: None,
        channels: &[],
        edit: first,
    },
    Image {
        name: "debian",
        architecture: hatchery_image::Architecture::Amd64,
        version: "2",
        release: "debian/trixie",
        published: "2026-11-22T16:15:00Z",
        aliased: true,
        zstd: true,
        systemd: None,
        channels: &["latest", "stable"],
        edit: second,
    },
];

fn first(manifest: &mut Manifest) {
    manifest.unpacked.bytes = 300 << 20;
    manifest.packages = vec![
        package("apt", "3.0.3", "amd64"),
        package("libc6", "2.41-12", "amd64"),
        package("nano", "8.4-1", "amd64"),
    ];
}

fn second(manifest: &mut Manifest) {
    manifest.unpacked.bytes = 310 << 20;
    manifest.unpacked.entries = 12_345;
    manifest.disk_limit = Some(16 << 30);
    manifest.requires.kernel = Some("5.4".into());
    manifest.files = vec![file("debian.spdx.json", FileRole::Sbom)];
    manifest.packages = vec![
        package("apt", "3.0.3", "amd64"),
        package("libc6", "2.41-12+deb13u1", "amd64"),
        package("vim", "2:9.1.1230-2", "amd64"),
    ];
}
