//! A store with two versions of a small image that has a file of each kind,
//! and settings beside it.

use crate::hatchery::{Home, run};
use hatchery_tests::lab;
use rustix::fs::{CWD, FileType, Mode};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

/// Length of its largest file, which does not compress, in bytes.
const NOISE: usize = 96 << 10;

/// The store, and the key that signs its catalog.
pub(super) struct Repository {
    home: Home,
}

impl Repository {
    /// With `lab@1` and `lab@2`.
    pub(super) fn new() -> Self {
        let repository = Self { home: Home::new() };
        let home = repository.home.path();
        let signer = lab::key(&home.join("gnupg"), "faults <faults@localhost>");
        fs::write(repository.key(), signer.public_key().unwrap()).unwrap();
        for version in ["1", "2"] {
            let rootfs = home.join(format!("rootfs-{version}"));
            make_rootfs(&rootfs, version);
            let image = home.join(format!("image-{version}"));
            let mut files = lab::pack_tree(&rootfs, &image, "lab", version, |_| ());
            files.sign(&signer).unwrap();
            let store = repository.store();
            let publish = ["-q", "publish", image.to_str().unwrap(), "--store"];
            let ran = run(home, &[&publish[..], &[store.to_str().unwrap()]].concat());
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        repository
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.home().join("store")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.home().join("key.pgp")
    }
}

fn make_rootfs(root: &Path, version: &str) {
    for folder in ["etc/deep/er", "usr/bin", "dev", "var/empty"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/os-release"), "ID=lab\n").unwrap();
    fs::write(root.join("etc/version"), version).unwrap();
    fs::hard_link(root.join("etc/version"), root.join("etc/deep/again")).unwrap();
    chown(root.join("etc/version"), Some(1000), Some(1001)).unwrap();
    let tool = root.join("usr/bin/tool");
    fs::write(&tool, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4755)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(&tool, "user.note", b"kept", flags).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("/nowhere", root.join("etc/deep/er/dangling")).unwrap();
    let mode = Mode::from_raw_mode(0o640);
    let pipe = root.join("dev/pipe");
    rustix::fs::mknodat(CWD, pipe, FileType::Fifo, mode, 0).unwrap();
    let null = rustix::fs::makedev(1, 3);
    let device = root.join("dev/null");
    rustix::fs::mknodat(CWD, device, FileType::CharacterDevice, mode, null).unwrap();
    let mut noise = lab::noise(NOISE);
    noise.extend(version.bytes());
    fs::write(root.join("usr/noise"), noise).unwrap();
}
