//! Our bootstraps, judged by those that distributions have: of the same
//! packages, both must make the same tree.
//!
//! Trees are compared path by path: kind, mode, owner, content, links,
//! extended attributes, devices, and the times of what packages ship. What may
//! differ is a table for each family, which says why.

mod accounts;
mod allowed;
mod arch;
mod debian;
mod difference;
mod snapshot;

use tempfile::TempDir;

/// Memory, where a tree is made five times as fast as on a disk.
const MEMORY: &str = "/dev/shm";

/// A folder for a tree that only lives as long as its test.
fn scratch() -> TempDir {
    tempfile::tempdir_in(MEMORY)
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}
