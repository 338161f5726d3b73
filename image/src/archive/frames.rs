//! Compressed frames, kept so that what was packed before is not compressed
//! again.
//!
//! The name of a frame is the BLAKE3 of the bytes that it holds, with the
//! level and the version of zstd: whoever has the same to compress in the same
//! way gets the same frame, so no byte of an archive depends on the cache. A
//! file begins with the BLAKE3 of the frame, which the table of contents
//! needs anyway and which tells damage.

use super::compress::{Frame, compressor};
use super::{ArchiveError, Batches, Packer, Purpose, frame_size, walk};
use crate::progress::Progress;
use crate::shelf::Shelf;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::thread;

/// Most bytes that are kept. A small Debian takes 50 MB.
pub const FRAMES_MAX: u64 = 2 << 30;

/// Batches under way while compressing ahead: one that is read, one that is
/// compressed, and one that waits.
const AHEAD: usize = 3;

/// nice(2) for what is done ahead: it must not hold up anything else.
const NICE: i32 = 19;

/// Length of the digest that a file begins with.
const DIGEST: usize = 32;

/// The cache.
#[derive(Clone, Debug)]
pub struct FrameCache {
    shelf: Shelf,
}

impl FrameCache {
    /// Opens (and makes) the folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        let shelf = Shelf::open(root)?;
        Ok(Self { shelf })
    }

    /// Removes the least recently used frames beyond [`FRAMES_MAX`].
    pub fn prune(&self) {
        self.shelf.prune(FRAMES_MAX);
    }

    /// The frame of these contents, if it is there and whole.
    pub(super) fn find(&self, contents: blake3::Hash, level: i32) -> Option<Frame> {
        let name = name(contents, level);
        let mut file = self.shelf.find(&name)?;
        let mut digest = [0; DIGEST];
        let mut bytes = Vec::new();
        let read = file.read_exact(&mut digest);
        let read = read.and_then(|()| file.read_to_end(&mut bytes));
        let blake3 = blake3::hash(&bytes).into();
        if read.is_err() || digest != blake3 {
            self.shelf.remove(&name);
            return None;
        }
        Some(Frame { bytes, blake3 })
    }

    /// Keeps a frame.
    pub(super) fn keep(&self, contents: blake3::Hash, level: i32, frame: &Frame) -> io::Result<()> {
        let name = name(contents, level);
        let mut file = self.shelf.create(&name)?;
        file.write_all(&frame.blake3)?;
        file.write_all(&frame.bytes)?;
        self.shelf.name(&file, &name)
    }
}

fn name(contents: blake3::Hash, level: i32) -> String {
    let zstd = zstd::zstd_safe::version_number();
    format!("{}-{level}-{zstd}", contents.to_hex())
}

/// Compresses the tree at `root` into `frames`, so that a later
/// [`super::pack`] at this level finds what has not changed by then. The tree
/// may change meanwhile. Ends early when `progress` says so, or at the first
/// thing that cannot be read; nothing depends on how far it came.
pub fn compress_ahead(
    root: &Path,
    frames: &FrameCache,
    level: i32,
    source_date_epoch: i64,
    progress: &Progress,
) {
    let (to_worker, for_worker) = crossbeam_channel::bounded(AHEAD);
    let Ok(walk) = walk::Walk::new(root) else {
        return;
    };
    let batches = Batches::new(frame_size(level), AHEAD, vec![to_worker]);
    let purpose = Purpose::Archive(source_date_epoch);
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = rustix::process::setpriority_process(None, NICE);
            let Ok(mut compressor) = compressor(level) else {
                return;
            };
            for batch in for_worker {
                if progress.check().is_err() || compressor.frame(&batch, Some(frames)).is_err() {
                    return;
                }
            }
        });
        scope.spawn(move || {
            let _ = rustix::process::setpriority_process(None, NICE);
            // What cannot be read now is an error of the real packing, if it
            // is still there by then.
            let _: Result<_, ArchiveError> = Packer::new(walk, batches, purpose, progress).run();
        });
    });
}
