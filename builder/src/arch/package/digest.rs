//! Digests of files that are kept when a package is upgraded, as pacman's
//! database has them.

use crate::beneath;
use hatchery_image::place::Root;
use md5::{Digest as _, Md5};
use rustix::fs::OFlags;
use std::io::{self, ErrorKind, Read as _};

/// Largest file of those that are kept when a package is upgraded, in bytes:
/// they are settings. A hole takes no space, but as long to digest.
pub(super) const BACKUP_MAX: u64 = 1 << 30;

/// Bytes that are read at a time.
const READ: usize = 128 << 10;

/// The MD5 of a regular file; nothing for anything else.
pub(in crate::arch) fn md5_of(root: &Root, path: &[u8]) -> io::Result<Option<String>> {
    let Some(mut file) = beneath::open_file(root, path, OFlags::NOFOLLOW)? else {
        return Ok(None);
    };
    if file.metadata()?.len() > BACKUP_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut md5 = Md5::new();
    let mut buffer = vec![0; READ];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => md5.update(&buffer[..n]),
        }
    }
    let digits = md5.finalize();
    Ok(Some(digits.iter().map(|b| format!("{b:02x}")).collect()))
}
