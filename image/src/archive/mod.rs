//! The archive: a deterministic tar in zstd frames that are cut at file
//! boundaries, with a table of contents and a skeleton.
//!
//! `zstd -d | tar -x`, GNU tar, bsdtar and systemd read it as a plain
//! `.tar.zst`. What is more, frames are decoded in parallel, any file can be
//! fetched by an HTTP range, and the exact tar can be put together from the
//! skeleton and files that a host already has.
//!
//! - [`pack`] reads a tree once ([`walk`], [`header`], [`holes`]) into batches
//!   ([`batch`]); workers compress each by itself ([`compress`], [`xz`]), so
//!   that the bytes depend neither on threads nor on the file system.
//! - [`toc`] is the table of contents, [`replay`] the way back to the tar;
//!   [`Listing`] reads table and skeleton as entries, and [`compare`] finds what
//!   was changed in a tree since it was unpacked. [`list()`] makes both of a tree
//!   whose archive has none.
//! - [`unpack`] creates what a [`VerifiedArchive`] holds, through
//!   [`crate::place`] alone; [`unpack_arriving`] does so while an archive is
//!   still [`Arriving`].
//!
//! It knows nothing of signatures (a digest comes with the verified manifest)
//! and chooses no place: packing writes where it is told to, unpacking into
//! the root that it is given.

mod acl;
mod arriving;
mod batch;
mod beneath;
pub mod compare;
mod compress;
mod directories;
mod entries;
mod error;
mod framed;
mod frames;
mod hard_links;
mod header;
mod holes;
pub mod limits;
mod list;
mod listing;
mod output;
mod pack;
mod pax;
mod replay;
mod stream;
mod tar_stream;
#[cfg(test)]
mod tests;
pub mod toc;
mod trace;
mod unpack;
mod verified;
mod walk;
mod xattrs;
mod xz;

pub use arriving::Arriving;
pub use entries::{Entry, Kind};
pub use error::ArchiveError;
pub use frames::{FRAMES_MAX, FrameCache, compress_ahead};
pub use list::list;
pub use listing::{Listed, Listing};
pub use replay::replay;
pub use tar_stream::TarStream;
pub use unpack::{unpack, unpack_arriving};
pub use verified::VerifiedArchive;

use crate::digest::Hashing;
use crate::manifest::{self, ArchiveFormat, Tar, Unpacked};
use crate::progress::{Progress, Stage, Unit};
use batch::{Batch, Batches};
use compress::Collector;
use crossbeam_channel::{Receiver, bounded};
use output::Output;
use pack::{Packer, Purpose};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use trace::Watch;

/// Most workers that compress. More would take more memory than a build may:
/// about 20 MiB each at level 3.
const WORKERS_MAX: usize = 16;

/// Uncompressed bytes that are under way at least, so that no thread waits
/// for another that is late once.
const IN_FLIGHT: usize = 48 << 20;

/// How to pack.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// Newer modification times are set to this (seconds since 1970).
    pub source_date_epoch: i64,
    /// zstd level, 1 to 19.
    pub zstd_level: i32,
    /// xz preset, 0 to 9, if a `.tar.xz` is wanted too.
    pub xz_level: Option<u32>,
    /// Threads; the bytes do not depend on them.
    pub threads: usize,
    /// Texts that tell of the host that packs, such as the folders that it
    /// worked in: an entry that holds one is refused.
    pub traces: Vec<Vec<u8>>,
    /// Frames that were made before; the bytes do not depend on them.
    pub frames: Option<FrameCache>,
}

/// What packing made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The tar stream.
    pub tar: Tar,
    /// The archives.
    pub archives: Vec<manifest::Archive>,
    /// What unpacking makes.
    pub unpacked: Unpacked,
}

/// Uncompressed size of a frame, in bytes.
const fn frame_size(level: i32) -> usize {
    match level {
        ..=6 => 4 << 20,
        7..=15 => 8 << 20,
        _ => 16 << 20,
    }
}

/// Packs the tree at `root` into `directory/BASE.tar.zst` (and `.tar.xz`),
/// which must not exist; both are fsynced, and removed again after an error.
/// Reads the tree once; of files over a frame's size, twice.
///
/// # Errors
/// Which file could not be read or written, or changed meanwhile.
pub fn pack(
    root: &Path,
    directory: &Path,
    base: &str,
    options: &PackOptions,
    progress: &Progress,
) -> Result<Packed, ArchiveError> {
    let running = progress.begin(Stage::Pack, None, Unit::Bytes);
    let workers = options.threads.clamp(1, WORKERS_MAX);
    let level = options.zstd_level;
    let walk = walk::Walk::new(root)?;
    let zst = Output::create(directory, base, ArchiveFormat::TarZst)?;
    let xz = match options.xz_level {
        Some(level) => Some((
            level,
            Output::create(directory, base, ArchiveFormat::TarXz)?,
        )),
        None => None,
    };
    // The table is small, and higher levels would take more memory than time.
    let mut collector = Collector::new(zst, level.min(TABLE_LEVEL_MAX), &running)?;
    let in_flight = (2 * workers + 2).max(IN_FLIGHT / frame_size(level));
    let (to_workers, for_workers) = bounded::<Arc<Batch>>(in_flight);
    let (to_hasher, for_hasher) = bounded::<Arc<Batch>>(in_flight);
    let (to_collector, for_collector) = bounded(in_flight);
    let (to_xz, for_xz) = bounded::<Arc<Batch>>(in_flight);

    thread::scope(|scope| {
        for _ in 0..workers {
            let (batches, done) = (for_workers.clone(), to_collector.clone());
            let frames = options.frames.as_ref();
            scope.spawn(move || compress::work(level, &batches, frames, &done));
        }
        drop((for_workers, to_collector));
        let hashing = scope.spawn(move || digest(&for_hasher, &options.traces));
        let collecting = scope.spawn(move || {
            collector.collect(&for_collector)?;
            Ok::<_, ArchiveError>(collector)
        });
        let mut out = vec![to_workers, to_hasher];
        let writing_xz = xz.map(|(level, output)| {
            out.push(to_xz);
            scope.spawn(move || xz::write(output, level, options.threads, &for_xz))
        });
        let batches = Batches::new(frame_size(level), in_flight, out);
        let purpose = Purpose::Archive(options.source_date_epoch);
        let read = Packer::new(walk, batches, purpose, progress).run();

        // All batches are handed on, so everybody comes to an end. The error
        // that stopped the others is the one to report.
        let digested = hashing.join().expect("digesting does not panic");
        let collected = collecting.join().expect("collecting does not panic");
        let second = writing_xz.map(|t| t.join().expect("compressing does not panic"));
        let tar = digested?;
        let (unpacked, collector) = match (read, collected, &second) {
            (Err(ArchiveError::Stopped), Err(error), _) => return Err(error),
            (Err(ArchiveError::Stopped), Ok(_), Some(Err(_))) => {
                return Err(second.and_then(Result::err).expect("it is an error"));
            }
            (read, collected, _) => (read?, collected?),
        };
        let second = second.transpose()?;
        let mut archives = vec![collector.finish(tar.clone())?];
        if let Some(output) = second {
            archives.push(xz::finish(output)?);
        }
        crate::durable::sync_directory(directory).map_err(|e| ArchiveError::Write {
            doing: "sync the directory",
            path: e.path,
            source: e.source,
        })?;
        Ok(Packed {
            tar,
            archives,
            unpacked,
        })
    })
}

/// Highest level for table of contents and skeleton.
const TABLE_LEVEL_MAX: i32 = 9;

/// Digests the tar stream, and looks through it.
fn digest(batches: &Receiver<Arc<Batch>>, traces: &[Vec<u8>]) -> Result<Tar, ArchiveError> {
    let mut hashing = Hashing::new(io::sink());
    let mut watch = Watch::new(traces);
    for batch in batches {
        watch.look(&batch)?;
        hashing
            .write_all(&batch.bytes)
            .expect("a sink takes everything");
    }
    let size = hashing.length();
    let (_, sha256) = hashing.finish();
    Ok(Tar { size, sha256 })
}
