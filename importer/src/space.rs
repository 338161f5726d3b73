//! Whether there is room, asked before anything is downloaded.

use std::io;
use std::path::{Path, PathBuf};

/// What a file takes beyond its data, in bytes: its inode, and half a block.
const PER_ENTRY: u64 = 2048;

/// Why it is not begun.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// The disk is too full.
    #[error(
        "not enough space in {path}: {needed} bytes are needed and {free} are free; \
         make room, or name another folder"
    )]
    Full {
        /// Where.
        path: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The file system cannot be asked.
    #[error("cannot examine {path}")]
    Examine {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Bytes that an unpacked image takes, from the length of its tar stream
/// (which has no holes) and its number of entries.
pub(crate) fn unpacked(tar: u64, entries: u64) -> u64 {
    tar.saturating_add(entries.saturating_mul(PER_ENTRY))
}

/// Whether `downloaded` bytes fit into `cache` and `unpacked` ones into
/// `machines`, which may be the same file system.
pub(crate) fn possible(
    (machines, unpacked): (&Path, u64),
    (cache, downloaded): (&Path, u64),
) -> Result<(), SpaceError> {
    let together = hatchery_image::durable::same_file_system(machines, cache);
    let mut wanted = vec![(machines, unpacked)];
    if together {
        wanted[0].1 = unpacked.saturating_add(downloaded);
    } else {
        wanted.push((cache, downloaded));
    }
    for (path, needed) in wanted {
        let free = free(path)?;
        if free < needed {
            let path = path.to_owned();
            return Err(SpaceError::Full { path, needed, free });
        }
    }
    Ok(())
}

fn free(path: &Path) -> Result<u64, SpaceError> {
    let stat = rustix::fs::statvfs(path).map_err(|errno| SpaceError::Examine {
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        possible((path, 1), (path, 1)).unwrap();
        let error = possible((path, 1), (path, u64::MAX)).unwrap_err();
        let SpaceError::Full { needed, free, .. } = error else {
            panic!("{error}");
        };
        assert!(needed > free && free > 0);
        assert!(possible((path, u64::MAX), (Path::new("/dev/shm"), 1)).is_err());
    }
}
