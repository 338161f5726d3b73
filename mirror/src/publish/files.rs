//! The files of a version on their way into the store.

use super::error::{PublishError, Result, failed, in_store};
use crate::store::{DIRECTORY_MODE, FILE_MODE, Store};
use hatchery_image::Progress;
use hatchery_image::durable::{Existing, Staging};
use hatchery_image::files::ImageFiles;
use hatchery_image::progress::{Running, Stage, Unit};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Bytes that are copied between two looks at whether to go on.
const COPIED_AT_ONCE: u64 = 16 << 20;

/// Whether the version is in the store, whole and the same.
pub(super) fn is_there(directory: &Path, image: &ImageFiles) -> Result<bool> {
    match directory.symlink_metadata() {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed("look at", directory)(e)),
    }
    let present = ImageFiles::open(directory).map_err(|source| PublishError::Damaged {
        directory: directory.to_owned(),
        source,
    })?;
    // The manifest holds the digests of all the rest.
    if present.manifest_bytes() == image.manifest_bytes() {
        return Ok(true);
    }
    Err(taken(image, directory))
}

/// Copies the files into staging, checks the copy, and switches it live.
pub(super) fn place(
    store: &Store,
    image: &ImageFiles,
    directory: &Path,
    progress: &Progress,
) -> Result<()> {
    let manifest = image.manifest();
    let staging = Staging::new(store.root()).map_err(PublishError::Write)?;
    fs::set_permissions(staging.path(), Permissions::from_mode(DIRECTORY_MODE))
        .map_err(failed("set the mode of", staging.path()))?;
    let names = image.names();
    let sizes = names.iter().map(|name| size(&image.directory().join(name)));
    let total = sizes.sum::<Result<u64>>()?;
    let running = progress.begin(Stage::Publish, Some(total), Unit::Bytes);
    for name in &names {
        let (from, to) = (image.directory().join(name), staging.path().join(name));
        copy(&from, &to, &running)?;
    }
    check_copy(staging.path(), image)?;
    store
        .make_listing(&manifest.name, manifest.architecture)
        .map_err(in_store(manifest))?;
    staging
        .publish_files(directory, Existing::Keep)
        .map_err(PublishError::Write)
}

/// The copy is what is signed for, whatever happened to the original since it
/// was opened.
fn check_copy(copy: &Path, image: &ImageFiles) -> Result<()> {
    let changed = |source| PublishError::Changed {
        directory: image.directory().to_owned(),
        source,
    };
    let copied = ImageFiles::open(copy).map_err(|e| changed(Some(e)))?;
    if copied.manifest_bytes() == image.manifest_bytes() {
        Ok(())
    } else {
        Err(changed(None))
    }
}

fn size(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata();
    Ok(metadata.map_err(failed("look at", path))?.len())
}

/// Copies a file: shares its blocks where the file system can, and leaves the
/// copying to the kernel where it cannot.
fn copy(from: &Path, to: &Path, running: &Running) -> Result<()> {
    let source = File::open(from).map_err(failed("read", from))?;
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(to)
        .map_err(failed("create", to))?;
    target
        .set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(failed("set the mode of", to))?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        running.advance(size(to)?);
    } else {
        copy_bytes(&source, &target, to, running)?;
    }
    target.sync_all().map_err(failed("sync", to))
}

fn copy_bytes(source: &File, target: &File, to: &Path, running: &Running) -> Result<()> {
    loop {
        running.check().map_err(PublishError::Interrupted)?;
        let copied = io::copy(&mut source.take(COPIED_AT_ONCE), &mut &*target)
            .map_err(failed("copy a file to", to))?;
        if copied == 0 {
            return Ok(());
        }
        running.advance(copied);
    }
}

pub(super) fn taken(image: &ImageFiles, directory: &Path) -> PublishError {
    PublishError::Taken {
        name: image.manifest().name.clone(),
        version: image.manifest().version.clone(),
        directory: directory.to_owned(),
    }
}
