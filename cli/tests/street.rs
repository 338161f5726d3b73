//! A repository of one image, whose archive may be any file, and the program
//! that imports it.

use crate::hatchery::{Home, Ran, command};
use hatchery_image::archive::Packed;
use hatchery_image::manifest::{Archive, ArchiveFormat, Unpacked};
use hatchery_image::{Channel, Manifest, Progress, Sha256};
use hatchery_mirror::{Signing, Store, publish};
use hatchery_tests::lab::{key, pack_tree};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository, and a host.
pub(crate) struct Street {
    home: Home,
}

impl Street {
    /// Publishes `lab`: an image of a small tree, or of the archive at
    /// `archive` with these limits.
    pub(crate) fn new(archive: Option<(&Path, ArchiveFormat, Unpacked)>) -> Self {
        Self::edited(|manifest, image| {
            let Some((path, format, unpacked)) = &archive else {
                return;
            };
            let old = clear(manifest, image);
            let like = old.into_iter().find(|a| a.format == *format).unwrap();
            let (sha256, size) = Sha256::of_reader(File::open(path).unwrap()).unwrap();
            fs::copy(path, like.file.beneath(image)).unwrap();
            manifest.archives = vec![Archive {
                size,
                sha256,
                toc: None,
                skeleton: None,
                ..like
            }];
            manifest.unpacked = unpacked.clone();
        })
    }

    /// Publishes what was packed into a folder.
    pub(crate) fn packed(folder: &Path, packed: Packed) -> Self {
        Self::edited(|manifest, image| {
            clear(manifest, image);
            for archive in &packed.archives {
                fs::copy(archive.file.beneath(folder), archive.file.beneath(image)).unwrap();
            }
            manifest.archives = packed.archives;
            manifest.tar = packed.tar;
            manifest.unpacked = packed.unpacked;
        })
    }

    fn edited(edit: impl FnOnce(&mut Manifest, &Path)) -> Self {
        let home = Home::new();
        let at = |name: &str| home.path().join(name);
        let signer = key(&at("gnupg"), "images@example.org");
        fs::write(at("key.pgp"), signer.public_key().unwrap()).unwrap();
        fs::create_dir_all(at("rootfs/etc")).unwrap();
        fs::write(at("rootfs/etc/os-release"), "ID=lab\n").unwrap();
        symlink("etc/os-release", at("rootfs/link")).unwrap();
        let mut image = pack_tree(&at("rootfs"), &at("image"), "lab", "1", |manifest| {
            edit(manifest, &at("image"));
        });
        image.sign(&signer).unwrap();
        let store = Store::create(&at("store")).unwrap();
        let channels = BTreeSet::from([Channel::latest()]);
        let silent = Progress::silent();
        publish(&store, &image, &channels, &signer, &signing(), &silent).unwrap();
        fs::remove_dir_all(at("image")).unwrap();
        Self { home }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The machine's tree, once it is there.
    pub(crate) fn machine(&self) -> PathBuf {
        self.path("machines/m")
    }

    /// The import, ready to run.
    pub(crate) fn import(&self) -> Command {
        self.import_as("m", self.path("store").as_os_str())
    }

    /// The same under another name, or from another place.
    pub(crate) fn import_as(&self, machine: &str, mirror: &OsStr) -> Command {
        let mut command = command(self.home.path());
        command.args(["import", "lab", "--as", machine, "--key", "key.pgp"]);
        command.arg("--mirror").arg(mirror);
        command.args([
            "--machines",
            "machines",
            "--state",
            "state",
            "--config",
            "config",
        ]);
        command.args(["--nspawn", "nspawn", "--accept-unsuitable"]);
        command
    }

    pub(crate) fn imported(&self) -> Ran {
        crate::hatchery::ran(&self.import().output().unwrap())
    }
}

/// Takes the archives away.
fn clear(manifest: &mut Manifest, image: &Path) -> Vec<Archive> {
    let old = std::mem::take(&mut manifest.archives);
    for archive in &old {
        fs::remove_file(archive.file.beneath(image)).unwrap();
    }
    old
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are made by the clock"
)]
fn signing() -> Signing {
    Signing::new(jiff::Timestamp::now())
}
