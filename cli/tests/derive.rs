//! Layers of gzip, as a publisher at the command line makes and removes them.

use crate::hatchery::{Home, Ran, run};
use hatchery_tests::{Need, lab, require};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What the last line of JSON says of the layers.
fn layers(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let last = ran.stdout.lines().last().unwrap();
    let result: Value = serde_json::from_str(last).unwrap();
    result["result"]["layers"].as_array().unwrap().clone()
}

fn kept(store: &Path) -> Vec<String> {
    let folder = fs::read_dir(store.join("derived/gzip")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "list").collect();
    names.sort();
    names
}

#[test]
fn layers_are_made_with_a_version_or_after_it_and_removed() {
    if !require(&[Need::Program("gpg")]) {
        return;
    }
    let home = Home::new();
    let path = home.path();
    let signer = lab::key(&path.join("gnupg"), "images@example.org");
    for (version, more) in [("1", &[][..]), ("2", &["--gzip"])] {
        drop(lab::image(&path.join(version), version, version, &signer));
        let publish = ["publish", version, "--store", "store"];
        let ran = run(path, &[&publish[..], more].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let store = path.join("store");
    assert_eq!(kept(&store).len(), 1);
    let derive = |arguments: &[&str]| {
        let derive = ["derive", "gzip", "--store", "store", "--json"];
        run(path, &[&derive[..], arguments].concat())
    };
    let made = layers(&derive(&["lab"]));
    let of = |version: &str| made.iter().find(|l| l["version"] == version).unwrap();
    assert_eq!(
        (&of("1")["made"], &of("2")["made"]),
        (&true.into(), &false.into())
    );
    let mut names: Vec<String> = made
        .iter()
        .map(|layer| format!("{}.tar.gz", layer["sha256"].as_str().unwrap()))
        .collect();
    names.sort();
    assert_eq!(kept(&store), names);
    let removed = layers(&derive(&["--remove", "lab:latest"]));
    assert_eq!((removed.len(), &removed[0]["version"]), (1, &"2".into()));
    assert_eq!(kept(&store).len(), 1);
    assert_eq!(derive(&["other"]).code, Some(8));
    assert_eq!(derive(&[]).code, Some(2));
    assert_eq!(derive(&["La b"]).code, Some(2));
    let ran = run(path, &["derive", "gzip", "--remove", "--store", "store"]);
    assert!(ran.stdout.starts_with("lab 1 amd64: removed, "), "{ran:?}");
    assert!(kept(&store).is_empty());
    assert!(layers(&derive(&["--remove"])).is_empty());
    let ran = run(path, &["derive", "gzip", "--remove", "--store", "store"]);
    assert_eq!(ran.stdout, "no layer to remove\n");
}
