//! From batches to `.tar.zst`: workers compress each batch by itself, and one
//! thread writes the frames in order, then table of contents and skeleton.

use super::ArchiveError;
use super::batch::Batch;
use super::frames::FrameCache;
use super::list::Lists;
use super::output::Output;
use super::toc::{self, Frames};
use crate::Sha256;
use crate::manifest::{self, ArchiveFormat, Span, Tar};
use crate::progress::Running;
use crossbeam_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use zstd::zstd_safe::CParameter;

/// Magic numbers of the skippable frames (of the sixteen that RFC 8878 sets
/// aside; the zstd seekable format uses the last but one, pzstd the first).
const TOC_MAGIC: u32 = 0x184D_2A5A;
const SKELETON_MAGIC: u32 = 0x184D_2A5B;

/// A compressed frame.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) blake3: [u8; 32],
}

/// A batch with what a worker made of it.
pub(super) struct Compressed {
    batch: Arc<Batch>,
    frame: Frame,
    /// BLAKE3 of those entries of the batch that asked for it.
    digests: Vec<[u8; 32]>,
}

/// Compresses batches until there are no more.
pub(super) fn work(
    level: i32,
    batches: &Receiver<Arc<Batch>>,
    frames: Option<&FrameCache>,
    done: &Sender<Result<Compressed, ArchiveError>>,
) {
    let mut compressor = match compressor(level) {
        Ok(compressor) => compressor,
        Err(source) => {
            let doing = "set up zstd";
            let _ = done.send(Err(ArchiveError::Compress { doing, source }));
            return;
        }
    };
    for batch in batches {
        let result = compressor.frame(&batch, frames).map(|frame| Compressed {
            digests: digests(&batch),
            frame,
            batch,
        });
        // Whoever collects has given up, for a reason that it reports.
        if done.send(result).is_err() {
            return;
        }
    }
}

/// Makes frames at one level.
pub(super) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    level: i32,
}

pub(super) fn compressor(level: i32) -> io::Result<Compressor> {
    let mut zstd = zstd::bulk::Compressor::new(level)?;
    // As the `zstd` command does: stock tools then notice damage.
    zstd.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(Compressor { zstd, level })
}

impl Compressor {
    /// The frame of a batch: made before, or made now.
    pub(super) fn frame(
        &mut self,
        batch: &Batch,
        frames: Option<&FrameCache>,
    ) -> Result<Frame, ArchiveError> {
        let Some(frames) = frames else {
            return self.compress(batch);
        };
        let contents = blake3::hash(&batch.bytes);
        if let Some(frame) = frames.find(contents, self.level) {
            return Ok(frame);
        }
        let frame = self.compress(batch)?;
        // Without, the next time only takes longer.
        let _ = frames.keep(contents, self.level, &frame);
        Ok(frame)
    }

    fn compress(&mut self, batch: &Batch) -> Result<Frame, ArchiveError> {
        let bytes = self.zstd.compress(&batch.bytes);
        let bytes = bytes.map_err(|source| ArchiveError::Compress {
            doing: "compress a frame with zstd",
            source,
        })?;
        Ok(Frame {
            blake3: blake3::hash(&bytes).into(),
            bytes,
        })
    }
}

/// BLAKE3 of those entries of a batch that ask for it.
pub(super) fn digests(batch: &Batch) -> Vec<[u8; 32]> {
    let ranges = batch.entries.iter().filter_map(|e| e.digest.clone());
    ranges
        .map(|range| blake3::hash(&batch.bytes[range]).into())
        .collect()
}

/// Writes what the workers made, in order.
pub(super) struct Collector<'a> {
    output: Output,
    frames: Vec<toc::Frame>,
    lists: Lists,
    running: &'a Running,
}

impl<'a> Collector<'a> {
    /// Writes to `output`; `level` is for table and skeleton.
    pub(super) fn new(
        output: Output,
        level: i32,
        running: &'a Running,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            output,
            frames: Vec::new(),
            lists: Lists::new(level)?,
            running,
        })
    }

    /// Takes frames in any order until there are no more. What is early is
    /// kept; the pool of batches bounds how much that can be.
    pub(super) fn collect(
        &mut self,
        done: &Receiver<Result<Compressed, ArchiveError>>,
    ) -> Result<(), ArchiveError> {
        let mut early = BTreeMap::new();
        for compressed in done {
            let compressed = compressed?;
            early.insert(compressed.batch.index, compressed);
            while let Some(next) = early.remove(&(self.frames.len() as u64)) {
                self.write(next)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, compressed: Compressed) -> Result<(), ArchiveError> {
        let offset = self.output.length();
        self.output.write(&compressed.frame.bytes)?;
        let batch = &compressed.batch;
        self.frames.push(toc::Frame {
            offset,
            length: compressed.frame.bytes.len() as u64,
            uncompressed: batch.bytes.len() as u64,
            continues: batch.continues,
            blake3: compressed.frame.blake3,
        });
        self.lists.add(batch, compressed.digests)?;
        self.running.advance(batch.bytes.len() as u64);
        Ok(())
    }

    /// Ends the archive with its table of contents and skeleton.
    pub(super) fn finish(self, tar: Tar) -> Result<manifest::Archive, ArchiveError> {
        let mut output = self.output;
        let frames = Frames {
            frames: self.frames,
            tar,
        };
        let (toc, skeleton) = self.lists.finish(&frames)?;
        let skeleton = skippable(&mut output, SKELETON_MAGIC, &skeleton)?;
        let toc = skippable(&mut output, TOC_MAGIC, &toc)?;
        let (file, size, sha256) = output.finish()?;
        Ok(manifest::Archive {
            file,
            format: ArchiveFormat::TarZst,
            size,
            sha256,
            toc: Some(toc),
            skeleton: Some(skeleton),
        })
    }
}

/// Writes a skippable frame; where its content lies.
fn skippable(output: &mut Output, magic: u32, content: &[u8]) -> Result<Span, ArchiveError> {
    let length = u32::try_from(content.len()).map_err(|_| ArchiveError::Compress {
        doing: "write the table of contents",
        source: io::Error::other("it is over 4 GiB, compressed"),
    })?;
    output.write(&magic.to_le_bytes())?;
    output.write(&length.to_le_bytes())?;
    let offset = output.length();
    output.write(content)?;
    Ok(Span {
        offset,
        length: length.into(),
        sha256: Sha256::of(content),
    })
}
