//! What of a file is in memory, so that it can be had without waiting for the
//! disk in a thread that serves other connections, too.
//!
//! The kernel says so where a file system knows how (`RWF_NOWAIT`: Linux 4.14,
//! ext4, xfs, btrfs); a tmpfs has nothing else than memory. Anything else, NFS
//! among it, is read by a thread that may wait. What was in memory a moment ago
//! may have been dropped since; then whoever believed it waits.

use crate::ranges::Span;
use linux_raw_sys::general::TMPFS_MAGIC;
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::IoSliceMut;

/// How far apart the bytes are that are looked at: the kernel reads ahead at
/// least that many, unless it is told otherwise.
const STEP: usize = 32 << 10;

/// Whether a span of a file is in memory, as far as a few bytes of it tell. They
/// are chosen at random, so that nobody can have just those read before.
pub(crate) fn holds(file: &File, span: Span) -> bool {
    let Some(last) = span.length.checked_sub(1) else {
        return true;
    };
    let random = RandomState::new();
    let looks = (0..=last).step_by(STEP).map(|at| {
        let width = (last - at + 1).min(STEP as u64);
        at + random.hash_one(at) % width
    });
    for at in looks.chain([last]) {
        let mut byte = [0];
        match read_now(file, &mut byte, span.offset + at) {
            Ok(1) => {}
            Err(Errno::OPNOTSUPP) => return is_on_tmpfs(file),
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

fn read_now(file: &File, buffer: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    let mut buffers = [IoSliceMut::new(buffer)];
    rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT)
}

fn is_on_tmpfs(file: &File) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type as u64 == u64::from(TMPFS_MAGIC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn span(offset: u64, length: u64) -> Span {
        Span { offset, length }
    }

    #[test]
    fn what_was_just_written_is_in_memory_and_what_is_not_there_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 300_000]).unwrap();
        assert!(holds(&file, span(0, 300_000)));
        assert!(holds(&file, span(7, 0)));
        if !is_on_tmpfs(&file) {
            assert!(!holds(&file, span(0, 300_001)));
        }
    }

    #[test]
    fn a_tmpfs_is_memory() {
        let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
        file.write_all(&[7; 100]).unwrap();
        assert!(holds(&file, span(0, 100)));
    }
}
