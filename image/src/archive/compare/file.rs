//! A regular file of the tree, opened so that nothing else can be in its
//! place: first without reading (which disturbs no device and no FIFO that
//! somebody has put there meanwhile), then through that handle.

use super::super::ArchiveError;
use super::super::walk::Walk;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::os::fd::AsRawFd as _;

/// Opens what the walk has found last; none if it is no regular file now.
pub(super) fn open(walk: &Walk) -> Result<Option<(File, Stat)>, ArchiveError> {
    let handle = walk.open_handle()?;
    let fail = |doing| ArchiveError::reading(doing, walk.path());
    let stat = rustix::fs::fstat(&handle).map_err(fail("examine"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let named = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = rustix::fs::openat(CWD, named, flags, Mode::empty()).map_err(fail("open"))?;
    Ok(Some((file.into(), stat)))
}
