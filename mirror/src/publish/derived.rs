//! What is derived from a version once, because making it reads the archive:
//! the fingerprint by which incus knows it (see `protocols::streams::sums`).
//!
//! It is written before the catalog that lists the version, so that a server
//! has it when it sees the version; publishing again writes one that is missing.

use super::error::{PublishError, Result, failed, in_store};
use crate::inventory::HeldVersion;
use crate::protocols::streams::{self, Subject, sums};
use crate::store::{FILE_MODE, Store};
use hatchery_image::durable;
use hatchery_image::files::ImageFiles;
use hatchery_image::{Progress, Sha256};
use std::fs::{self, File};
use std::path::Path;

/// Makes what is missing of a version, whose files are in `directory`.
pub(super) fn derive(
    store: &Store,
    image: &ImageFiles,
    version: &HeldVersion,
    directory: &Path,
    progress: &Progress,
) -> Result<()> {
    let Some(archive) = streams::root(version) else {
        return Ok(());
    };
    let path = directory.join(archive.file.as_str());
    let metadata = Subject::of(version).metadata();
    let metadata = metadata.map_err(failed("make the metadata for incus of", directory))?;
    let parts = sums::Parts {
        metadata: metadata.sha256,
        archive: archive.sha256,
    };
    if parts.kept(store).is_some() {
        return Ok(());
    }
    let go_on = || progress.check().is_ok();
    let fingerprint = File::open(&path)
        .and_then(|file| sums::compute(&metadata.bytes, &file, archive.size, go_on))
        .map_err(failed("read", &path))?;
    let Some(fingerprint) = fingerprint else {
        return progress.check().map_err(PublishError::Interrupted);
    };
    keep(store, image, &parts, fingerprint)
}

fn keep(store: &Store, image: &ImageFiles, parts: &sums::Parts, fingerprint: Sha256) -> Result<()> {
    let folder = store
        .make_folder(&sums::FOLDER)
        .map_err(in_store(image.manifest()))?;
    // Of writers that were killed; the store's lock is held.
    durable::sweep(&folder, |path| fs::remove_file(path)).map_err(PublishError::Write)?;
    let path = folder.join(parts.file_name());
    let content = sums::file_content(fingerprint);
    durable::write(&path, &content, FILE_MODE).map_err(PublishError::Write)
}
