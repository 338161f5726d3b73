//! Disk limits on ext4 and xfs, by the program itself, under a kernel of
//! Debian's that has them: a guest, because the kernels of hosts and of CI
//! often have none. It is emulated, so no hardware support is needed.

mod guest;

use crate::hatchery::{Home, run};
use guest::Guest;
use hatchery_image::{Architecture, Keyring};
use hatchery_tests::{Need, lab, need, require};
use std::fs;
use std::path::{Path, PathBuf};

/// Small files in `crumbs`: each takes a block on disk, and less than half of
/// one in the archive.
const CRUMBS: usize = 2500;

/// Where the host keeps the certificates that it trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

const NEEDS: [Need; 8] = [
    Need::Program("qemu-system-x86_64"),
    Need::Program("apt-get"),
    Need::Program("bsdtar"),
    Need::Program("mkfs.ext4"),
    Need::Program("mkfs.xfs"),
    Need::Program("strip"),
    Need::Program("gpg"),
    Need::Network,
];

#[test]
fn machines_are_limited_on_ext4_and_xfs() {
    if Architecture::host() != Some(Architecture::Amd64) {
        return need::skip("the guest runs the host's programs, and its kernel is for amd64");
    }
    if !require(&NEEDS) {
        return;
    }
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest");
    let guest = match Guest::fetch(&packages) {
        Ok(guest) => guest,
        Err(why) => return need::skip(&format!("apt here has no kernel of Debian: {why}")),
    };
    let home = Home::new();
    let (store, key) = publish(&home);
    let program = Path::new(env!("CARGO_BIN_EXE_hatchery"));
    let files = [
        (store.as_path(), "store"),
        (key.as_path(), "key.pgp"),
        // Without any there is no client, not even of a folder.
        (Path::new(CERTIFICATES), &CERTIFICATES[1..]),
    ];
    let said = guest.boot(program, include_str!("init"), &files);

    assert!(said.contains("GUEST done"), "{said}");
    assert!(!said.contains("GUEST FAILED"), "{said}");
    let passed = said.matches("GUEST ok").count();
    assert_eq!(passed, 2 * CHECKS, "{said}");
}

/// Checks on each of the two file systems.
const CHECKS: usize = 31;

/// A store with the images `lab` and `crumbs`, and the key they are signed
/// with.
fn publish(home: &Home) -> (PathBuf, PathBuf) {
    let path = home.path();
    let signer = lab::key(&path.join("gnupg"), "Guest <guest@example.org>");
    let key = path.join("key.pgp");
    let public = signer.public_key().unwrap();
    Keyring::parse(&public).unwrap();
    fs::write(&key, public).unwrap();
    let _ = lab::image(&path.join("lab"), "1", "one", &signer);
    let rootfs = path.join("rootfs");
    fs::create_dir_all(rootfs.join("etc")).unwrap();
    for crumb in 0..CRUMBS {
        fs::write(rootfs.join(format!("etc/{crumb}")), "1").unwrap();
    }
    let mut crumbs = lab::pack_tree(&rootfs, &path.join("crumbs"), "crumbs", "1", |_| ());
    crumbs.sign(&signer).unwrap();
    for image in ["lab", "crumbs"] {
        let ran = run(path, &["publish", image, "--store", "store"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    (path.join("store"), key)
}
