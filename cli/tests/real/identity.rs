//! An image holds nothing that marks one machine or the host that built it,
//! and each machine of it becomes one of its own.

use super::desk::{Desk, NEEDS};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::Path;

/// Names that mark a machine, as find(1) looks for them.
const MARKS: [&str; 10] = [
    "ssh_host_*",
    "random-seed",
    "credential.secret",
    "*.dpkg-new",
    "policy-rc.d",
    ".bash_history",
    ".post-install",
    "*.deb",
    "*.REAL",
    "aux-cache",
];

fn find(root: &Path, arguments: &[&str]) -> String {
    run(&[&["find", root.to_str().unwrap()], arguments].concat()).unwrap()
}

#[test]
fn an_image_has_no_identity_and_its_machines_get_one_each() {
    if !require(&NEEDS) || !require(&[Need::Nspawn]) {
        return;
    }
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let desk = Desk::new(home.path(), "\"tar.zst\"", "");
    // openssh-server's own script makes host keys.
    desk.recipe(", \"openssh-server\"", "");
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let cache = ["--cache-dir", shared.to_str().unwrap()];
    let arguments = ["build", "real.toml", "--no-sign"];
    let ran = desk.run(&[&arguments[..], &cache].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let root = desk.path("root");
    fs::create_dir(&root).unwrap();
    let archive = desk.path("images/real/real.tar.zst");
    let (archive, into) = (archive.to_str().unwrap(), root.to_str().unwrap());
    run(&["tar", "--zstd", "-xf", archive, "-C", into]).unwrap();
    assert_eq!(fs::read(root.join("etc/machine-id")).unwrap(), b"");
    assert!(root.join("etc/ssh/sshd_config").exists());
    for mark in MARKS {
        assert_eq!(find(&root, &["-name", mark]), "", "{mark}");
    }
    for folder in [
        "var/lib/apt/lists",
        "var/cache/apt/archives",
        "tmp",
        "var/tmp",
        "run",
    ] {
        let folder = root.join(folder);
        if folder.exists() {
            assert_eq!(find(&folder, &["-type", "f"]), "");
        }
    }
    assert_eq!(
        find(&root.join("var/log"), &["-type", "f", "-size", "+0"]),
        ""
    );
    let link = fs::read_link(root.join("etc/resolv.conf")).unwrap();
    assert!(link.ends_with("stub-resolv.conf"), "{link:?}");
    for trace in [&shared, home.path()] {
        let trace = trace.to_str().unwrap();
        let found = run(&["grep", "-rlF", trace, into]);
        assert!(found.is_err(), "{trace} is in {found:?}");
    }

    let ids = [(); 2].map(|()| machine_id(&desk));
    assert_ne!(ids[0], ids[1]);
}

/// The id of a machine that is booted from the image.
fn machine_id(desk: &Desk) -> String {
    let ran = desk.run(&["check", "images/real"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line = ran.stdout.lines().find(|l| l.contains("machine-id is set"));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}
