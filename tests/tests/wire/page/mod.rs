//! The mirror's pages in a real browser, at the widths of a phone and of a
//! desk, in light and in dark, with scripts switched off.

mod browser;
mod looks;

use super::fixture::{Yard, signing};
use super::tls::Files;
use browser::Browser;
use hatchery_image::Sha256;
use hatchery_image::manifest::{Distribution, Package};
use hatchery_mirror::{Listener, Options, Running, Server, TlsFiles, publish};
use hatchery_tests::lab::pack_tree;
use hatchery_tests::{Need, require, run};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

const NEEDS: &[Need] = &[Need::Program("gpg"), Need::Program("chromium")];

/// A mirror of a few images, over HTTP and over TLS.
struct Mirror {
    yard: Yard,
    server: Running,
}

impl Mirror {
    fn new() -> Self {
        let yard = Yard::new();
        publish_image(&yard, "debian", "20261101.1", 180);
        publish_image(&yard, "debian", "20261122.3fa9c1", 200);
        publish_image(&yard, "a-service-with-a-rather-long-name", "1", 3);
        let files = Files::new(yard.folder.path());
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut options = Options::new(anywhere, super::fixture::now);
        let (certificate, key) = (files.certificate, files.key);
        let tls = Listener::tls(anywhere, TlsFiles { certificate, key });
        options.listeners.push(tls);
        let server = Server::bind(yard.store(), options).unwrap().spawn();
        Self { server, yard }
    }

    /// The same store, at a time when its catalog has expired.
    fn expired(&self) -> Running {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap(), super::fixture::now);
        options.now = || "2100-01-01T00:00:00Z".parse().unwrap();
        Server::bind(self.yard.store(), options).unwrap().spawn()
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.local_addr())
    }
}

/// Publishes a version with so many packages, of which a newer one has others.
fn publish_image(yard: &Yard, name: &str, version: &str, packages: usize) {
    let rootfs = tempfile::tempdir().unwrap();
    fs::write(rootfs.path().join("version"), version).unwrap();
    let directory = yard.path(&format!("{name}-{version}"));
    let mut files = pack_tree(rootfs.path(), &directory, name, version, |manifest| {
        manifest.distribution = Distribution {
            id: "debian".into(),
            release: "trixie".into(),
        };
        manifest.disk_limit = Some(16 << 30);
        let numbers = packages / 10..packages;
        manifest.packages = numbers.map(|number| package(number, version)).collect();
    });
    files.sign(&yard.signer).unwrap();
    let channels = ["latest", "stable"].map(|channel| channel.parse().unwrap());
    let channels = BTreeSet::from(channels);
    let silent = hatchery_image::Progress::silent();
    let (store, signer) = (yard.store(), &yard.signer);
    publish(&store, &files, &channels, signer, &signing(), &silent).unwrap();
}

fn package(number: usize, image: &str) -> Package {
    let version = match number % 7 {
        0 => format!("1:{number}.2+really1.{image}-1+deb13u{number}"),
        _ => format!("{number}.4-2"),
    };
    Package {
        name: format!("libexample-with-a-long-name{number:03}"),
        version,
        architecture: "amd64".into(),
        size: 1000,
        installed_size: 4096 * number as u64,
        sha256: Sha256::of(b"package"),
        licenses: Vec::new(),
    }
}

/// The paths of one page of each kind.
const PAGES: [&str; 4] = [
    "/",
    "/images/debian/",
    "/images/debian/amd64/20261122.3fa9c1/",
    "/images/debian/amd64/20261122.3fa9c1/changes/",
];

#[test]
fn a_browser_shows_every_page_well() {
    if !require(NEEDS) {
        return;
    }
    let mirror = Mirror::new();
    let pictures = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&pictures).unwrap();
    let mut browser = Browser::start();
    for (width, device) in [(360, "phone"), (1280, "desk")] {
        for scheme in ["light", "dark"] {
            browser.look_like(width, scheme);
            for path in PAGES {
                browser.open(&format!("{}{path}", mirror.url()));
                let found = browser.ask(looks::FAULTS);
                assert_eq!(found, serde_json::json!([]), "{path} {device} {scheme}");
                let name = path.trim_end_matches('/').replace('/', "_");
                let picture = pictures.join(format!("{device}-{scheme}{name}.png"));
                fs::write(picture, browser.picture()).unwrap();
            }
        }
    }
    let expired = mirror.expired();
    let expired_url = format!("http://{}/", expired.local_addr());
    for scheme in ["light", "dark"] {
        browser.look_like(360, scheme);
        browser.open(&expired_url);
        assert_eq!(
            browser.ask(looks::FAULTS),
            serde_json::json!([]),
            "{scheme}"
        );
        let warning = browser.ask("document.querySelector('.grave').textContent");
        let warning = warning.as_str().unwrap().to_owned();
        assert!(warning.contains("expired on"), "{warning}");
    }
    let ground = |browser: &mut Browser, scheme| {
        browser.look_like(1280, scheme);
        browser.open(&mirror.url());
        browser.ask("getComputedStyle(document.body).backgroundColor")
    };
    assert_ne!(ground(&mut browser, "light"), ground(&mut browser, "dark"));
    let (complaints, requests) = browser.close();
    assert_eq!(complaints, [""; 0]);
    let ours = [mirror.url(), expired_url, "data:".to_owned()];
    let inside = |url: &String| ours.iter().any(|ours| url.starts_with(ours));
    let outside: Vec<&String> = requests.iter().filter(|url| !inside(url)).collect();
    assert!(outside.is_empty(), "{outside:?}");
    // Each page is one request.
    let one_each = PAGES.len() * 4 + 4;
    let asked = requests.iter().filter(|url| url.starts_with("http"));
    assert_eq!(asked.count(), one_each, "{requests:?}");
}

#[test]
fn a_person_gets_around_by_mouse_and_keyboard() {
    if !require(NEEDS) {
        return;
    }
    let mirror = Mirror::new();
    let mut browser = Browser::start();
    browser.look_like(360, "light");
    browser.open(&mirror.url());
    // The first key leads past the header.
    browser.press_tab();
    let skip = "document.activeElement.textContent + ' ' +
        (document.activeElement.getBoundingClientRect().left >= 0) + ' ' +
        getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.ask(skip), "Skip to the content true solid");
    let place = "location.pathname + ' ' + document.querySelector('h1').textContent";
    for (link, expected) in [
        ("tbody tr:nth-child(2) th a", "/images/debian/ debian"),
        (
            "tbody th a",
            "/images/debian/amd64/20261122.3fa9c1/ debian 20261122.3fa9c1",
        ),
        (
            ".facts a",
            "/images/debian/amd64/20261122.3fa9c1/changes/ Changes of debian 20261122.3fa9c1",
        ),
        ("nav li:nth-child(2) a", "/images/debian/ debian"),
        (".host", "/ Images"),
    ] {
        browser.follow(link);
        assert_eq!(browser.ask(place), expected, "{link}");
    }
    // What is folded is unfolded without a script.
    browser.open(&format!("{}/images/debian/", mirror.url()));
    let fold = "(() => { const d = document.querySelector('#get-curl').parentElement;
        const before = d.open; d.querySelector('summary').click(); return [before, d.open]; })()";
    assert_eq!(browser.ask(fold), serde_json::json!([false, true]));
    let (complaints, _) = browser.close();
    assert_eq!(complaints, [""; 0]);
}

#[test]
fn what_a_page_says_to_type_works() {
    if !require(NEEDS) || !require(&[Need::Program("curl"), Need::Program("gpgv")]) {
        return;
    }
    let mirror = Mirror::new();
    let mut browser = Browser::start();
    browser.look_like(1280, "light");
    browser.open(&format!("{}/images/debian/", mirror.url()));
    let command = "[...document.querySelector('#get-curl').parentElement.querySelectorAll('pre')]
        .map(block => block.textContent).join('\\n')";
    let command = browser.ask(command).as_str().unwrap().to_owned();
    browser.close();
    let folder = mirror.yard.path("typed");
    fs::create_dir(&folder).unwrap();
    let script = format!("set -e; cd '{}'\n{command}", folder.display());
    let said = run::run(&["sh", "-c", &format!("exec 2>&1; {script}")]).unwrap();
    assert!(said.contains("Good signature"), "{said}");
    assert!(said.contains("debian.tar.zst: OK"), "{said}");
    let fingerprint = mirror.yard.signer.fingerprint().as_str();
    let shown = said.replace(' ', "");
    assert!(shown.contains(fingerprint), "{said}");
    // Over TLS the same page speaks of TLS, and so to incus.
    let tls = mirror.server.addresses()[1].to_string();
    let url = format!("https://{tls}/images/debian/");
    let html = run::run(&["curl", "-sS", "--insecure", &url]).unwrap();
    let remote = format!("incus remote add hatchery https://{tls}/ --protocol simplestreams");
    assert!(html.contains(&remote), "{html}");
}
