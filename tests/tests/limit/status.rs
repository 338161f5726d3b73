//! What is said of a machine.

use super::{MIB, fill};
use crate::import::fixture::{Street, import};
use crate::wire::fixture::now;
use hatchery_image::Progress;
use hatchery_importer::limit::Kind;
use hatchery_importer::status::{Ask, State, Status, Update, status};
use hatchery_importer::{DiskLimit, ImportRequest, Machines, Repository};
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require};
use hatchery_transfer::Location;
use std::fs;

fn of_m(request: &ImportRequest, repository: Option<&Repository>) -> Status {
    let name = "m".parse().unwrap();
    let now = now();
    let ask = repository.map(|repository| Ask { repository, now });
    let silent = Progress::silent();
    let mut found = status(Some(&name), &request.places, ask, &silent).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn usage_and_limit_are_the_kernels() {
    if !require(&[Need::Btrfs, Need::Program("gpg"), Need::Program("btrfs")]) {
        return;
    }
    let street = Street::new();
    let pool = Pool::btrfs(512 * MIB);
    let mut request = street.request();
    request.places.machines = pool.path().to_owned();
    request.limit = DiskLimit::Bytes(128 * MIB);
    let path = import(&request).unwrap().path;
    let pool_text = pool.path().to_str().unwrap();
    let sync = || run(&["btrfs", "filesystem", "sync", pool_text]).unwrap();
    sync();
    let before = of_m(&request, None).disk;
    assert_eq!(before.kind, Some(Kind::Btrfs));
    assert_eq!(before.limit, Some(128 * MIB));

    fill(&path.join("large"), 48 * MIB).unwrap();
    sync();
    let after = of_m(&request, None).disk;
    let more = after.used.unwrap() - before.used.unwrap();
    assert!((48 * MIB..49 * MIB).contains(&more), "{more}");
}

#[test]
fn a_newer_image_is_told_and_an_absent_mirror_is_no_error() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let request = street.request();
    import(&request).unwrap();
    let repository = &request.repository;
    assert_eq!(of_m(&request, None).update, Update::NotAsked);
    assert_eq!(of_m(&request, Some(repository)).update, Update::Current);
    street.publish("2", "two", |_| ());
    let version = "2".parse().unwrap();
    let status = of_m(&request, Some(repository));
    assert_eq!(status.update, Update::Available { version });
    assert_eq!(status.state, State::Stopped);
    assert_eq!(status.record.unwrap().version.as_str(), "1");

    let gone = Repository {
        locations: vec![Location::parse("http://127.0.0.1:9/").unwrap()],
        ..repository.clone()
    };
    let status = of_m(&request, Some(&gone));
    let Update::Unknown { why } = &status.update else {
        panic!("{status:?}");
    };
    assert!(why.contains("127.0.0.1:9"), "{why}");
}

#[test]
fn settings_that_were_changed_are_not_called_ours() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    request.own_settings.ports = vec!["tcp:8080:80".parse().unwrap()];
    import(&request).unwrap();
    let machines = Machines::open(&request.places.machines).unwrap();
    let _lock = machines.lock(&"m".parse().unwrap()).unwrap();
    let status = of_m(&request, None);
    assert_eq!(status.state, State::InUse);
    let settings = status.settings.unwrap();
    assert!(settings.is_ours);
    assert_eq!(settings.ports, ["tcp:8080:80"]);
    fs::write(&settings.path, "[Network]\nPort=tcp:81:80\nBridge=br0\n").unwrap();
    let settings = of_m(&request, None).settings.unwrap();
    assert!(!settings.is_ours);
    assert_eq!(settings.ports, ["tcp:81:80"]);
    assert_eq!(settings.bridge.as_deref(), Some("br0"));
}
