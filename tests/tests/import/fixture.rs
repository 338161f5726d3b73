//! A repository with a small image in it, and a host to import it to.

use crate::wire::fixture::{Yard, now, signing};
use hatchery_image::catalog::Stale;
use hatchery_image::files::ImageFiles;
use hatchery_image::settings::Nspawn;
use hatchery_image::{Architecture, Keyring, Manifest, Progress};
use hatchery_importer::{
    DiskLimit, ImportError, ImportRequest, Imported, NetworkRequest, Places, Repository,
};
use hatchery_mirror::Signing;
use hatchery_tests::lab::{noise, pack_tree};
use hatchery_transfer::Location;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The program that unpacks for the library.
const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

/// A repository on disk, and what its images are made of.
pub(crate) struct Street {
    pub(crate) yard: Yard,
    pub(crate) host: TempDir,
}

impl Street {
    /// With the image `lab@1` published.
    pub(crate) fn new() -> Self {
        let street = Self::empty();
        street.publish("1", "one", |_| ());
        street
    }

    pub(crate) fn empty() -> Self {
        Self {
            yard: Yard::new(),
            host: tempfile::tempdir().unwrap(),
        }
    }

    /// Publishes a version of `lab` whose manifest was changed by `edit`.
    pub(crate) fn publish(&self, version: &str, content: &str, edit: impl FnOnce(&mut Manifest)) {
        self.publish_at(version, content, edit, &signing());
    }

    pub(crate) fn publish_at(
        &self,
        version: &str,
        content: &str,
        edit: impl FnOnce(&mut Manifest),
        signing: &Signing,
    ) {
        let directory = self.yard.path(&format!("image-{version}"));
        self.publish_image(make(&directory, version, content, edit), signing);
    }

    /// Signs and publishes an image.
    pub(crate) fn publish_image(&self, mut image: ImageFiles, signing: &Signing) {
        let signer = &self.yard.signer;
        image.sign(signer).unwrap();
        self.yard.publish_as(&image, signer, signing).unwrap();
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.yard.path("store")
    }

    /// Where a file of a published version lies.
    pub(crate) fn published(&self, version: &str, file: &str) -> PathBuf {
        self.store()
            .join("images/lab/amd64")
            .join(version)
            .join(file)
    }

    pub(crate) fn places(&self) -> Places {
        let root = self.host.path();
        Places {
            machines: root.join("machines"),
            state: root.join("state"),
            cache: root.join("cache"),
            settings: root.join("nspawn"),
        }
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::parse(&self.yard.signer.public_key().unwrap()).unwrap()
    }

    /// To import `lab` as `m` from the folder of the store.
    pub(crate) fn request(&self) -> ImportRequest {
        ImportRequest {
            reference: "lab".parse().unwrap(),
            machine: "m".parse().unwrap(),
            architecture: Architecture::Amd64,
            repository: Repository {
                locations: vec![Location::Folder(self.store())],
                keyring: self.keyring(),
                trust: Vec::new(),
                keys: None,
                id: None,
                stale: Stale::Refuse,
            },
            places: self.places(),
            limit: DiskLimit::Suggested,
            accept_settings: false,
            own_settings: Nspawn::default(),
            network: NetworkRequest::default(),
            force: false,
            accept_unsuitable: false,
            threads: 2,
            helper: vec![HELPER.into(), "__unpack".into()],
            now: now(),
        }
    }

    pub(crate) fn import(&self) -> Result<Imported, ImportError> {
        import(&self.request())
    }

    /// Asserts that a failed import has left nothing but downloads and what
    /// was seen of the repository.
    pub(crate) fn assert_nothing_left(&self) {
        let places = self.places();
        for folder in [
            &places.machines,
            &places.settings,
            &places.state.join("machines"),
        ] {
            let left: Vec<_> = fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

pub(crate) fn import(request: &ImportRequest) -> Result<Imported, ImportError> {
    hatchery_importer::import(request, &Progress::silent())
}

/// All causes of an error, as `cli/` prints them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// A small image as `build` leaves it, unsigned.
fn make(
    directory: &Path,
    version: &str,
    content: &str,
    edit: impl FnOnce(&mut Manifest),
) -> ImageFiles {
    let rootfs = directory.with_extension("rootfs");
    make_rootfs(&rootfs, content);
    pack_tree(&rootfs, directory, "lab", version, edit)
}

/// Length of the largest file, in bytes.
pub(crate) const LARGE: usize = 4 << 20;

fn make_rootfs(root: &Path, content: &str) {
    for folder in ["etc", "usr/bin", "var/empty"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/content"), content).unwrap();
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        root.join("usr/bin/tool"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    chown(root.join("etc/content"), Some(1000), Some(1001)).unwrap();
    fs::hard_link(root.join("etc/content"), root.join("etc/again")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    xattr::set(root.join("usr/bin/tool"), "user.note", b"kept").unwrap();
    fs::write(root.join("usr/noise"), noise(LARGE)).unwrap();
}
