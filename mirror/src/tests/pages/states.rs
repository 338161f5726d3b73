//! What the pages say about a catalog that is not as it should be, and about
//! versions whose manifests are gone.

use super::super::client::Client;
use super::super::images::Images;
use super::super::told::{bytes_read, warnings};
use super::{DEBIANS, KEY, assert_shows, page, text};
use crate::holdings::Holdings;
use crate::page::{View, route};
use crate::target::Route;
use hatchery_image::layout::{CERTIFICATES, CERTIFICATES_MAX};
use std::fs;

#[test]
fn a_store_without_a_catalog_says_so() {
    let images = Images::new(&[]);
    fs::remove_file(images.store().catalog()).unwrap();
    let server = images.serve();
    let html = page(server.local_addr(), "/");
    assert_shows(&html, &["Warning: This mirror has no catalog yet"]);
    fs::write(images.store().catalog(), "{}").unwrap();
    let html = page(server.local_addr(), "/");
    assert_shows(
        &html,
        &["Warning: The catalog of this mirror cannot be understood"],
    );
}

#[test]
fn an_expired_catalog_is_named_as_such_on_every_page() {
    let mut images = Images::new(&DEBIANS);
    images.expires = "2026-11-22T12:00:00Z";
    images.publish(&[]);
    let server = images.serve();
    for target in ["/", "/images/debian/", "/images/debian/amd64/2/"] {
        let html = page(server.local_addr(), target);
        assert_shows(&html, &["Warning: The catalog expired on 2026-11-22."]);
    }
    images.expires = "2026-11-24T12:00:00Z";
    images.publish(&[]);
    let html = page(server.local_addr(), "/");
    assert_shows(&html, &["Soon: The catalog expires in 36 hours."]);
    images.expires = "2026-12-24T12:00:00Z";
    images.publish(&[]);
    let html = page(server.local_addr(), "/");
    assert!(!text(&html).contains("Soon:"), "{html}");
}

#[test]
fn a_key_that_did_not_sign_is_shown_after_the_one_that_did() {
    let mut images = Images::new(&DEBIANS);
    let other = "F".repeat(40);
    images.keys = vec![KEY.to_owned(), other];
    images.publish(&[]);
    let server = images.serve();
    let html = page(server.local_addr(), "/");
    assert_shows(
        &html,
        &["signed it. FFFF FFFF FFFF FFFF FFFF FFFF FFFF FFFF FFFF FFFF May sign; did not sign"],
    );
    // Without a key there is nobody to trust, and no command to do so.
    images.keys.clear();
    images.publish(&[]);
    let html = page(server.local_addr(), "/images/debian/");
    assert_shows(&html, &["No key is named by the catalog."]);
    assert!(!html.contains("--trust"), "{html}");
}

#[test]
fn a_manifest_that_went_missing_or_was_replaced_shows_no_packages() {
    let images = Images::new(&DEBIANS);
    let server = images.serve();
    // The inventory knows it from now on.
    page(server.local_addr(), "/");
    let manifest = images.directory(&DEBIANS[1]).join("debian.manifest.json");
    let good = fs::read(&manifest).unwrap();
    fs::write(&manifest, "{}").unwrap();
    let gone = "The manifest of this version is not there any more.";
    let html = page(server.local_addr(), "/images/debian/amd64/2/");
    assert_shows(&html, &[gone]);
    fs::remove_file(&manifest).unwrap();
    let html = page(server.local_addr(), "/images/debian/amd64/2/changes/");
    assert_shows(&html, &["packages cannot be compared"]);
    fs::write(&manifest, good).unwrap();
    let html = page(server.local_addr(), "/images/debian/amd64/2/");
    assert_shows(&html, &["3 packages"]);
    let answer = Client::connect(server.local_addr()).get("/images/debian/amd64/9/", &[]);
    assert_eq!(answer.status, 404);
}

#[test]
fn certificates_are_read_once_even_if_that_fails() {
    let images = Images::new(&DEBIANS);
    let holdings = Holdings::new(images.store());
    let find = || {
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let view = View::new("http://mirror/".parse().unwrap(), now);
        let wanted = route(&[""]).unwrap().seen_by(view);
        drop(holdings.find(&Route::Page(wanted)).unwrap());
    };
    for length in [10_000, CERTIFICATES_MAX + 1] {
        let certificates = vec![b'x'; length as usize];
        fs::write(images.store().root().join(CERTIFICATES), certificates).unwrap();
        let told = warnings(find);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("pages show fingerprints alone"));
        assert_eq!(warnings(find), [""; 0]);
        assert!(bytes_read(find) < length);
    }
}
