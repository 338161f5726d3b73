//! A small image, keys to sign it with, and a store to publish it in.

use hatchery_image::files::{ImageFiles, file_name};
use hatchery_image::manifest::{
    Archive, ArchiveFormat, Distribution, FORMAT, File, FileRole, Manifest, Requires, Tar, Tool,
    Unpacked,
};
use hatchery_image::signer::{Home, Protection, Signer};
use hatchery_image::{Architecture, Channel, Progress, Sha256};
use hatchery_mirror::{PublishError, Published, Signing, Store, publish};
use hatchery_tests::run;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Length of the largest file in the image.
pub(super) const NOISE: usize = 256 << 10;

/// A temporary folder with keys, images and a store.
pub(super) struct Yard {
    pub(super) folder: TempDir,
    pub(super) signer: Signer,
}

impl Yard {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = key(&folder.path().join("keys"), "images@example.org");
        Self { folder, signer }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn store(&self) -> Store {
        Store::create(&self.path("store")).unwrap()
    }

    /// A signed image of the name `lab`, whose one large file starts with
    /// `content`.
    pub(super) fn image(&self, version: &str, content: &str) -> ImageFiles {
        self.image_by(&self.signer, version, content)
    }

    pub(super) fn image_by(&self, signer: &Signer, version: &str, content: &str) -> ImageFiles {
        let directory = self.path(&format!("{version}-{content}"));
        let mut image = make(&directory, version, content);
        image.sign(signer).unwrap();
        image
    }

    pub(super) fn publish(&self, image: &ImageFiles) -> Result<Published, PublishError> {
        self.publish_as(image, &self.signer, &signing())
    }

    pub(super) fn publish_as(
        &self,
        image: &ImageFiles,
        signer: &Signer,
        signing: &Signing,
    ) -> Result<Published, PublishError> {
        let channels = BTreeSet::from([Channel::latest()]);
        publish(
            &self.store(),
            image,
            &channels,
            signer,
            signing,
            &Progress::silent(),
        )
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.signer.stop_agent();
    }
}

/// A new key in a home of its own.
pub(super) fn key(home: &Path, user_id: &str) -> Signer {
    let home = Home::create(home).unwrap();
    home.new_key(user_id, Protection::None, None).unwrap();
    Signer::find(home.path(), None).unwrap()
}

/// Signing at this moment: GnuPG looks at the same clock.
pub(super) fn signing() -> Signing {
    Signing::new(now())
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are made by the clock"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// An image as `build` leaves it, unsigned.
fn make(directory: &Path, version: &str, content: &str) -> ImageFiles {
    let rootfs = directory.with_extension("rootfs");
    make_rootfs(&rootfs, content);
    fs::create_dir(directory).unwrap();
    let base = directory.join("lab");
    let script = "tar --sort=name --mtime=@0 --numeric-owner --xattrs -C \"$0\" -cf \"$1.tar\" . \
                  && xz -0 --keep \"$1.tar\"";
    let (rootfs, base) = (rootfs.to_str().unwrap(), base.to_str().unwrap());
    run::run(&["sh", "-c", script, rootfs, base]).unwrap();
    let tar = fs::read(format!("{base}.tar")).unwrap();
    fs::remove_file(format!("{base}.tar")).unwrap();
    let archive = fs::read(format!("{base}.tar.xz")).unwrap();
    let nspawn = b"[Exec]\nBoot=yes\n";
    let name = "lab".parse().unwrap();
    let nspawn_name = file_name(&name, FileRole::Nspawn);
    fs::write(directory.join(&nspawn_name), nspawn).unwrap();
    let manifest = Manifest {
        format: FORMAT,
        name,
        version: version.parse().unwrap(),
        architecture: Architecture::Amd64,
        distribution: Distribution {
            id: "none".into(),
            release: "0".into(),
        },
        source_date_epoch: 0,
        tool: Tool {
            name: "hatchery".into(),
            version: "0".into(),
        },
        recipe: Sha256::of(b"recipe"),
        lock: Sha256::of(b"lock"),
        tar: Tar {
            size: tar.len() as u64,
            sha256: Sha256::of(&tar),
        },
        archives: vec![Archive {
            file: "lab.tar.xz".parse().unwrap(),
            format: ArchiveFormat::TarXz,
            size: archive.len() as u64,
            sha256: Sha256::of(&archive),
            toc: None,
            skeleton: None,
        }],
        files: vec![File {
            file: nspawn_name.parse().unwrap(),
            role: FileRole::Nspawn,
            size: nspawn.len() as u64,
            sha256: Sha256::of(nspawn),
        }],
        unpacked: Unpacked {
            bytes: NOISE as u64 + 100,
            entries: 10,
        },
        disk_limit: None,
        requires: Requires::default(),
        packages: Vec::new(),
    };
    ImageFiles::write(directory, manifest, None).unwrap()
}

/// What a stock client accepts as a tree, and can be compared afterwards.
fn make_rootfs(root: &Path, content: &str) {
    for folder in ["etc", "usr/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/os-release"), "ID=lab\n").unwrap();
    fs::write(root.join("etc/content"), content).unwrap();
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(root.join("usr/bin/tool"), mode).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(NOISE + 8);
    while noise.len() < NOISE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    fs::write(root.join("usr/noise"), noise).unwrap();
}
