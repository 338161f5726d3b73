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

pub(crate) struct Yard {
    pub(crate) folder: TempDir,
    pub(crate) signer: Signer,
}

impl Yard {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = lab::key(&folder.path().join("keys"), "images@example.org");
        Self { folder, signer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> Store {
        Store::create(&self.path("store")).unwrap()
    }

    pub(crate) fn image(&self, version: &str, content: &str) -> ImageFiles {
        self.image_by(&self.signer, version, content)
    }

    pub(crate) fn image_by(&self, signer: &Signer, version: &str, content: &str) -> ImageFiles {
        let directory = self.path(&format!("{version}-{content}"));
        lab::image(&directory, version, content, signer)
    }

    pub(crate) fn publish(&self, image: &ImageFiles) -> Result<Published, PublishError> {
        self.publish_as(image, &self.signer, &signing())
    }

    pub(crate) fn publish_as(
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
pub(crate) fn signing() -> Signing {
    Signing::new(now())
}

#[expect(
    clippy::disallowed_methods,
    reason = "signatures are made by the clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
