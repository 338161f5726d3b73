//! Opening single files: regular ones only, and no longer than expected.

use super::ImageFilesError;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

fn open_file(path: &Path) -> Result<(File, u64), ImageFilesError> {
    let failed = |source: io::Error| ImageFilesError::Read {
        path: path.to_owned(),
        source,
    };
    // Without NONBLOCK, opening a FIFO would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::LOOP) => return Err(ImageFilesError::NotAFile(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ImageFilesError::NotAFile(path.to_owned()));
    }
    Ok((file, metadata.len()))
}

pub(super) fn open_sized(path: &Path, expected: u64) -> Result<File, ImageFilesError> {
    let (file, found) = open_file(path)?;
    if found != expected {
        let path = path.to_owned();
        return Err(ImageFilesError::Size {
            path,
            expected,
            found,
        });
    }
    Ok(file)
}

pub(super) fn read_whole(path: &Path, max: u64) -> Result<Vec<u8>, ImageFilesError> {
    let (file, _) = open_file(path)?;
    let mut bytes = Vec::new();
    let read = file.take(max + 1).read_to_end(&mut bytes);
    read.map_err(|source| ImageFilesError::Read {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > max {
        let path = path.to_owned();
        return Err(ImageFilesError::TooLarge { path, max });
    }
    Ok(bytes)
}
