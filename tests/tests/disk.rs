//! Subvolumes, quota groups and limits on a real btrfs, checked with the
//! `btrfs` program where it is the one that users would look with.

use hatchery_image::Progress;
use hatchery_importer::{Machines, limit, tree};
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

const MIB: u64 = 1 << 20;

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let block = vec![0x5a; usize::try_from(MIB).unwrap()];
    for _ in 0..bytes / MIB {
        file.write_all(&block)?;
    }
    file.sync_all()
}

fn machines(pool: &Pool) -> Machines {
    Machines::open(pool.path()).unwrap()
}

#[test]
fn writing_past_the_limit_fails_and_the_neighbour_is_not_limited() {
    if !require(&[Need::Btrfs]) {
        return;
    }
    let pool = Pool::btrfs(512 * MIB);
    let machines = machines(&pool);
    let path = pool.path().join("m");
    tree::make(&path).unwrap();
    assert!(tree::is_subvolume(&path));
    limit::possible(&machines, 32 * MIB, MIB).unwrap();
    limit::set(&machines, &path, 32 * MIB, &Progress::silent()).unwrap();

    fill(&path.join("small"), 16 * MIB).unwrap();
    let error = fill(&path.join("large"), 64 * MIB).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");
    fs::remove_file(path.join("large")).unwrap();

    fill(&pool.path().join("outside"), 64 * MIB).unwrap();
}

/// `btrfs qgroup show`: each group's number and its limit in bytes.
fn groups(pool: &Path) -> Vec<(String, String)> {
    let pool = pool.to_str().unwrap();
    run(&["btrfs", "filesystem", "sync", pool]).unwrap();
    let text = run(&["btrfs", "qgroup", "show", "-r", "--raw", pool]).unwrap();
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() >= 4 && words[0].contains('/') && words[0] != "Qgroupid")
        .map(|words| (words[0].to_owned(), words[3].to_owned()))
        .collect()
}

fn subvolume_id(path: &Path) -> String {
    let text = run(&[
        "btrfs",
        "inspect-internal",
        "rootid",
        path.to_str().unwrap(),
    ])
    .unwrap();
    text.trim().to_owned()
}

#[test]
fn quota_groups_have_systemds_numbers_and_are_gone_with_the_machine() {
    if !require(&[Need::Btrfs, Need::Program("btrfs")]) {
        return;
    }
    let pool = Pool::btrfs(512 * MIB);
    let machines = machines(&pool);
    let path = pool.path().join("m");
    tree::make(&path).unwrap();
    let limited = 16 << 30;
    limit::set(&machines, &path, limited, &Progress::silent()).unwrap();

    let id = subvolume_id(&path);
    let found = groups(pool.path());
    for group in [format!("0/{id}"), format!("254/{id}")] {
        let wanted = (group, "17179869184".to_owned());
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
    assert!(found.iter().any(|(group, _)| group == "255/5"), "{found:?}");

    // As systemd-tmpfiles does inside a machine: a subvolume in it, with a
    // read-only one deeper.
    let inner = path.join("var/lib/machines");
    fs::create_dir_all(path.join("var/lib")).unwrap();
    let inner_text = inner.to_str().unwrap();
    run(&["btrfs", "subvolume", "create", inner_text]).unwrap();
    fs::create_dir(inner.join("d")).unwrap();
    let deep = inner.join("d/ro");
    run(&["btrfs", "subvolume", "create", deep.to_str().unwrap()]).unwrap();
    run(&[
        "btrfs",
        "property",
        "set",
        deep.to_str().unwrap(),
        "ro",
        "true",
    ])
    .unwrap();
    run(&["btrfs", "property", "set", inner_text, "ro", "true"]).unwrap();
    fs::write(path.join("immutable"), "").unwrap();
    let immutable = path.join("immutable");
    run(&[
        "chattr",
        "+i",
        immutable.to_str().unwrap(),
        path.to_str().unwrap(),
    ])
    .unwrap();

    tree::remove(&path).unwrap();
    assert!(!path.exists());
    let all = run(&["btrfs", "subvolume", "list", pool.path().to_str().unwrap()]).unwrap();
    assert_eq!(all, "");
    // The leaf groups go when the kernel has freed the subvolumes' space.
    let pool_text = pool.path().to_str().unwrap();
    run(&["btrfs", "filesystem", "sync", pool_text]).unwrap();
    run(&["btrfs", "subvolume", "sync", "-s", "1", pool_text]).unwrap();
    let left: Vec<_> = groups(pool.path())
        .into_iter()
        .filter(|(group, _)| !group.ends_with("/5"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_plain_tree_with_immutable_files_is_removed() {
    if !require(&[Need::Root, Need::Program("chattr")]) {
        return;
    }
    let pool = Pool::ext4(64 * MIB);
    let path = pool.path().join("m");
    tree::make(&path).unwrap();
    assert!(!tree::is_subvolume(&path));
    fs::create_dir_all(path.join("a/b")).unwrap();
    fs::write(path.join("a/b/f"), "").unwrap();
    for flagged in ["a/b/f", "a/b", "a", ""] {
        let flagged = path.join(flagged);
        run(&["chattr", "+i", flagged.to_str().unwrap()]).unwrap();
    }
    tree::remove(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_tree_in_which_something_is_mounted_is_not_emptied() {
    if !require(&[Need::Root]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    let path = dir.path().join("m");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "").unwrap();
    fs::create_dir_all(path.join("srv")).unwrap();
    let mounted = path.join("srv");
    let target = mounted.to_str().unwrap();
    run(&["mount", "--bind", outside.to_str().unwrap(), target]).unwrap();
    let result = tree::remove(&path);
    run(&["umount", target]).unwrap();
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert!(outside.join("kept").exists());
    tree::remove(&path).unwrap();
}
