//! Our tree, judged by the pacman that is in it, which is newer than the
//! host's may be.

use super::fixture::{Ours, install, request};
use super::{NEEDS, shipped};
use crate::boot::boot;
use hatchery_importer::check::Outcome;
use hatchery_tests::inside::Inside;
use hatchery_tests::pacstrap::Pacstrap;
use hatchery_tests::pocket::Pocket;
use hatchery_tests::{Need, require, tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the machine installs anew, beneath its root.
const FRESH: &str = "srv/fresh";

/// pacman's local database.
const LOCAL: &str = "var/lib/pacman/local";

fn pocket() -> Pocket {
    Pocket::repository(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pocket"))
}

fn ours(pocket: &Pocket, packages: &[&str]) -> Ours {
    install(&request(&Pacstrap::of(pocket), packages)).unwrap()
}

fn can_run() -> bool {
    require(&NEEDS) && require(&[Need::Nspawn])
}

/// Everything that can be installed together: what has all that matters, and
/// by name what that does not need.
fn everything(pocket: &Pocket, needed: &Ours) -> Vec<String> {
    let is_needed = |name: &str| needed.plan.packages.iter().any(|p| p.name.as_str() == name);
    let all = pocket.packages().into_keys();
    // In conflict with pocket-init-a, which comes first.
    let others = all.filter(|name| !is_needed(name) && name != "pocket-init-b");
    let mut names = Pocket::PACKAGES.map(str::to_owned).to_vec();
    names.extend(others);
    names
}

/// Every file of a tree's local database, without the dates.
fn database(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![PathBuf::from(LOCAL)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(entry.path()).unwrap();
                let text = shipped::without_install_date(&path, text);
                files.insert(path, text);
            }
        }
    }
    files
}

#[test]
fn the_local_database_is_the_one_that_the_pacman_inside_writes() {
    if !can_run() {
        return;
    }
    let pocket = pocket();
    let needed = ours(&pocket, &Pocket::PACKAGES);
    let names = everything(&pocket, &needed);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();

    let inside = Inside::new(&needed.root, &pocket);
    drop(needed);
    let fresh = inside.root().join(FRESH);
    fs::create_dir_all(fresh.join("var/lib/pacman")).unwrap();
    let root = format!("--root=/{FRESH}");
    inside
        .pacman(&[&[root.as_str(), "-Sy"], &names[..]].concat())
        .unwrap();

    let theirs = database(&fresh);
    let ours = database(&ours(&pocket, &names).root);
    let (found, expected): (Vec<_>, Vec<_>) = (ours.keys().collect(), theirs.keys().collect());
    assert_eq!(found, expected);
    assert!(found.len() > 300, "{}", found.len());
    for (path, text) in &ours {
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        assert_eq!(shown(text), shown(&theirs[path]), "{}", path.display());
        assert!(*text == theirs[path], "{}", path.display());
    }
    // All that there is to compare does occur.
    let all: Vec<u8> = theirs.into_values().flatten().collect();
    let all = String::from_utf8_lossy(&all);
    for heading in [
        "BASE",
        "GROUPS",
        "LICENSE",
        "REASON",
        "REPLACES",
        "OPTDEPENDS",
        "CONFLICTS",
        "PROVIDES",
        "XDATA",
        "BACKUP",
    ] {
        assert!(all.contains(&format!("%{heading}%\n")), "{heading}");
    }
}

#[test]
fn pacman_in_our_tree_finds_nothing_wrong_and_installs_more() {
    if !can_run() {
        return;
    }
    let pocket = pocket();
    let tree = ours(&pocket, &Pocket::PACKAGES);
    let inside = Inside::new(&tree.root, &pocket);
    inside.assert_sound();
    inside.assert_installs_more();
    inside.assert_sound();
}

#[test]
fn our_tree_boots() {
    if !can_run() {
        return;
    }
    let tree = ours(&pocket(), &Pocket::PACKAGES);
    tree::configure(&tree.root);
    let report = boot(&tree.root);
    assert!(report.passed(), "{report:#?}");
    let passed = |c: &hatchery_importer::check::Check| c.outcome == Outcome::Passed;
    assert!(report.checks.iter().all(passed), "{report:#?}");
}
