//! A tree compared with the archive that it was unpacked from: what is
//! missing, what was added, and what of each entry is another.
//!
//! One walk through the tree beside one pass over the listing, both in the
//! order of the archive, so that memory depends on the differences and not on
//! the tree. Files are digested by several threads. The tree may be anybody's
//! and may be in use: no link is followed, no mount entered, nothing but
//! regular files and directories is opened, and what vanishes meanwhile
//! counts as missing. Nothing is changed.
//!
//! systemd-nspawn can give a tree the user ids of a namespace
//! (`--private-users` with ownership): each owner plus a multiple of 65536.
//! That is found at the root and told once, and owners are compared as
//! shifted.

mod aspects;
mod contents;
mod difference;
mod file;
mod merge;

pub use difference::{Aspect, Change, Compared, Differences, Type};

use super::ArchiveError;
use super::listing::Listing;
use super::walk::Walk;
use crate::progress::Running;
use contents::Digesting;
use merge::Merge;
use std::collections::BTreeSet;
use std::path::Path;
use std::thread;

/// Most threads that digest.
const THREADS_MAX: usize = 8;

/// How to compare.
#[derive(Clone, Debug, Default)]
pub struct CompareOptions {
    /// Whether modification times count.
    pub times: bool,
    /// Threads that digest files.
    pub threads: usize,
    /// Paths that get a difference of their own even where all of an added
    /// directory would be told as one.
    pub apart: BTreeSet<Vec<u8>>,
}

/// Compares the tree at `root` with a listing.
///
/// # Errors
/// The tree or the listing cannot be read, or the user asked to stop.
pub fn compare(
    root: &Path,
    listing: Listing<'_>,
    options: &CompareOptions,
    running: &Running,
) -> Result<Compared, ArchiveError> {
    let walk = Walk::new(root)?;
    let (digesting, jobs) = Digesting::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads.clamp(1, THREADS_MAX))
            .map(|_| {
                let jobs = jobs.clone();
                scope.spawn(move || contents::work(&jobs, running))
            })
            .collect();
        drop(jobs);
        let merged = Merge::new(walk, listing, options, digesting, running).run();
        // The sender went with the merge, so the workers come to an end.
        let mut changed = Vec::new();
        for worker in workers {
            changed.extend(worker.join().expect("digesting does not panic")?);
        }
        let mut compared = merged?;
        for path in changed {
            compared.differences.aspect(&path, Aspect::Contents);
        }
        Ok(compared)
    })
}
