//! Imports to a real btrfs: subvolume, limit, and a place that is full.

use super::fixture::{LARGE, Street, chain, import};
use crate::wire::fixture::now;
use hatchery_image::Progress;
use hatchery_importer::{DiskLimit, ImportError, ImportRequest, remove, rollback, tree};
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require};
use std::fs;
use std::io;

const NEEDS: [Need; 3] = [Need::Btrfs, Need::Program("gpg"), Need::Program("btrfs")];

const MIB: u64 = 1 << 20;

fn request(street: &Street, pool: &Pool) -> ImportRequest {
    let mut request = street.request();
    request.places.machines = pool.path().to_owned();
    request
}

fn quota_is_on(pool: &Pool) -> bool {
    run(&["btrfs", "qgroup", "show", pool.path().to_str().unwrap()]).is_ok()
}

#[test]
fn a_limit_holds_from_the_first_start_on() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::btrfs(512 * MIB);
    let mut request = request(&street, &pool);
    request.limit = DiskLimit::Bytes(64 * MIB);
    let imported = import(&request).unwrap();
    assert_eq!(imported.limit, Some(64 * MIB));
    assert!(tree::is_subvolume(&imported.path));
    fs::write(imported.path.join("small"), vec![1; MIB as usize]).unwrap();
    let large = vec![1; 80 * MIB as usize];
    let error = fs::write(imported.path.join("large"), large)
        .and_then(|()| fs::File::open(imported.path.join("large"))?.sync_all())
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");

    let name = "m".parse().unwrap();
    remove(&name, &request.places, &Progress::silent()).unwrap();
    let left: Vec<_> = fs::read_dir(pool.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn quota_is_not_switched_on_unless_asked_for() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::empty();
    street.publish("1", "one", |m| m.disk_limit = Some(64 << 20));
    let pool = Pool::btrfs(512 * MIB);
    let mut request = request(&street, &pool);
    let imported = import(&request).unwrap();
    assert_eq!(imported.limit, None);
    assert!(tree::is_subvolume(&imported.path));
    assert!(!quota_is_on(&pool));

    // Where it is on, what the image suggests costs nothing more.
    run(&["btrfs", "quota", "enable", pool.path().to_str().unwrap()]).unwrap();
    request.machine = "n".parse().unwrap();
    assert_eq!(import(&request).unwrap().limit, Some(64 * MIB));
    request.machine = "o".parse().unwrap();
    request.limit = DiskLimit::Infinity;
    assert_eq!(import(&request).unwrap().limit, None);
}

#[test]
fn a_limit_below_the_image_is_refused_before_the_download() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::btrfs(512 * MIB);
    fs::remove_file(street.published("1", "lab.tar.zst")).unwrap();
    let mut request = request(&street, &pool);
    request.limit = DiskLimit::Bytes(LARGE as u64 / 2);
    let error = import(&request).unwrap_err();
    assert!(matches!(error, ImportError::Limit(_)), "{}", chain(&error));
    assert_eq!(fs::read_dir(pool.path()).unwrap().count(), 0);
    assert!(!quota_is_on(&pool));
}

#[test]
fn a_machine_is_replaced_as_a_subvolume() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let pool = Pool::btrfs(512 * MIB);
    let mut request = request(&street, &pool);
    request.limit = DiskLimit::Bytes(64 * MIB);
    import(&request).unwrap();
    street.publish("2", "two", |_| ());
    request.force = true;
    let imported = import(&request).unwrap();
    let content = fs::read_to_string(imported.path.join("etc/content")).unwrap();
    assert_eq!(content, "two");
    let pool_text = pool.path().to_str().unwrap();
    let all = run(&["btrfs", "subvolume", "list", pool_text]).unwrap();
    assert_eq!(all.lines().count(), 2, "{all}");

    // The one before comes back with its limit, and the other keeps its own.
    let limits = || {
        let shown = run(&["btrfs", "qgroup", "show", "-r", "--raw", pool_text]).unwrap();
        shown.matches(&(64 * MIB).to_string()).count()
    };
    let before = limits();
    rollback(&request.machine, &request.places, now()).unwrap();
    let content = fs::read_to_string(imported.path.join("etc/content")).unwrap();
    assert_eq!(content, "one");
    assert!(tree::is_subvolume(&imported.path));
    assert_eq!(limits(), before);
    let error = fs::write(imported.path.join("large"), vec![1; 80 * MIB as usize])
        .and_then(|()| fs::File::open(imported.path.join("large"))?.sync_all())
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");

    remove(&request.machine, &request.places, &Progress::silent()).unwrap();
    let left: Vec<_> = fs::read_dir(pool.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
