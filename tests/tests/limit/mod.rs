//! Disk limits that change, pools that last, and what is said of both, on a
//! real btrfs. (ext4 and xfs need a kernel that has project quotas: see the
//! guest of the program's own tests.)

mod change;
mod pool;
mod status;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

pub(crate) const MIB: u64 = 1 << 20;

/// Writes a file, down to the disk.
pub(crate) fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let block = vec![0x5a; usize::try_from(MIB).unwrap()];
    for _ in 0..bytes / MIB {
        file.write_all(&block)?;
    }
    file.sync_all()
}

/// Asserts that a file of so many bytes is refused by a limit.
pub(crate) fn assert_full(path: &Path, bytes: u64) {
    let error = fill(path, bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded, "{error}");
    // Not even its entry may have fitted.
    let _ = std::fs::remove_file(path);
}
