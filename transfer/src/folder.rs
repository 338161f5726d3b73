//! Files of a folder on this host.
//!
//! A file that only its owner (us, or root) may write to is used where it
//! lies, after its digest was checked through the very descriptor that is
//! handed on. Another one could change between that check and its use, so it
//! is copied into the cache instead, and what was copied is what is checked.

use crate::Request;
use crate::error::{Failure, Stop};
use crate::part::{self, BUFFER, Check, Part};
use crate::watch::{Meter, Watch};
use hatchery_image::digest::Hashing;
use hatchery_image::{RelativePath, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Opens a regular file, without waiting for the other end of a pipe, and
/// says how long it is.
pub(crate) fn open(folder: &Path, path: &RelativePath) -> Result<(File, u64), Failure> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path.beneath(folder))
        .map_err(Failure::Read)?;
    let metadata = file.metadata().map_err(Failure::Read)?;
    if !metadata.is_file() {
        return Err(Failure::NotAFile);
    }
    Ok((file, metadata.len()))
}

/// All of a small file.
pub(crate) fn read(
    folder: &Path,
    path: &RelativePath,
    request: &Request,
    watch: Watch<'_>,
) -> Result<Vec<u8>, Stop> {
    let (file, length) = open(folder, path)?;
    check_length(length, request)?;
    let most = request.most();
    let mut bytes = Vec::new();
    watch.check()?;
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(Failure::Read)?;
    if bytes.len() as u64 > most {
        return Err(Failure::TooLong(most).into());
    }
    Ok(bytes)
}

/// The end of a file, from `offset` on.
pub(crate) fn end(
    folder: &Path,
    path: &RelativePath,
    request: &Request,
    offset: u64,
    watch: Watch<'_>,
) -> Result<Vec<u8>, Stop> {
    let (mut file, length) = open(folder, path)?;
    check_length(length, request)?;
    watch.check()?;
    file.seek(io::SeekFrom::Start(offset))
        .map_err(Failure::Read)?;
    let mut bytes = Vec::new();
    file.take(length.saturating_sub(offset))
        .read_to_end(&mut bytes)
        .map_err(Failure::Read)?;
    Ok(bytes)
}

/// The file where it lies, if that is safe; otherwise nothing.
pub(crate) fn in_place(
    folder: &Path,
    path: &RelativePath,
    request: &Request,
    (expected, check): (Sha256, Check),
    meter: &mut Meter<'_>,
    watch: Watch<'_>,
) -> Result<Option<File>, Stop> {
    let (file, length) = open(folder, path)?;
    check_length(length, request)?;
    if !only_ours(&file)? {
        return Ok(None);
    }
    if check == Check::Pieces {
        return Ok(Some(file));
    }
    let mut hashing = Hashing::new(file);
    let mut buffer = vec![0; BUFFER];
    loop {
        watch.check()?;
        match hashing.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => meter.reached(hashing.length()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::Read(e).into()),
        }
    }
    let (mut file, found) = hashing.finish();
    if found != expected {
        return Err(Failure::Digest { found, expected }.into());
    }
    file.rewind().map_err(Failure::Read)?;
    Ok(Some(file))
}

/// Copies the file into the cache.
pub(crate) fn copy(
    folder: &Path,
    path: &RelativePath,
    request: &Request,
    part: &mut Part,
    meter: &mut Meter<'_>,
    watch: Watch<'_>,
) -> Result<File, Stop> {
    let (file, length) = open(folder, path)?;
    check_length(length, request)?;
    part.restart()?;
    part::copy(part, file, request.most(), watch)?;
    meter.reached(part.length());
    part.commit()
}

fn check_length(found: u64, request: &Request) -> Result<(), Failure> {
    match request.size {
        Some(expected) if expected != found => Err(Failure::Length { found, expected }),
        None if found > request.limit => Err(Failure::TooLong(request.limit)),
        _ => Ok(()),
    }
}

/// Whether nobody but us and root may write to it.
fn only_ours(file: &File) -> Result<bool, Failure> {
    let metadata = file.metadata().map_err(Failure::Read)?;
    let owner = metadata.uid();
    let ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
    Ok(ours && metadata.mode() & 0o022 == 0)
}
