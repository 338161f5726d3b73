//! A pool from its making to its removal, and its unit as systemd reads it.

use super::{MIB, assert_full, fill};
use crate::import::fixture::{Street, chain, import};
use hatchery_image::Progress;
use hatchery_importer::pool::{self, PoolError, PoolPlaces};
use hatchery_importer::{DiskLimit, remove};
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NEEDS: [Need; 2] = [Need::Btrfs, Need::Program("btrfs")];

/// A place for a pool, which is gone with it.
struct Yard {
    folder: TempDir,
    places: PoolPlaces,
}

impl Yard {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pool").tempdir().unwrap();
        let places = PoolPlaces {
            machines: folder.path().join("machines"),
            units: folder.path().join("units"),
        };
        Self { folder, places }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("machines.raw")
    }

    fn create(&self, size: u64) -> Result<pool::PoolStatus, PoolError> {
        pool::create(&self.places, &self.file(), size, &Progress::silent())
    }

    fn units(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.places.units).into_iter().flatten() {
            found.push(entry.unwrap().path());
        }
        found.sort();
        found
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let target = self.places.machines.to_string_lossy();
        let _ = run(&["umount", "--lazy", &target]);
    }
}

fn loops(file: &Path) -> String {
    run(&["losetup", "--associated", file.to_str().unwrap()]).unwrap()
}

#[test]
fn a_pool_is_made_used_grown_and_removed() {
    if !require(&[&NEEDS[..], &[Need::Program("gpg")]].concat()) {
        return;
    }
    let yard = Yard::new();
    let made = yard.create(256 * MIB).unwrap();
    assert!(made.is_mounted);
    assert_eq!(made.size, 256 * MIB);
    // Sparse: what is not written takes no space.
    assert!(made.allocated < 64 * MIB, "{made:?}");

    let street = Street::new();
    let mut request = street.request();
    request.places.machines.clone_from(&yard.places.machines);
    request.limit = DiskLimit::Bytes(64 * MIB);
    let imported = import(&request).unwrap();
    assert_full(&imported.path.join("large"), 80 * MIB);

    // A second one, or one in its place, is refused.
    let error = yard.create(256 * MIB).unwrap_err();
    assert!(matches!(error, PoolError::Exists { .. }), "{error}");
    let silent = Progress::silent();
    let error = pool::grow(&yard.places, 128 * MIB, &silent).unwrap_err();
    assert!(matches!(error, PoolError::Smaller { .. }), "{error}");
    let error = pool::remove(&yard.places).unwrap_err();
    assert!(matches!(error, PoolError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("(m)"), "{error}");

    let grown = pool::grow(&yard.places, 640 * MIB, &silent).unwrap();
    assert_eq!(grown.size, 640 * MIB);
    assert!(grown.free > made.free, "{made:?} {grown:?}");
    fill(&yard.places.machines.join("outside"), 400 * MIB).unwrap();
    fs::remove_file(yard.places.machines.join("outside")).unwrap();

    remove(&"m".parse().unwrap(), &request.places, &silent).unwrap();
    pool::remove(&yard.places).unwrap();
    assert!(!yard.file().exists());
    assert_eq!(loops(&yard.file()), "");
    assert!(matches!(
        pool::status(&yard.places),
        Err(PoolError::None { .. })
    ));
    // Nothing is left but the empty folder of links.
    for path in yard.units() {
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }
}

#[test]
fn systemd_takes_the_unit_for_good() {
    let needs = [
        Need::Program("systemd-analyze"),
        Need::Program("systemd-escape"),
    ];
    if !require(&[&NEEDS[..], &needs].concat()) {
        return;
    }
    let yard = Yard::new();
    let made = yard.create(128 * MIB).unwrap();
    let target = yard.places.machines.to_str().unwrap();
    let name = run(&["systemd-escape", "--path", "--suffix=mount", target]).unwrap();
    let file_name = made.unit.file_name().unwrap().to_str().unwrap();
    assert_eq!(file_name, name.trim());

    let unit = made.unit.to_str().unwrap();
    // Manual pages are not what is verified.
    let said = run(&["systemd-analyze", "verify", "--man=no", unit]);
    assert_eq!(said, Ok(String::new()));
    let link = yard
        .places
        .units
        .join("local-fs.target.wants")
        .join(file_name);
    assert_eq!(
        link.canonicalize().unwrap(),
        made.unit.canonicalize().unwrap()
    );

    // What the unit says is what mount(8) does with it at the next boot.
    run(&["umount", target]).unwrap();
    assert!(!pool::status(&yard.places).unwrap().is_mounted);
    let error = pool::remove(&yard.places).unwrap_err();
    assert!(matches!(error, PoolError::NotMounted { .. }), "{error}");
    let text = fs::read_to_string(&made.unit).unwrap();
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    let (what, options) = (value("What="), value("Options="));
    let kind = value("Type=");
    run(&["mount", "-t", kind, "-o", options, what, value("Where=")]).unwrap();
    assert!(pool::status(&yard.places).unwrap().is_mounted);
    pool::remove(&yard.places).unwrap();
}

#[test]
fn a_failed_pool_leaves_nothing() {
    if !require(&NEEDS) {
        return;
    }
    let yard = Yard::new();
    // A file where the folder of units should be.
    fs::write(&yard.places.units, "").unwrap();
    let error = yard.create(128 * MIB).unwrap_err();
    assert!(
        matches!(error, PoolError::Failed { .. }),
        "{}",
        chain(&error)
    );
    assert!(!yard.file().exists());
    assert_eq!(loops(&yard.file()), "");
    let names: Vec<_> = fs::read_dir(yard.folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_folder_that_limits_already_needs_no_pool() {
    if !require(&NEEDS) {
        return;
    }
    let btrfs = Pool::btrfs(128 * MIB);
    let yard = Yard::new();
    let places = PoolPlaces {
        machines: btrfs.path().to_owned(),
        ..yard.places.clone()
    };
    let silent = Progress::silent();
    let error = pool::create(&places, &yard.file(), 128 * MIB, &silent).unwrap_err();
    assert!(matches!(error, PoolError::Needless { .. }), "{error}");
    assert!(!yard.file().exists());
}
