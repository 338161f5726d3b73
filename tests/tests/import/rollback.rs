//! A machine that was replaced comes back, with what belonged to it.

use super::fixture::{Street, import};
use crate::wire::fixture::now;
use hatchery_image::Progress;
use hatchery_importer::{RollbackError, list, remove, rollback};
use hatchery_tests::{Need, require};
use std::fs;
use std::path::PathBuf;

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// What a host has of the machine: content, version in the record, settings.
fn state(street: &Street) -> (String, String, Option<String>) {
    let places = street.places();
    let content = fs::read_to_string(places.machines.join("m/etc/content")).unwrap();
    let listed = list(&places).unwrap();
    let record = listed
        .iter()
        .find(|m| m.name == "m")
        .unwrap()
        .record
        .clone();
    let version = record.map_or_else(String::new, |r| r.version.to_string());
    let settings = fs::read_to_string(places.settings.join("m.nspawn")).ok();
    (content, version, settings)
}

/// A street where `m` is of version 2 and was of version 1, each with a port.
fn replaced() -> Street {
    let street = Street::new();
    street.publish("2", "two", |_| ());
    for version in ["1", "2"] {
        let mut request = street.request();
        request.reference = format!("lab@{version}").parse().unwrap();
        let port = format!("tcp:808{version}:80");
        request.own_settings.ports = vec![port.parse().unwrap()];
        request.force = true;
        import(&request).unwrap();
    }
    street
}

fn hidden(street: &Street) -> Vec<PathBuf> {
    let entries = fs::read_dir(street.places().machines).unwrap().flatten();
    let mut paths: Vec<_> = entries.map(|e| e.path()).collect();
    paths.retain(|p| p.file_name().unwrap().to_str().unwrap().starts_with(".#"));
    paths
}

#[test]
fn rolling_back_twice_toggles_tree_record_and_settings() {
    if !require(&NEEDS) {
        return;
    }
    let street = replaced();
    let (places, name) = (street.places(), "m".parse().unwrap());
    let two = state(&street);
    assert_eq!((two.0.as_str(), two.1.as_str()), ("two", "2"));
    fs::write(places.machines.join("m/mine"), "").unwrap();
    let back = rollback(&name, &places, now()).unwrap();
    assert_eq!(back.version.unwrap().as_str(), "1");
    let one = state(&street);
    assert_eq!((one.0.as_str(), one.1.as_str()), ("one", "1"));
    assert!(one.2.as_ref().unwrap().contains("8081"), "{one:?}");
    assert!(!places.machines.join("m/mine").exists());
    let again = rollback(&name, &places, now()).unwrap();
    assert_eq!(again.version.unwrap().as_str(), "2");
    assert_eq!(state(&street), two);
    assert!(places.machines.join("m/mine").exists());
    assert_eq!(hidden(&street).len(), 1);
}

#[test]
fn one_generation_is_kept_and_goes_with_the_machine() {
    if !require(&NEEDS) {
        return;
    }
    let street = replaced();
    let places = street.places();
    let first = hidden(&street);
    street.publish("3", "three", |_| ());
    let mut request = street.request();
    request.force = true;
    import(&request).unwrap();
    // Settings that this one did not bring stay, and are still ours.
    let three = state(&street);
    assert_eq!((three.0.as_str(), three.1.as_str()), ("three", "3"));
    assert!(three.2.as_ref().unwrap().contains("8082"));
    let second = hidden(&street);
    assert_eq!(second.len(), 1);
    assert_ne!(second, first);
    let images = || fs::read_dir(places.state.join("images")).unwrap().count();
    assert_eq!(images(), 3);

    // What an administrator wrote since stays: neither generation brought it.
    fs::write(places.settings.join("m.nspawn"), "[Exec]\nBoot=yes\n").unwrap();
    rollback(&request.machine, &places, now()).unwrap();
    let two = state(&street);
    assert_eq!((two.0.as_str(), two.1.as_str()), ("two", "2"));
    assert_eq!(two.2.as_deref(), Some("[Exec]\nBoot=yes\n"));

    let removed = remove(&request.machine, &places, &Progress::silent()).unwrap();
    assert_eq!(removed.previous.as_ref(), second.first());
    assert!(removed.kept_settings.is_some());
    assert!(hidden(&street).is_empty());
    assert_eq!(fs::read_dir(&places.machines).unwrap().count(), 0);
    assert_eq!(
        fs::read_dir(places.state.join("previous")).unwrap().count(),
        0
    );
    assert_eq!(images(), 0);
}

#[test]
fn a_machine_that_runs_or_was_not_replaced_is_not_rolled_back() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let (places, name) = (street.places(), "m".parse().unwrap());
    street.import().unwrap();
    let error = rollback(&name, &places, now()).unwrap_err();
    assert!(matches!(error, RollbackError::NoPrevious { .. }), "{error}");
    let street = replaced();
    let places = street.places();
    let machines = hatchery_importer::Machines::open(&places.machines).unwrap();
    let lock = machines.lock(&name).unwrap();
    let error = rollback(&name, &places, now()).unwrap_err();
    assert!(matches!(error, RollbackError::Running { .. }), "{error}");
    assert_eq!(state(&street).0, "two");
    drop(lock);
    fs::remove_dir_all(&hidden(&street)[0]).unwrap();
    let error = rollback(&name, &places, now()).unwrap_err();
    assert!(matches!(error, RollbackError::Gone { .. }), "{error}");
    assert_eq!(state(&street).0, "two");
}

#[test]
fn a_machine_of_others_that_was_replaced_comes_back_without_a_record() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let (places, name) = (street.places(), "m".parse().unwrap());
    let tree = places.machines.join("m");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/content"), "others").unwrap();
    let mut request = street.request();
    request.force = true;
    import(&request).unwrap();
    let back = rollback(&name, &places, now()).unwrap();
    assert_eq!(back.version, None);
    assert_eq!(state(&street), ("others".to_owned(), String::new(), None));
    rollback(&name, &places, now()).unwrap();
    assert_eq!(state(&street), ("one".to_owned(), "1".to_owned(), None));

    // Removed by others, it comes back, too, and nothing is kept then.
    fs::remove_dir_all(&tree).unwrap();
    let back = rollback(&name, &places, now()).unwrap();
    assert_eq!(back.kept, None);
    assert_eq!(state(&street).0, "others");
    assert!(hidden(&street).is_empty());
    let error = rollback(&name, &places, now()).unwrap_err();
    assert!(matches!(error, RollbackError::NoPrevious { .. }), "{error}");
}
