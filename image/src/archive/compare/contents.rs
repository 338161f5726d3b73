//! Digesting files beside the walk. Open files wait in a short queue, so that
//! their number is bounded.

use super::super::ArchiveError;
use crate::progress::Running;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::fs::File;
use std::io::Read as _;

/// Files that wait, open.
const WAITING: usize = 32;

/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// A file of the right length whose contents are to be compared.
pub(super) struct Job {
    pub(super) path: Vec<u8>,
    pub(super) file: File,
    pub(super) size: u64,
    pub(super) blake3: [u8; 32],
}

/// The near end of the queue.
pub(super) struct Digesting(Sender<Job>);

impl Digesting {
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (sender, receiver) = bounded(WAITING);
        (Self(sender), receiver)
    }

    /// Hands a file over. A worker that failed has ended; its error is told
    /// when it is joined.
    pub(super) fn digest(&self, job: Job) -> Result<(), ArchiveError> {
        self.0.send(job).map_err(|_| ArchiveError::Stopped)
    }
}

/// Digests one file after another; the paths of those that differ.
pub(super) fn work(jobs: &Receiver<Job>, running: &Running) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let mut buffer = vec![0; PIECE];
    let mut changed = Vec::new();
    for job in jobs {
        if !is_same(&job, &mut buffer, running)? {
            changed.push(job.path);
        }
    }
    Ok(changed)
}

fn is_same(job: &Job, buffer: &mut [u8], running: &Running) -> Result<bool, ArchiveError> {
    let mut digest = blake3::Hasher::new();
    // A file that grows meanwhile is not read for ever.
    let mut input = (&job.file).take(job.size.saturating_add(1));
    let mut length = 0;
    loop {
        running.check()?;
        let read = input
            .read(buffer)
            .map_err(ArchiveError::reading("read", &job.path))?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        length += read as u64;
        running.advance(read as u64);
    }
    Ok(length == job.size && *digest.finalize().as_bytes() == job.blake3)
}
