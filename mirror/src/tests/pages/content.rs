//! What the pages say, and where their links lead.

use super::super::client::Client;
use super::super::images::{Image, Images};
use super::{DEBIANS, KEY, assert_shows, package, page, text};
use hatchery_image::manifest::Manifest;
use hatchery_image::{Architecture, Sha256};
use std::collections::{BTreeSet, VecDeque};

/// Debian for two architectures, and another image.
fn images() -> Images {
    let mut all = DEBIANS.to_vec();
    all.push(Image {
        architecture: Architecture::Arm64,
        version: "3",
        published: "2026-11-20T00:00:00Z",
        ..Image::default()
    });
    all.push(Image {
        name: "web",
        release: "debian/forky",
        ..Image::default()
    });
    let mut images = Images::new(&all);
    images.keys = vec![KEY.to_owned()];
    images.publish(&[]);
    images
}

#[test]
fn the_first_page_lists_images_and_who_signs() {
    let images = images();
    let server = images.serve();
    let html = page(server.local_addr(), "/");
    assert_shows(
        &html,
        &[
            "debian debian trixie amd64, arm64 latest, stable 2 2026-11-22",
            "web debian forky amd64 latest 1 2026-11-22",
            "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567 The present catalog says that this key signed it.",
            "This server checks no signature",
            "Catalog 2, signed on 2026-11-22 00:00 UTC , good until 2026-12-22 00:00 UTC",
        ],
    );
}

#[test]
fn an_image_has_its_versions_and_a_command_for_each_client() {
    let images = images();
    let server = images.serve();
    let html = page(server.local_addr(), "/images/debian/");
    assert_shows(
        &html,
        &[
            "For amd64, newest first",
            "2 latest stable 2026-11-22 16:15 UTC 3 packages what changed",
            "1 none 2026-11-21 10:00 UTC 3 packages the first one",
            "For arm64, newest first",
            &format!("sudo hatchery import debian --mirror http://mirror/ \\ --trust {KEY}"),
            "sudo importctl pull-tar --class=machine --verify=signature \
             http://mirror/images/debian/amd64/latest/debian.tar.xz debian",
            "sudo machinectl pull-tar --verify=signature \
             http://mirror/images/debian/amd64/latest/debian.tar.xz debian",
            "BASEURL=http://mirror/storage LISTURL=http://mirror/storage/list.txt",
            "sudo nspawn --init debian/trixie/tar",
            "podman pull --tls-verify=false mirror:80/debian:latest",
            "skopeo copy --src-tls-verify=false docker://mirror:80/debian:latest oci:debian:latest",
            "'http://mirror/images/debian/amd64/2/{debian.tar.zst,SHA256SUMS,SHA256SUMS.gpg}' http://mirror/keys.pgp",
        ],
    );
    // It speaks to nobody without TLS.
    assert!(!html.contains("incus"), "{html}");
}

#[test]
fn a_version_says_what_is_in_it() {
    let images = images();
    let server = images.serve();
    let html = page(server.local_addr(), "/images/debian/amd64/2/");
    let digest = Sha256::of(&DEBIANS[1].archive()).to_string();
    assert_shows(
        &html,
        &[
            "Distribution debian trixie",
            "Channels latest, stable",
            "Unpacked 310.0 MiB in 12,345 entries",
            "Disk limit 16.0 GiB suggested",
            "Host needs Linux 5.4 or later",
            "what changed since 1",
            &format!("debian.tar.xz 14 B SHA-256 {digest}"),
            "debian.spdx.json 3 B bill of materials",
            "SHA256SUMS digests of all files",
            "3 packages, 4.5 KiB installed",
            "libc6 2.41-12+deb13u1 amd64 1.5 KiB",
            &format!(
                "sudo hatchery import debian@2 --architecture amd64 --mirror http://mirror/ \\ --trust {KEY}"
            ),
            "podman pull --arch amd64 --tls-verify=false mirror:80/debian:2",
            "skopeo --override-arch amd64 copy",
        ],
    );
    // The script and incus get what is newest.
    assert!(!html.contains("nspawn --init") && !html.contains("incus"));
    let html = page(server.local_addr(), "/images/debian/amd64/1/");
    assert_shows(&html, &["the first version", "none suggested"]);
}

#[test]
fn the_changes_between_versions() {
    let images = images();
    let server = images.serve();
    let html = page(server.local_addr(), "/images/debian/amd64/2/changes/");
    assert_shows(
        &html,
        &[
            "since 1 , the version before it, published on 2026-11-21 10:00 UTC .",
            "Unpacked 300.0 MiB 310.0 MiB +10.0 MiB",
            "Changed 1 package Package Before Now libc6 2.41-12 2.41-12+deb13u1",
            "Added 1 package Package Version Installed vim 2:9.1.1230-2",
            "Removed 1 package Package Version Installed nano 8.4-1",
        ],
    );
    assert!(!text(&html).contains("apt"), "{html}");
    let html = page(server.local_addr(), "/images/debian/amd64/1/changes/");
    assert_shows(&html, &["There is nothing to compare it with."]);
}

#[test]
fn other_spellings_redirect() {
    let images = images();
    let server = images.serve();
    for (target, location) in [
        ("/images", "./"),
        ("/images/", "../"),
        ("/images/debian", "debian/"),
        ("/images/debian/amd64", "./"),
        ("/images/debian/amd64/", "../"),
        ("/images/debian/amd64/2", "2/"),
        ("/images/debian/amd64/latest", "latest/"),
        ("/images/debian/amd64/latest/", "../2/"),
        ("/images/debian/amd64/latest/changes", "changes/"),
        ("/images/debian/amd64/latest/changes/", "../../2/changes/"),
        ("/images/debian/amd64/2/changes", "changes/"),
    ] {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        let found = (answer.status, answer.header("location"));
        assert_eq!(found, (302, Some(location)), "{target}");
    }
    for target in [
        "/images/none",
        "/images/none/",
        "/images/debian/s390x/2/",
        "/images/debian/amd64/9",
        "/images/debian/amd64/9/",
        "/images/debian/amd64/9/changes/",
    ] {
        let answer = Client::connect(server.local_addr()).get(target, &[]);
        assert_eq!(answer.status, 404, "{target}");
    }
}

fn many(manifest: &mut Manifest) {
    let numbers = 0..20_001;
    manifest.packages = numbers
        .map(|number| package(&format!("package-{number}"), "1", "all"))
        .collect();
}

#[test]
fn what_is_left_out_of_a_long_list_is_counted() {
    let images = Images::new(&[Image {
        edit: many,
        ..Image::default()
    }]);
    let server = images.serve();
    let html = page(server.local_addr(), "/images/debian/amd64/1/");
    assert_shows(
        &html,
        &["20,001 packages", "Not shown here: 1 package more."],
    );
    assert!(html.contains(">package-19999<") && !html.contains(">package-20000<"));
}

/// Every page can be reached from the first, and no link leads nowhere.
#[test]
fn every_link_leads_somewhere() {
    let images = images();
    let directory = images.directory(&DEBIANS[1]);
    std::fs::write(directory.join("debian.spdx.json"), "abc").unwrap();
    let sums = directory.join("SHA256SUMS");
    let mut listed = std::fs::read_to_string(&sums).unwrap();
    listed += &format!("{} *debian.spdx.json\n", Sha256::of(b"abc"));
    std::fs::write(&sums, listed).unwrap();
    std::fs::write(images.store().root().join("keys.pgp"), b"\x99none").unwrap();
    let server = images.serve();
    let mut client = Client::connect(server.local_addr());
    let mut seen = BTreeSet::from(["/".to_owned()]);
    let mut waiting = VecDeque::from(["/".to_owned()]);
    while let Some(target) = waiting.pop_front() {
        let answer = client.get(&target, &[]);
        assert_eq!(answer.status, 200, "{target}");
        if !target.ends_with('/') {
            continue;
        }
        let html = String::from_utf8(answer.body).unwrap();
        for part in html.split("<a ").skip(1) {
            let (_, href) = part.split_once("href=\"").unwrap();
            let href = resolve(&target, href.split_once('"').unwrap().0);
            if seen.insert(href.clone()) {
                waiting.push_back(href);
            }
        }
    }
    for expected in [
        "/catalog.json",
        "/keys.pgp",
        "/images/web/",
        "/images/debian/arm64/3/",
        "/images/debian/amd64/2/changes/",
        "/images/debian/amd64/2/debian.tar.xz",
        "/images/debian/amd64/2/debian.spdx.json",
        "/images/debian/amd64/2/SHA256SUMS.gpg",
    ] {
        assert!(seen.contains(expected), "{expected} is not among {seen:?}");
    }
}

/// Where a relative link leads.
fn resolve(page: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap();
    if href.is_empty() {
        return page.to_owned();
    }
    assert!(!href.starts_with('/') && !href.contains(':'), "{href}");
    let folder = page.rsplit_once('/').unwrap().0;
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in href.split('/') {
        match part {
            ".." => drop(parts.pop().unwrap()),
            "." => {}
            part => parts.push(part),
        }
    }
    // What ends with a folder has its slash.
    let is_folder = href.ends_with('/');
    let joined = parts.join("/");
    match is_folder && !joined.ends_with('/') {
        true => joined + "/",
        false => joined,
    }
}
