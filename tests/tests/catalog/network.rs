//! Servers that send too much, too little, something else, or us elsewhere;
//! and what lay in the cache already.

use super::fixture::{catalog_path, fresh, known, request, tricked};
use crate::import::fixture::{Street, import};
use hatchery_image::Manifest;
use hatchery_tests::trickster::{Trick, Trickster};
use hatchery_transfer::{Cache, Location};
use std::fs;
use std::io::Write as _;

const MANIFEST: &str = "images/lab/amd64/1/lab.manifest.json";
const ARCHIVE: &str = "images/lab/amd64/1/lab.tar.zst";

#[test]
fn a_catalog_that_never_ends() {
    let Some(street) = known() else { return };
    tricked(
        &street,
        &[("catalog.json", Trick::Endless)],
        "it is longer than",
    );
}

#[test]
fn a_manifest_that_never_ends() {
    let Some(street) = known() else { return };
    tricked(&street, &[(MANIFEST, Trick::Endless)], "it is longer than");
}

#[test]
fn an_archive_that_never_ends() {
    let Some(street) = known() else { return };
    tricked(&street, &[(ARCHIVE, Trick::Endless)], "it is longer than");
}

#[test]
fn certificates_that_never_end() {
    let Some(street) = known() else { return };
    let bad = sabotaged(&street);
    let tricks = [("catalog.json", bad), ("keys.pgp", Trick::Endless)];
    tricked(&street, &tricks, "is not a trusted key");
}

#[test]
fn an_archive_that_is_cut_off() {
    let Some(street) = known() else { return };
    let short = fs::read(street.store().join(ARCHIVE)).unwrap();
    let short = short[..short.len() / 2].to_vec();
    let trick = Trick::Bytes(short, Vec::new());
    tricked(&street, &[(ARCHIVE, trick)], "bytes long instead of");
}

#[test]
fn a_catalog_that_is_cut_off_on_the_way_is_no_catalog() {
    let Some(street) = known() else { return };
    let server = Trickster::serve(&street.store(), &[("catalog.json", Trick::Half)]);
    let mut request = request(&street, "victim");
    request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
    let kind = hatchery_importer::import::Kind::Network;
    super::fixture::refused_as(&request, kind, "it ended after");
}

#[test]
fn an_archive_of_the_same_length() {
    let Some(street) = known() else { return };
    let mut other = fs::read(street.store().join(ARCHIVE)).unwrap();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    let trick = Trick::Bytes(other, Vec::new());
    tricked(&street, &[(ARCHIVE, trick)], "its SHA-256 is");
}

#[test]
fn bombs_by_content_encoding() {
    let Some(street) = known() else { return };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    for path in ["catalog.json", MANIFEST] {
        let headers = vec![("Content-Encoding", "gzip".to_owned())];
        let trick = Trick::Bytes(bomb.clone(), headers);
        let server = Trickster::serve(&street.store(), &[(path, trick)]);
        let mut request = request(&street, "victim");
        request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
        let error = import(&request).unwrap_err();
        let text = crate::import::fixture::chain(&error);
        // The manifest's length is known, and is the first that does not fit.
        let refused = ["encoded it as \"gzip\"", "bytes long instead of"];
        assert!(refused.iter().any(|r| text.contains(r)), "{text}");
        assert!(!street.places().machines.join("victim").exists());
    }
}

#[test]
fn redirects_to_files_of_this_host() {
    let Some(street) = known() else { return };
    for (path, to) in [
        (
            "catalog.json",
            format!("file://{}", catalog_path(&street).display()),
        ),
        (MANIFEST, "file:///etc/passwd".to_owned()),
        (ARCHIVE, "ftp://127.0.0.1/lab.tar.zst".to_owned()),
    ] {
        let server = Trickster::serve(&street.store(), &[(path, Trick::Redirect(to))]);
        let mut request = request(&street, "victim");
        request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
        let kind = hatchery_importer::import::Kind::Network;
        super::fixture::refused_as(&request, kind, "neither http nor https");
    }
}

#[test]
fn redirects_that_never_end() {
    let Some(street) = known() else { return };
    let again = Trick::Redirect("/catalog.json".to_owned());
    let server = Trickster::serve(&street.store(), &[("catalog.json", again)]);
    let mut request = request(&street, "victim");
    request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
    let kind = hatchery_importer::import::Kind::Network;
    super::fixture::refused_as(&request, kind, "too many other redirects");
}

#[test]
fn a_poisoned_cache_is_not_used() {
    let Some(street) = fresh() else { return };
    let bytes = fs::read(street.store().join(MANIFEST)).unwrap();
    let manifest = Manifest::parse(&bytes).unwrap();
    let cache = Cache::open(&street.places().cache).unwrap();
    for archive in &manifest.archives {
        let good = fs::read(street.published("1", archive.file.as_str())).unwrap();
        let digest = cache.insert(&good).unwrap();
        assert_eq!(digest, archive.sha256);
        let mut poison = good;
        let middle = poison.len() / 2;
        poison[middle] ^= 1;
        fs::write(cache.find(digest).unwrap(), &poison).unwrap();
    }
    let server = Trickster::serve(&street.store(), &[]);
    let mut request = request(&street, "clean");
    request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
    let imported = import(&request).unwrap();
    let content = fs::read_to_string(imported.path.join("etc/content"));
    assert_eq!(content.unwrap(), "one");
}

/// The catalog, signed by a stranger.
fn sabotaged(street: &Street) -> Trick {
    let other = hatchery_tests::lab::key(&street.yard.path("other"), "other@example.org");
    let mut forged = super::fixture::catalog(street);
    forged.version += 1;
    let sealed = super::fixture::seal(&other, &forged);
    let _ = other.stop_agent();
    Trick::Bytes(sealed, Vec::new())
}
