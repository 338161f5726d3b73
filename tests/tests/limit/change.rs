//! Limits of machines that are there, and the groups that others leave.

use super::{MIB, assert_full, fill};
use crate::import::fixture::{Street, import};
use hatchery_image::Progress;
use hatchery_importer::limit::{self, LimitError, Through, change, change_pool};
use hatchery_importer::{DiskLimit, Machines, Places, tree};
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require};
use std::fs;

const NEEDS: [Need; 3] = [Need::Btrfs, Need::Program("gpg"), Need::Program("btrfs")];

fn limit_to(bytes: Option<u64>, places: &Places) -> Result<limit::Changed, LimitError> {
    let name = "m".parse().unwrap();
    change(&name, bytes, false, places, &Progress::silent())
}

#[test]
fn a_larger_limit_helps_at_once_and_none_is_none() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::btrfs(512 * MIB);
    let mut request = street.request();
    request.places.machines = pool.path().to_owned();
    request.limit = DiskLimit::Bytes(32 * MIB);
    let path = import(&request).unwrap().path;
    let places = &request.places;
    assert_full(&path.join("large"), 48 * MIB);

    let changed = limit_to(Some(64 * MIB), places).unwrap();
    assert_eq!(changed.before, Some(32 * MIB));
    assert_eq!(changed.limit, Some(64 * MIB));
    assert_eq!(changed.through, Through::Kernel);
    fill(&path.join("large"), 48 * MIB).unwrap();
    let recorded = || {
        let found = places.records().find(&"m".parse().unwrap());
        found.unwrap().unwrap().limit
    };
    assert_eq!(recorded(), Some(64 * MIB));

    // Both numbers are said, and nothing is changed.
    let error = limit_to(Some(40 * MIB), places).unwrap_err();
    let LimitError::BelowUse { used, limit, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(limit, 40 * MIB);
    assert!((48 * MIB..60 * MIB).contains(&used), "{used}");
    assert_eq!(recorded(), Some(64 * MIB));

    let name = "m".parse().unwrap();
    let forced = change(&name, Some(40 * MIB), true, places, &Progress::silent()).unwrap();
    assert_eq!(forced.limit, Some(40 * MIB));
    assert_full(&path.join("more"), 4 * MIB);

    assert_eq!(limit_to(None, places).unwrap().limit, None);
    assert_eq!(recorded(), None);
    fill(&path.join("more"), 100 * MIB).unwrap();
}

#[test]
fn a_limit_that_others_have_set_is_seen() {
    if !require(&NEEDS) {
        return;
    }
    let pool = Pool::btrfs(256 * MIB);
    let machines = Machines::open(pool.path()).unwrap();
    let path = pool.path().join("m");
    tree::make(&path).unwrap();
    limit::set(&machines, &path, 32 * MIB, &Progress::silent()).unwrap();
    let id = run(&[
        "btrfs",
        "inspect-internal",
        "rootid",
        path.to_str().unwrap(),
    ])
    .unwrap();
    let group = format!("254/{}", id.trim());
    let pool_text = pool.path().to_str().unwrap();
    run(&["btrfs", "qgroup", "limit", "48M", &group, pool_text]).unwrap();
    let seen = limit::read(&machines, &path).unwrap();
    assert_eq!(seen.limit, Some(48 * MIB));
}

#[test]
fn all_machines_together_are_limited_too() {
    if !require(&NEEDS) {
        return;
    }
    let pool = Pool::btrfs(512 * MIB);
    let places = Places {
        machines: pool.path().to_owned(),
        state: pool.path().join(".state"),
        ..Places::default()
    };
    let machines = Machines::open(pool.path()).unwrap();
    let silent = Progress::silent();
    let changed = change_pool(Some(64 * MIB), false, &places, &silent).unwrap();
    assert_eq!((changed.before, changed.limit), (None, Some(64 * MIB)));
    for name in ["a", "b"] {
        let path = pool.path().join(name);
        tree::make(&path).unwrap();
        limit::set(&machines, &path, 48 * MIB, &silent).unwrap();
    }
    fill(&pool.path().join("a/large"), 40 * MIB).unwrap();
    assert_full(&pool.path().join("b/large"), 40 * MIB);
    change_pool(None, false, &places, &silent).unwrap();
    fill(&pool.path().join("b/large"), 40 * MIB).unwrap();

    // A folder of a btrfs is not limited as a whole.
    let places = Places {
        machines: pool.path().join("folder"),
        ..places
    };
    let error = change_pool(Some(MIB), false, &places, &silent).unwrap_err();
    assert!(matches!(error, LimitError::NoPool { .. }), "{error}");
}

#[test]
fn an_ordinary_folder_is_refused_with_a_way_out() {
    if !require(&NEEDS) {
        return;
    }
    let pool = Pool::btrfs(256 * MIB);
    let places = Places {
        machines: pool.path().to_owned(),
        state: pool.path().join(".state"),
        ..Places::default()
    };
    fs::create_dir(pool.path().join("m")).unwrap();
    let error = limit_to(Some(64 * MIB), &places).unwrap_err();
    assert!(matches!(error, LimitError::NotCounted { .. }), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
}

#[test]
fn groups_that_others_left_go_and_those_that_somebody_made_stay() {
    if !require(&NEEDS) {
        return;
    }
    let pool = Pool::btrfs(256 * MIB);
    let pool_text = pool.path().to_str().unwrap();
    let machines = Machines::open(pool.path()).unwrap();
    let path = pool.path().join("m");
    let silent = Progress::silent();
    tree::make(&path).unwrap();
    limit::set(&machines, &path, 32 * MIB, &silent).unwrap();
    let id = run(&[
        "btrfs",
        "inspect-internal",
        "rootid",
        path.to_str().unwrap(),
    ])
    .unwrap();
    let id = id.trim();
    // As somebody removes a machine who knows nothing of its groups.
    run(&[
        "btrfs",
        "subvolume",
        "delete",
        "--commit-after",
        path.to_str().unwrap(),
    ])
    .unwrap();
    run(&["btrfs", "subvolume", "sync", "-s", "1", pool_text]).unwrap();
    // Somebody's own.
    run(&["btrfs", "qgroup", "create", "1/100", pool_text]).unwrap();
    let before = run(&["btrfs", "qgroup", "show", pool_text]).unwrap();
    assert!(before.contains(&format!("254/{id}")), "{before}");

    let other = pool.path().join("n");
    tree::make(&other).unwrap();
    limit::set(&machines, &other, 32 * MIB, &silent).unwrap();
    run(&["btrfs", "filesystem", "sync", pool_text]).unwrap();
    let after = run(&["btrfs", "qgroup", "show", pool_text]).unwrap();
    assert!(!after.contains(&format!("/{id} ")), "{before}{after}");
    assert!(after.contains("1/100"), "{after}");
    assert_full(&other.join("large"), 48 * MIB);
}
