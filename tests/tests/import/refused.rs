//! Bad input: each refused with its own message, and nothing left.

use super::fixture::{Street, chain, import};
use crate::wire::fixture::now;
use hatchery_image::Keyring;
use hatchery_image::catalog::{CatalogError, SeenError, Stale};
use hatchery_image::manifest::Cgroup;
use hatchery_importer::import::Kind;
use hatchery_importer::repository::{Refused, RepositoryError};
use hatchery_importer::{DiskLimit, ImportError};
use hatchery_tests::lab::key;
use hatchery_tests::{Need, Pool, require};
use jiff::ToSpan as _;
use std::fs;
use std::time::Duration;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// The refusal of a catalog.
fn refusal(error: &ImportError) -> &Refused {
    match error {
        ImportError::Repository(RepositoryError::Refused { source, .. }) => source,
        error => panic!("{}", chain(error)),
    }
}

#[test]
fn a_catalog_by_another_key() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let other = key(&street.yard.path("other"), "other@example.org");
    let mut request = street.request();
    request.repository.keyring = Keyring::parse(&other.public_key().unwrap()).unwrap();
    let _ = other.stop_agent();
    let error = import(&request).unwrap_err();
    let untrusted = matches!(
        refusal(&error),
        Refused::Catalog(CatalogError::Untrusted(_))
    );
    assert!(untrusted, "{}", chain(&error));
    assert!(
        chain(&error).contains("is not a trusted key"),
        "{}",
        chain(&error)
    );
    assert_eq!(error.kind(), Kind::Trust);

    request.repository.keyring = Keyring::default();
    let error = import(&request).unwrap_err();
    let no_key = matches!(
        error,
        ImportError::Repository(RepositoryError::FirstContact { .. })
    );
    assert!(no_key, "{}", chain(&error));
    street.assert_nothing_left();
}

#[test]
fn a_catalog_that_has_expired_unless_stale_ones_are_accepted() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    request.now = now() + Duration::from_secs(31 * 24 * 3600);
    let error = import(&request).unwrap_err();
    let expired = matches!(
        refusal(&error),
        Refused::Catalog(CatalogError::Expired { .. })
    );
    assert!(expired, "{}", chain(&error));
    street.assert_nothing_left();
    request.repository.stale = Stale::Accept;
    import(&request).unwrap();
}

#[test]
fn a_clock_before_the_signature() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    request.now = now().checked_sub(48.hours()).unwrap();
    let error = import(&request).unwrap_err();
    let behind = matches!(
        refusal(&error),
        Refused::Catalog(CatalogError::ClockBefore { .. })
    );
    assert!(behind, "{}", chain(&error));
    assert!(
        chain(&error).contains("check the clock"),
        "{}",
        chain(&error)
    );
    street.assert_nothing_left();
}

#[test]
fn an_older_catalog_than_one_that_was_seen() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let catalog = street.store().join("catalog.json");
    let old = fs::read(&catalog).unwrap();
    street.publish("2", "two", |_| ());
    let new = fs::read(&catalog).unwrap();
    street.import().unwrap();

    fs::write(&catalog, old).unwrap();
    let mut request = street.request();
    request.machine = "other".parse().unwrap();
    let error = import(&request).unwrap_err();
    let older = matches!(
        refusal(&error),
        Refused::Seen(SeenError::Older {
            seen: 2,
            offered: 1
        })
    );
    assert!(older, "{}", chain(&error));
    // Neither does accepting stale ones lower what was seen.
    request.repository.stale = Stale::Accept;
    assert!(matches!(
        refusal(&import(&request).unwrap_err()),
        Refused::Seen(_)
    ));
    assert!(!street.places().machines.join("other").exists());

    // A mirror that is behind does not keep one from the next.
    let behind = street.yard.path("behind");
    fs::create_dir(&behind).unwrap();
    fs::rename(&catalog, behind.join("catalog.json")).unwrap();
    fs::write(&catalog, new).unwrap();
    request
        .repository
        .locations
        .insert(0, behind.as_path().into());
    import(&request).unwrap();
}

#[test]
fn another_catalog_of_the_same_version() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let catalog = street.store().join("catalog.json");
    let first = fs::read(&catalog).unwrap();
    street.import().unwrap();
    // The same key signs another second version, elsewhere.
    street.publish("2", "two", |_| ());
    let mut request = street.request();
    request.machine = "seen".parse().unwrap();
    import(&request).unwrap();
    fs::write(&catalog, first).unwrap();
    street.publish("3", "three", |_| ());
    request.machine = "other".parse().unwrap();
    let error = import(&request).unwrap_err();
    let forked = matches!(
        refusal(&error),
        Refused::Seen(SeenError::Forked { version: 2, .. })
    );
    assert!(forked, "{}", chain(&error));
}

#[test]
fn a_catalog_of_another_repository_than_the_configured_one() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    request.repository.id = Some("6d1c6ad5-0a5c-4a3b-9d1e-1f2e3d4c5b6a".to_owned());
    let error = import(&request).unwrap_err();
    assert!(
        matches!(refusal(&error), Refused::Other { .. }),
        "{}",
        chain(&error)
    );
    street.assert_nothing_left();
}

#[test]
fn files_that_are_not_what_was_signed() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    for (file, damage) in [
        ("lab.manifest.json", "replaced"),
        ("lab.tar.zst", "replaced"),
        ("lab.tar.zst", "truncated"),
        ("lab.tar.zst", "missing"),
    ] {
        let path = street.published("1", file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        match damage {
            "replaced" => bad[20] ^= 1,
            "truncated" => bad.truncate(good.len() / 2),
            _ => (),
        }
        fs::remove_file(&path).unwrap();
        if damage != "missing" {
            fs::write(&path, bad).unwrap();
        }
        let error = street.import().unwrap_err();
        assert!(chain(&error).contains(file), "{}", chain(&error));
        let kind = match damage {
            "missing" => Kind::Network,
            _ => Kind::Trust,
        };
        assert_eq!(error.kind(), kind, "{damage}: {}", chain(&error));
        street.assert_nothing_left();
        fs::write(&path, good).unwrap();
    }
    street.import().unwrap();
}

#[test]
fn a_manifest_under_another_images_name() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::empty();
    street.publish("1", "one", |_| ());
    street.publish("2", "two", |_| ());
    // Signed by the right key, but listing version 1 as version 2.
    let catalog = street.store().join("catalog.json");
    let mut forged = {
        let bytes = fs::read(&catalog).unwrap();
        let keyring = street.keyring();
        hatchery_image::Catalog::open(&bytes, &keyring, now(), Stale::Refuse)
            .unwrap()
            .into_inner()
    };
    let listing = forged
        .images
        .get_mut(&"lab".parse().unwrap())
        .unwrap()
        .get_mut(&hatchery_image::Architecture::Amd64)
        .unwrap();
    let one = listing.versions[&"1".parse().unwrap()].clone();
    listing.versions.insert("2".parse().unwrap(), one);
    forged.version += 1;
    let payload = serde_json::to_vec(&forged).unwrap();
    let signer = &street.yard.signer;
    let envelope = signer
        .seal(hatchery_image::catalog::PAYLOAD_TYPE, &payload)
        .unwrap();
    fs::write(&catalog, envelope).unwrap();
    for file in ["lab.manifest.json", "lab.tar.zst"] {
        fs::copy(street.published("1", file), street.published("2", file)).unwrap();
    }
    let error = street.import().unwrap_err();
    assert!(
        chain(&error).contains("is that of lab@1"),
        "{}",
        chain(&error)
    );
    assert_eq!(error.kind(), Kind::Trust);
    street.assert_nothing_left();
}

#[test]
fn more_than_the_manifest_declares() {
    if !require(&NEEDS) {
        return;
    }
    for (version, edit) in [
        (
            "1",
            (|m| m.unpacked.bytes /= 2) as fn(&mut hatchery_image::Manifest),
        ),
        ("2", |m| m.unpacked.entries = 3),
    ] {
        let street = Street::empty();
        street.publish(version, "one", edit);
        let error = street.import().unwrap_err();
        assert!(
            matches!(error, ImportError::Unpack { .. }),
            "{}",
            chain(&error)
        );
        street.assert_nothing_left();
    }
}

#[test]
fn an_image_that_this_host_cannot_boot_before_its_download() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::empty();
    street.publish("1", "one", |m| m.requires.kernel = Some("99.0".into()));
    fs::rename(
        street.published("1", "lab.tar.zst"),
        street.yard.path("kept"),
    )
    .unwrap();
    let error = street.import().unwrap_err();
    assert!(
        matches!(error, ImportError::Unsuitable { .. }),
        "{}",
        chain(&error)
    );
    assert!(error.to_string().contains("needs Linux 99.0"), "{error}");
    assert_eq!(error.kind(), Kind::Host);
    street.assert_nothing_left();

    fs::rename(
        street.yard.path("kept"),
        street.published("1", "lab.tar.zst"),
    )
    .unwrap();
    let mut request = street.request();
    request.accept_unsuitable = true;
    import(&request).unwrap();

    let street = Street::empty();
    street.publish("1", "one", |m| {
        m.requires.systemd = Some(258);
        m.requires.cgroup = Cgroup::Unified;
    });
    let unified = fs::read_to_string("/proc/self/mounts")
        .unwrap()
        .contains(" /sys/fs/cgroup cgroup2 ");
    match street.import() {
        Ok(_) => assert!(unified),
        Err(error) => {
            assert!(!unified, "{}", chain(&error));
            assert!(error.to_string().contains("systemd 258"), "{error}");
        }
    }
}

#[test]
fn a_disk_limit_where_none_can_be_set_before_the_download() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::ext4(64 << 20);
    fs::remove_file(street.published("1", "lab.tar.zst")).unwrap();
    let mut request = street.request();
    request.places.machines = pool.path().join("machines");
    request.limit = DiskLimit::Bytes(16 << 30);
    let error = import(&request).unwrap_err();
    assert!(matches!(error, ImportError::Limit(_)), "{}", chain(&error));
    assert!(error.to_string().contains("do without a limit"), "{error}");
    assert_eq!(fs::read_dir(&request.places.machines).unwrap().count(), 0);
}

#[test]
fn a_disk_that_is_too_full_before_the_download() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::ext4(4 << 20);
    fs::remove_file(street.published("1", "lab.tar.zst")).unwrap();
    let mut request = street.request();
    request.places.machines = pool.path().join("machines");
    let error = import(&request).unwrap_err();
    assert!(matches!(error, ImportError::Space(_)), "{}", chain(&error));
    assert_eq!(fs::read_dir(&request.places.machines).unwrap().count(), 0);
}

#[test]
fn a_name_that_a_disk_image_or_a_machine_elsewhere_has() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    request.force = true;
    let machines = street.places().machines;
    fs::create_dir_all(&machines).unwrap();
    fs::write(machines.join("m.raw"), "").unwrap();
    let error = import(&request).unwrap_err();
    assert!(
        matches!(error, ImportError::DiskImage { .. }),
        "{}",
        chain(&error)
    );
    fs::remove_file(machines.join("m.raw")).unwrap();

    import(&request).unwrap();
    request.places.machines = street.host.path().join("others");
    let error = import(&request).unwrap_err();
    assert!(
        matches!(error, ImportError::Elsewhere { .. }),
        "{}",
        chain(&error)
    );
}
