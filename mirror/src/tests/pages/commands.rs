//! What the pages tell people to type.

use super::super::images::{Image, Images};
use super::{DEBIANS, KEY, assert_shows, at_host, page, text};

/// The blocks of lines on a page, each with the paragraph before it.
fn blocks(html: &str) -> Vec<(String, String)> {
    let parts = html.split("<pre>").collect::<Vec<_>>();
    let pairs = parts.windows(2);
    let blocks = pairs.map(|pair| {
        let between = pair[0].rsplit_once("</pre>");
        let between = between.map_or(pair[0], |(_, between)| between);
        let before = between.rsplit_once("<p").map_or("", |(_, before)| before);
        let lines = pair[1].split_once("</pre>").unwrap().0;
        (text(&format!("<p{before}")), text(&format!("<pre>{lines}")))
    });
    blocks.collect()
}

#[test]
fn what_trusts_a_key_stands_by_itself_after_a_warning() {
    let mut images = Images::new(&DEBIANS);
    images.keys = vec![KEY.to_owned()];
    images.publish(&[]);
    let server = images.serve();
    let html = page(server.local_addr(), "/images/debian/");
    let blocks = blocks(&html);
    for trusting in ["--trust", "--import keys.pgp", "nspawn --init", "gpgv"] {
        let mut blocks = blocks.iter();
        let (before, lines) = blocks.find(|(_, lines)| lines.contains(trusting)).unwrap();
        assert!(before.contains("Compare its fingerprint first"), "{before}");
        for other in ["--show-keys", "machinectl", "importctl"] {
            assert!(!lines.contains(other), "{lines}");
        }
    }
    let warned = blocks
        .iter()
        .filter(|(before, _)| before.contains("Compare"));
    assert_eq!(warned.count(), 4, "{blocks:?}");
}

#[test]
fn registries_are_asked_only_for_what_they_have() {
    let zstd = Image {
        name: "a-b.c",
        zstd: true,
        ..Image::default()
    };
    let images = Images::new(&[
        zstd.clone(),
        Image {
            name: "a.-b",
            ..zstd.clone()
        },
        Image {
            name: "a-.b",
            ..zstd
        },
        Image::default(),
    ]);
    let server = images.serve();
    for (name, expected) in [
        ("a-b.c", true),
        ("a.-b", false),
        ("a-.b", false),
        ("debian", false),
    ] {
        let html = page(server.local_addr(), &format!("/images/{name}/"));
        assert_eq!(html.contains("podman pull"), expected, "{name}");
    }
}

#[test]
fn an_address_is_no_pattern_of_a_shell() {
    let mut images = Images::new(&DEBIANS);
    images.keys = vec![KEY.to_owned()];
    images.publish(&[]);
    let server = images.serve();
    let answer = at_host(server.local_addr(), "/images/debian/", "[::1]:8080");
    let html = String::from_utf8(answer.body).unwrap();
    assert_shows(
        &html,
        &[
            "--mirror 'http://[::1]:8080/' \\",
            "curl -fsSo keys.pgp 'http://[::1]:8080/keys.pgp' &&",
            "'http://[::1]:8080/images/debian/amd64/latest/debian.tar.xz' debian",
            "podman pull --tls-verify=false '[::1]:8080/debian:latest'",
            "'docker://[::1]:8080/debian:latest' oci:debian:latest",
            "SHA256SUMS.gpg}' 'http://[::1]:8080/keys.pgp'",
        ],
    );
}
