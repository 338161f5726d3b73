//! Named limits: what an archive may ask of whoever reads it.

use super::ArchiveError;
use crate::manifest::Unpacked;
use std::sync::atomic::{AtomicU64, Ordering};

/// Largest uncompressed frame that is written, and so that is read with a
/// table of contents, in bytes (frames at the highest levels, and the 1 KiB
/// at the end of the tar).
pub const FRAME_MAX: u64 = (16 << 20) + 1024;

/// Largest compressed frame: what zstd makes of incompressible data.
pub const COMPRESSED_FRAME_MAX: u64 = FRAME_MAX + (FRAME_MAX >> 8) + 1024;

/// Most frames in an archive: a tar of 1 TiB at the lowest level.
pub const FRAMES_MAX: u64 = 1 << 18;

/// Most parts between holes in one file. Whoever packs leaves later holes in
/// the data, so that every archive of ours can be read.
pub const EXTENTS_MAX: usize = 10_000;

/// Largest header of one entry, with long names, extended attributes and the
/// map of its holes, in bytes. The kernel allows 64 KiB an attribute.
pub const HEAD_MAX: usize = 1 << 20;

/// Longest path or link target, in bytes (the kernel's `PATH_MAX`, less one).
pub const PATH_MAX: u32 = 4095;

/// Memory for what unpacking remembers until its end, in bytes: directories,
/// whose times come last, and hard links, which come after their files. It is
/// what an importer may take, 128 MiB, less a decoder and the program itself,
/// and suffices for some 250,000 directories.
pub const REMEMBERED_MAX: u64 = 24 << 20;

/// Bytes of table and skeleton of a tree that is listed, together: those of
/// half a million files.
pub const LISTED_MAX: u64 = 32 << 20;

/// Bytes of holes that are digested while a tree is listed: those of a sparse
/// `/var/log/lastlog` are some minutes, those of the largest file would be
/// hours.
pub const HOLES_LISTED_MAX: u64 = 64 << 30;

/// Memory for names while a tree is listed, in bytes: for those that are still
/// to come in the directories that the walk is in …
pub const NAMES_MAX: u64 = 24 << 20;
/// … and for those of files that have several names.
pub const LINKED_MAX: u64 = 16 << 20;

/// Tar bytes beyond the contents of files: so many for each entry …
const OVERHEAD_PER_ENTRY: u64 = 4096;
/// … and so many more in all.
const OVERHEAD_BASE: u64 = 64 << 20;

/// Largest zstd window, as a power of two: 64 MiB. `zstd --ultra -21` needs
/// as much; 128 MiB, of `-22` and `--long`, would be more memory than an
/// importer may take.
pub const WINDOW_LOG_MAX: u32 = 26;

/// The same of a table of contents, which is read beside all else that an
/// importer holds: 16 MiB. It is written at no level that takes more than 8,
/// or, the list of frames, with a window of its own length.
pub(super) const TABLE_WINDOW_LOG_MAX: u32 = 24;

/// Memory of an xz decoder with all its threads, in bytes. `xz -9` needs 65 MiB.
pub const XZ_MEMORY_MAX: u64 = 68 << 20;

/// What the memory allocator takes for a piece of so many bytes: glibc's adds
/// eight, and gives out multiples of 16 from 32 on.
pub(super) const fn allocated(bytes: usize) -> usize {
    let whole = (bytes + 8).next_multiple_of(16);
    if whole < 32 { 32 } else { whole }
}

/// Counts what entries make, across threads, and refuses what is too much.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Unpacked,
    entries: AtomicU64,
    bytes: AtomicU64,
    overhead: AtomicU64,
    remembered: AtomicU64,
}

impl Budget {
    pub(super) fn new(limits: &Unpacked) -> Self {
        Self {
            limits: limits.clone(),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            overhead: AtomicU64::new(0),
            remembered: AtomicU64::new(0),
        }
    }

    /// One more entry, with a file of `size` bytes (holes included).
    pub(super) fn entry(&self, path: &[u8], size: u64) -> Result<(), ArchiveError> {
        take(&self.entries, 1, self.limits.entries, path, "entries")?;
        take(&self.bytes, size, self.limits.bytes, path, "bytes of files")
    }

    /// So many bytes of headers and padding.
    pub(super) fn overhead(&self, path: &[u8], bytes: u64) -> Result<(), ArchiveError> {
        let per_entry = self.limits.entries.saturating_mul(OVERHEAD_PER_ENTRY);
        let max = OVERHEAD_BASE.saturating_add(per_entry);
        take(&self.overhead, bytes, max, path, "bytes of headers")
    }

    /// So many bytes that stay in memory until the end.
    pub(super) fn remember(&self, path: &[u8], bytes: usize) -> Result<(), ArchiveError> {
        let what = "bytes of directories and hard links";
        take(&self.remembered, bytes as u64, REMEMBERED_MAX, path, what)
    }
}

fn take(
    counter: &AtomicU64,
    by: u64,
    max: u64,
    path: &[u8],
    what: &'static str,
) -> Result<(), ArchiveError> {
    let before = counter.fetch_add(by, Ordering::Relaxed);
    match before.checked_add(by) {
        Some(sum) if sum <= max => Ok(()),
        _ => Err(ArchiveError::TooMuch {
            path: path.to_vec(),
            what,
            max,
        }),
    }
}
