//! A layer from the archive that it is made of to the file that it lies in.

use super::error::{DeriveError, Result, failed};
use crate::inventory::HeldVersion;
use crate::protocols::oci::gzip::{FOLDER, Layer, file_name};
use crate::store::{FILE_MODE, Store, version_path};
use flate2::{Compression, GzBuilder};
use hatchery_image::Progress;
use hatchery_image::archive::limits::WINDOW_LOG_MAX;
use hatchery_image::digest::Hashing;
use hatchery_image::durable;
use hatchery_image::manifest::ArchiveFormat;
use hatchery_image::progress::{Running, Stage, Unit};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// gzip's own default; the layers are for clients of old, and higher levels
/// take several times as long for two percent.
const LEVEL: u32 = 6;
/// Bytes of a tar that are compressed at a time.
const PIECE: u64 = 1 << 20;

/// Makes the layer of a version, and puts it where it belongs.
pub(super) fn make(store: &Store, version: &HeldVersion, progress: &Progress) -> Result<Layer> {
    let mut archives = version.archives.iter();
    let archive = archives.find(|archive| archive.format == ArchiveFormat::TarZst);
    let archive = archive.ok_or_else(|| DeriveError::NoArchive {
        image: version.image.clone(),
        version: version.version.clone(),
    })?;
    let at = version_path(
        &version.image,
        version.architecture,
        version.version.as_str(),
    );
    let at = at.join(archive.file.as_str());
    let path = store.root().join(&at);
    let source = store.open_file(&at).map_err(failed("open", &path))?;
    let source = source.ok_or_else(|| failed("open", &path)(io::ErrorKind::NotFound.into()))?;
    let folder = store.root().join(FOLDER.iter().collect::<PathBuf>());
    let temporary = folder.join(durable::random_name());
    let layer = write(source, &path, &temporary, version, progress);
    let layer = layer.and_then(|layer| {
        let path = folder.join(file_name(layer.sha256));
        fs::rename(&temporary, &path).map_err(failed("rename a new layer to", &path))?;
        durable::sync_directory(&folder).map_err(DeriveError::Write)?;
        Ok(layer)
    });
    if layer.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    layer
}

/// Compresses an archive's tar to a new file.
fn write(
    source: File,
    from: &Path,
    to: &Path,
    version: &HeldVersion,
    progress: &Progress,
) -> Result<Layer> {
    let reading = |source| failed("decompress", from)(source);
    let mut tar = zstd::stream::read::Decoder::new(source).map_err(reading)?;
    tar.window_log_max(WINDOW_LOG_MAX).map_err(reading)?;
    // One byte more would show that it goes on.
    let mut tar = Hashing::new(tar.take(version.tar.size.saturating_add(1)));
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(FILE_MODE);
    let file = file.open(to).map_err(failed("create", to))?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(failed("set the mode of", to))?;
    let mut gzip = GzBuilder::new().write(Hashing::new(&file), Compression::new(LEVEL));
    let running = progress.begin(Stage::Pack, Some(version.tar.size), Unit::Bytes);
    while copy_piece(&mut tar, &mut gzip, from, to, &running)? {}
    let hashing = gzip.finish().map_err(failed("write", to))?;
    let (size, sha256) = (hashing.length(), hashing.finish().1);
    if (tar.length(), tar.finish().1) != (version.tar.size, version.tar.sha256) {
        return Err(DeriveError::Damaged {
            path: from.to_owned(),
        });
    }
    file.sync_all().map_err(failed("sync", to))?;
    Ok(Layer { sha256, size })
}

/// Compresses the next piece; false at the end.
fn copy_piece(
    tar: &mut impl Read,
    gzip: &mut impl Write,
    from: &Path,
    to: &Path,
    running: &Running,
) -> Result<bool> {
    running.check().map_err(DeriveError::Interrupted)?;
    let mut piece = Vec::new();
    let mut next = tar.take(PIECE);
    next.read_to_end(&mut piece)
        .map_err(failed("decompress", from))?;
    gzip.write_all(&piece).map_err(failed("write", to))?;
    running.advance(piece.len() as u64);
    Ok(!piece.is_empty())
}
