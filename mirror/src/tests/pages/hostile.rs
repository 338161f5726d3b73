//! Manifests whose texts mean something to a browser or a shell.

use super::super::images::{Image, Images};
use super::{KEY, file, package, page, text};
use hatchery_image::manifest::{FileRole, Manifest};

const SCRIPT: &str = "<script>alert(1)</script>";
const BREAKOUT: &str = "\"'><img src=x onerror=alert(1)>";
const TARGETS: [&str; 4] = [
    "/",
    "/images/debian/",
    "/images/debian/amd64/2/",
    "/images/debian/amd64/2/changes/",
];

fn evil(manifest: &mut Manifest) {
    manifest.distribution.id = SCRIPT.into();
    manifest.distribution.release = BREAKOUT.into();
    manifest.requires.kernel = Some(SCRIPT.into());
    manifest.files = vec![
        file("javascript:alert(1)", FileRole::Sbom),
        file("\"onclick=\"alert(1)", FileRole::Nspawn),
        file("a/b", FileRole::Lock),
    ];
    manifest.archives[0].file = "x; rm -rf ~ #.tar.xz".parse().unwrap();
    manifest.packages = vec![
        package(SCRIPT, BREAKOUT, "{{ 7 * 7 }}"),
        package(BREAKOUT, SCRIPT, "</table></main>"),
        package(&"long".repeat(100_000), "1", "all"),
    ];
}

#[test]
fn what_a_manifest_says_is_text() {
    let mut images = Images::new(&[
        Image {
            version: "1",
            published: "2026-11-21T00:00:00Z",
            channels: &[],
            ..Image::default()
        },
        Image {
            version: "2",
            edit: evil,
            ..Image::default()
        },
    ]);
    images.keys = vec![KEY.to_owned()];
    images.publish(&[]);
    let server = images.serve();
    for target in TARGETS {
        let html = page(server.local_addr(), target);
        for evil in [
            "<script",
            "<img",
            "href=\"javascript:",
            "\"onclick",
            "rm -rf ~ #.tar.xz ",
        ] {
            assert!(!html.contains(evil), "{evil} is in {target}: {html}");
        }
        assert_eq!(html.matches("</main>").count(), 1, "{target}");
        assert!(html.len() < 200_000, "{target} has {} bytes", html.len());
    }
    let html = page(server.local_addr(), "/images/debian/amd64/2/");
    let seen = text(&html);
    for shown in [SCRIPT, BREAKOUT, "{{ 7 * 7 }}", "x; rm -rf ~ #.tar.xz"] {
        assert!(seen.contains(shown), "{shown} is not in {seen}");
    }
    assert!(
        html.contains("href=\"javascript%3Aalert%281%29\""),
        "{html}"
    );
    // No path leads to what lies in a folder.
    assert!(!html.contains("href=\"a"), "{html}");
    // Nothing but hatchery, which needs no file's name.
    for command in ["pull-tar", "sha256sum", "nspawn --init"] {
        assert!(!seen.contains(command), "{command} is in {seen}");
    }
}
