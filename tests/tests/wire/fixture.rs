//! Keys, images and a store in a temporary folder.

use hatchery_image::files::ImageFiles;
use hatchery_image::signer::Signer;
use hatchery_image::{Channel, Progress};
use hatchery_mirror::{PublishError, Published, Signing, Store, publish};
use hatchery_tests::lab;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tempfile::TempDir;

pub(super) struct Yard {
    pub(super) folder: TempDir,
    pub(super) signer: Signer,
}

impl Yard {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = lab::key(&folder.path().join("keys"), "images@example.org");
        Self { folder, signer }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn store(&self) -> Store {
        Store::create(&self.path("store")).unwrap()
    }

    pub(super) fn image(&self, version: &str, content: &str) -> ImageFiles {
        self.image_by(&self.signer, version, content)
    }

    pub(super) fn image_by(&self, signer: &Signer, version: &str, content: &str) -> ImageFiles {
        let directory = self.path(&format!("{version}-{content}"));
        lab::image(&directory, version, content, signer)
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
        let silent = Progress::silent();
        publish(&self.store(), image, &channels, signer, signing, &silent)
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.signer.stop_agent();
    }
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
