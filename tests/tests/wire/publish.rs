//! Publishing into a store, and the catalog that comes of it.

use super::fixture::{Yard, now, signing};
use hatchery_image::catalog::{Catalog, PAYLOAD_TYPE};
use hatchery_image::signer::Signer;
use hatchery_image::{Architecture, Channel, Keyring, Progress, Sha256};
use hatchery_mirror::{CatalogError, PublishError, Signing, publish, refresh};
use hatchery_tests::lab::key;
use hatchery_tests::{Need, require};
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

const NEEDS: &[Need] = &[Need::Program("gpg")];

fn keyring(signer: &Signer) -> Keyring {
    Keyring::parse(&signer.public_key().unwrap()).unwrap()
}

/// The catalog as an importer reads it.
fn catalog(bytes: &[u8], keyring: &Keyring) -> Catalog {
    let verified = keyring.verify_envelope(bytes, PAYLOAD_TYPE, now()).unwrap();
    serde_json::from_slice(&verified).unwrap()
}

#[test]
fn what_is_published_is_listed_signed_and_readable() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let image = yard.image("1", "a");
    let published = yard.publish(&image).unwrap();
    assert!(!published.files_were_there && published.catalog_changed);
    let bytes = fs::read(yard.store().catalog()).unwrap();
    let catalog = catalog(&bytes, &keyring(&yard.signer));
    assert_eq!(catalog, published.catalog);
    assert_eq!(catalog.repository, yard.store().repository());
    assert_eq!(catalog.version, 1);
    assert_eq!(catalog.keys, [yard.signer.fingerprint().clone()]);
    let good_for = catalog.expires.duration_since(catalog.created);
    assert_eq!(good_for, SignedDuration::from_hours(30 * 24));
    let listing = &catalog.images[&"lab".parse().unwrap()][&Architecture::Amd64];
    let version = "1".parse().unwrap();
    assert_eq!(listing.channels[&Channel::latest()], version);
    let manifest = fs::read(published.directory.join("lab.manifest.json")).unwrap();
    assert_eq!(listing.versions[&version].sha256, Sha256::of(&manifest));
    assert_eq!(listing.versions[&version].size, manifest.len() as u64);
    for name in image.names() {
        let (ours, theirs) = (
            published.directory.join(&name),
            image.directory().join(&name),
        );
        assert!(
            fs::read(&ours).unwrap() == fs::read(theirs).unwrap(),
            "{name}"
        );
        let mode = ours.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644, "{name}");
    }
    let leftovers = fs::read_dir(yard.store().root()).unwrap();
    let mut names: Vec<_> = leftovers.map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".lock",
            "catalog.json",
            "derived",
            "images",
            "keys.pgp",
            "repository.json"
        ]
    );
}

#[test]
fn publishing_again_changes_nothing_but_channels() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let image = yard.image("1", "a");
    yard.publish(&image).unwrap();
    let before = fs::read(yard.store().catalog()).unwrap();
    let again = yard.publish(&image).unwrap();
    assert!(again.files_were_there && !again.catalog_changed);
    assert!(fs::read(yard.store().catalog()).unwrap() == before);
    let stable: Channel = "stable".parse().unwrap();
    let (store, channels) = (yard.store(), BTreeSet::from([stable.clone()]));
    let silent = Progress::silent();
    let moved = publish(&store, &image, &channels, &yard.signer, &signing(), &silent).unwrap();
    assert!(moved.files_were_there && moved.catalog_changed);
    assert_eq!(moved.catalog.version, 2);
    let listing = &moved.catalog.images[&"lab".parse().unwrap()][&Architecture::Amd64];
    assert_eq!(listing.channels.len(), 2);
    // What only the catalog lost, as a crash before its switch would.
    fs::remove_file(yard.store().catalog()).unwrap();
    let completed = yard.publish(&image).unwrap();
    assert!(completed.files_were_there && completed.catalog_changed);
}

#[test]
fn a_version_never_changes() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let first = yard.publish(&yard.image("1", "a")).unwrap();
    let before = fs::read(yard.store().catalog()).unwrap();
    let other = yard.image("1", "b");
    let error = yard.publish(&other).unwrap_err();
    assert!(matches!(error, PublishError::Taken { .. }), "{error}");
    // Not even when its files are gone: importers may have seen it.
    fs::remove_dir_all(&first.directory).unwrap();
    let error = yard.publish(&other).unwrap_err();
    assert!(matches!(error, PublishError::Taken { .. }), "{error}");
    assert!(fs::read(yard.store().catalog()).unwrap() == before);
    assert!(!first.directory.exists());
    // The same files heal it.
    let healed = yard.publish(&yard.image("2", "a")).unwrap();
    assert_eq!(healed.catalog.version, 2);
    let latest = &healed.catalog.images[&"lab".parse().unwrap()][&Architecture::Amd64];
    assert_eq!(latest.channels[&Channel::latest()].as_str(), "2");
    assert_eq!(latest.versions.len(), 2);
}

#[test]
fn a_damaged_version_is_not_passed_off_as_there() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let image = yard.image("1", "a");
    let published = yard.publish(&image).unwrap();
    fs::write(published.directory.join("lab.nspawn"), "[Exec]\nBoot=no!\n").unwrap();
    let error = yard.publish(&image).unwrap_err();
    assert!(matches!(error, PublishError::Damaged { .. }), "{error}");
}

#[test]
fn no_name_is_both_a_version_and_a_channel() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let error = yard.publish(&yard.image("latest", "a")).unwrap_err();
    assert!(matches!(error, PublishError::Ambiguous { .. }), "{error}");
    yard.publish(&yard.image("1", "a")).unwrap();
    let channels = BTreeSet::from(["1".parse().unwrap()]);
    let (store, image) = (yard.store(), yard.image("2", "a"));
    let silent = Progress::silent();
    let error = publish(&store, &image, &channels, &yard.signer, &signing(), &silent).unwrap_err();
    assert!(matches!(error, PublishError::Ambiguous { .. }), "{error}");
}

#[test]
fn only_the_catalogs_keys_sign_it_unless_it_is_adopted() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    yard.publish(&yard.image("1", "a")).unwrap();
    let other = key(&yard.path("other"), "other@example.org");
    let image = yard.image_by(&other, "2", "b");
    let before = fs::read(yard.store().catalog()).unwrap();
    let refused = |signing: &Signing| match yard.publish_as(&image, &other, signing) {
        Err(PublishError::Catalog { source, .. }) => *source,
        other => panic!("{other:?}"),
    };
    // A key that nobody named.
    let error = refused(&signing());
    assert!(matches!(error, CatalogError::Untrusted { .. }), "{error}");
    // Its catalog is trusted, but the key is not among the catalog's.
    let mut trusting = signing();
    trusting.trusted = keyring(&yard.signer);
    let error = refused(&trusting);
    assert!(matches!(error, CatalogError::NotListed { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains(yard.signer.fingerprint().as_str())
    );
    assert!(fs::read(yard.store().catalog()).unwrap() == before);
    trusting.adopt = true;
    let adopted = yard.publish_as(&image, &other, &trusting).unwrap();
    let mut both = [&yard.signer, &other].map(|s| s.fingerprint().clone());
    both.sort();
    assert_eq!(adopted.catalog.keys, both);
    let bytes = fs::read(yard.store().catalog()).unwrap();
    assert_eq!(catalog(&bytes, &keyring(&other)).version, 2);
    // From now on each of them signs, knowing the other's certificate.
    let mut trusting = signing();
    trusting.trusted = keyring(&other);
    let third = yard.image("3", "c");
    let published = yard.publish_as(&third, &yard.signer, &trusting).unwrap();
    assert_eq!(published.catalog.version, 3);
    other.stop_agent().unwrap();
}

#[test]
fn what_somebody_wrote_into_the_catalog_is_not_signed() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    yard.publish(&yard.image("1", "a")).unwrap();
    let path = yard.store().catalog();
    let mut envelope: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    envelope["payload"] = "eyJyZXBvc2l0b3J5IjogIngifQ==".into();
    fs::write(&path, envelope.to_string()).unwrap();
    for result in [
        yard.publish(&yard.image("2", "b"))
            .map(|_| ())
            .map_err(|e| e.to_string()),
        refresh(&yard.store(), &yard.signer, &signing())
            .map(|_| ())
            .map_err(|e| e.to_string()),
    ] {
        result.unwrap_err();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), envelope.to_string());
}

#[test]
fn an_image_that_stock_clients_would_refuse_is_refused() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let image = yard.image("1", "a");
    fs::remove_file(image.directory().join("SHA256SUMS.gpg")).unwrap();
    let unsigned = hatchery_image::files::ImageFiles::open(image.directory()).unwrap();
    let error = yard.publish(&unsigned).unwrap_err();
    assert!(matches!(error, PublishError::Unsigned { .. }), "{error}");
    let other = key(&yard.path("other"), "other@example.org");
    let foreign = yard.image_by(&other, "2", "a");
    let error = yard.publish(&foreign).unwrap_err();
    assert!(matches!(error, PublishError::Signature { .. }), "{error}");
    let mut trusting = signing();
    trusting.trusted = keyring(&other);
    yard.publish_as(&foreign, &yard.signer, &trusting).unwrap();
    other.stop_agent().unwrap();
}

#[test]
fn a_catalog_is_refreshed_forward_only() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let error = refresh(&yard.store(), &yard.signer, &signing()).unwrap_err();
    assert!(matches!(error, CatalogError::None { .. }), "{error}");
    let first = yard.publish(&yard.image("1", "a")).unwrap().catalog;
    let mut longer = signing();
    longer.expires_after = SignedDuration::from_hours(24 * 60);
    let second = refresh(&yard.store(), &yard.signer, &longer).unwrap();
    assert_eq!(second.version, 2);
    assert!(second.expires > first.expires);
    assert_eq!(second.images, first.images);
    let bytes = fs::read(yard.store().catalog()).unwrap();
    assert_eq!(catalog(&bytes, &keyring(&yard.signer)), second);
}

#[test]
fn many_publishers_at_once_lose_nothing() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let images: Vec<_> = (1..=6).map(|i| yard.image(&i.to_string(), "a")).collect();
    std::thread::scope(|scope| {
        for image in &images {
            scope.spawn(|| yard.publish(image).unwrap());
        }
    });
    let bytes = fs::read(yard.store().catalog()).unwrap();
    let catalog = catalog(&bytes, &keyring(&yard.signer));
    assert_eq!(catalog.version, 6);
    let listing = &catalog.images[&"lab".parse().unwrap()][&Architecture::Amd64];
    assert_eq!(listing.versions.len(), 6);
}

#[test]
fn a_reader_never_sees_a_catalog_whose_files_are_missing() {
    if !require(NEEDS) {
        return;
    }
    let yard = Yard::new();
    let images: Vec<_> = (1..=8).map(|i| yard.image(&i.to_string(), "a")).collect();
    yard.publish(&images[0]).unwrap();
    let (store, keyring) = (yard.store(), keyring(&yard.signer));
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut newest = 0;
            while !done.load(Ordering::Relaxed) {
                let catalog = catalog(&fs::read(store.catalog()).unwrap(), &keyring);
                assert!(catalog.version >= newest);
                newest = catalog.version;
                let name = "lab".parse().unwrap();
                for (version, reference) in &catalog.images[&name][&Architecture::Amd64].versions {
                    let directory = store.version(&name, Architecture::Amd64, version);
                    let manifest = fs::read(directory.join("lab.manifest.json")).unwrap();
                    assert_eq!(Sha256::of(&manifest), reference.sha256);
                    assert!(directory.join("lab.tar.xz").exists());
                }
            }
            newest
        });
        for image in &images[1..] {
            yard.publish(image).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(seen > 1, "the reader saw only version {seen}");
}
