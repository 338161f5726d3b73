//! A tree that is kept of a machine while somebody uses it, and what is
//! remembered of its image.

use super::NEEDS;
use super::host::{Host, Wish};
use super::repository::Repository;
use hatchery_tests::{Pool, require};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};

const WISH: Wish = Wish {
    limit: false,
    settings: false,
};

/// Paths that were, or would be, removed, and those that were spared.
fn collect(host: &Host<'_>, more: &[&str]) -> [BTreeSet<String>; 2] {
    let ran = host.run(&host.gc(&[&["--json"], more].concat()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let collected = last.get("result").unwrap_or(&last);
    ["removed", "spared"].map(|list| {
        let list = collected[list].as_array().unwrap().iter();
        list.map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    })
}

#[test]
fn a_dry_run_names_what_a_real_one_removes_also_while_a_kept_tree_is_in_use() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let host = Host::new(&repository, memory.path(), WISH);
    host.succeed(&host.import("1", false));
    host.succeed(&host.import("2", true));
    let names = fs::read_dir(host.path("machines")).unwrap().flatten();
    let kept = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .find(|name| name.contains(".previous-"))
        .unwrap();
    // As systemd-nspawn holds it that has booted it.
    let beside = host.path(&format!("machines/.#{kept}.lck"));
    let lock = File::create(&beside).unwrap();
    fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let would = collect(&host, &["--dry-run"]);
    let done = collect(&host, &[]);
    assert_eq!(would, done);
    let tree = host.path(&format!("machines/{kept}"));
    let spared = BTreeSet::from([tree.display().to_string()]);
    assert_eq!(done, [BTreeSet::new(), spared]);
    assert!(tree.exists());
    // Its image is still remembered.
    let images = || fs::read_dir(host.path("state/images")).unwrap().count();
    assert_eq!(images(), 2);

    drop(lock);
    fs::remove_file(beside).unwrap();
    let would = collect(&host, &["--dry-run"]);
    assert_eq!((would[0].len(), images()), (2, 2), "{would:?}");
    assert_eq!(would, collect(&host, &[]));
    assert_eq!(images(), 1);
    assert!(!tree.exists());
    host.succeed(&host.arguments(&["verify", "m"]));
}
