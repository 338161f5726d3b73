//! Inside a machine of an image, Debian's own tools find everything in order,
//! and go on from there.

use super::desk::{Desk, NEEDS};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::Path;

/// Runs a program in the tree with the host's network, as systemd-nspawn does.
fn inside(root: &Path, argv: &[&str]) -> String {
    let nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--resolv-conf=replace-host",
        "--setenv=DEBIAN_FRONTEND=noninteractive",
        "--directory",
        root.to_str().unwrap(),
    ];
    run(&[&nspawn[..], argv].concat()).unwrap()
}

#[test]
fn dpkg_and_apt_find_all_in_order_and_install_more() {
    if !require(&NEEDS) || !require(&[Need::Nspawn]) {
        return;
    }
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let desk = Desk::new(home.path(), "\"tar.zst\"", "");
    desk.recipe(", \"apt\"", "");
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let cache = ["--cache-dir", shared.to_str().unwrap()];
    let arguments = ["build", "real.toml", "--no-sign"];
    let ran = desk.run(&[&arguments[..], &cache].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let root = desk.path("root");
    fs::create_dir(&root).unwrap();
    let archive = desk.path("images/real/real.tar.zst");
    let (archive, into) = (archive.to_str().unwrap(), root.to_str().unwrap());
    run(&["tar", "--zstd", "--xattrs", "-xf", archive, "-C", into]).unwrap();

    assert_eq!(inside(&root, &["dpkg", "--audit"]), "");
    assert_eq!(inside(&root, &["dpkg", "--verify"]), "");
    inside(&root, &["apt-get", "check"]);
    inside(&root, &["apt-get", "update"]);
    inside(&root, &["apt-get", "install", "--yes", "hello"]);
    assert_eq!(inside(&root, &["hello"]), "Hello, world!\n");
    assert_eq!(inside(&root, &["dpkg", "--audit"]), "");
}
