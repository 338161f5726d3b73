//! Tar bytes out of one frame after another, and how many threads may have
//! theirs in memory at once.
//!
//! A frame is decompressed to where it is read from, behind what is left of
//! the one before, so that there is one copy of it. It knows no entries.

use super::ArchiveError;
use super::entries::Source;
use super::toc::Frame;
use crate::progress::Running;
use std::io;
use std::ops::Range;

/// Most threads that unpack.
const THREADS_MAX: usize = 8;

/// Memory that all of them may take for frames, in bytes: for the list of them,
/// and of each thread for a compressed and an uncompressed one, beside
/// [`HEADERS`].
const MEMORY: u64 = 68 << 20;

/// Memory of a thread for an entry that begins in one frame and ends in others,
/// and for what its headers say.
const HEADERS: u64 = 4 << 20;

/// How a compressed frame is had, compared with its digest; the buffer is
/// used again.
pub(super) type Fetch<'a> = &'a (dyn Fn(&Frame, Vec<u8>) -> Result<Vec<u8>, ArchiveError> + Sync);

/// How many threads fit into the memory that they may take for these frames.
pub(super) fn fitting(frames: &[Frame], threads: usize) -> usize {
    let list = frames.len() * (size_of::<Frame>() + size_of::<Range<usize>>());
    let each = frames.iter().map(|f| f.uncompressed + f.length).max();
    let fit = MEMORY.saturating_sub(list as u64) / (each.unwrap_or(0) + HEADERS);
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    threads.min(fit).clamp(1, THREADS_MAX)
}

/// Frames that belong together: one, and those that continue its last file.
pub(super) fn groups(frames: &[Frame]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        match groups.last_mut() {
            Some(last) if frame.continues => last.end = index + 1,
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

/// Tar bytes from one frame after another.
pub(super) struct FrameSource<'a> {
    fetch: Fetch<'a>,
    running: &'a Running,
    frames: std::slice::Iter<'a, Frame>,
    compressed: Vec<u8>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl<'a> FrameSource<'a> {
    /// From these frames; `compressed` is used again.
    pub(super) fn new(
        fetch: Fetch<'a>,
        frames: &'a [Frame],
        compressed: Vec<u8>,
        running: &'a Running,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            fetch,
            running,
            frames: frames.iter(),
            compressed,
            decompressor: zstd::bulk::Decompressor::new().map_err(undecoded)?,
        })
    }

    /// How many frames were not used.
    pub(super) fn left(&self) -> usize {
        self.frames.len()
    }

    /// The buffer, to be used again.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.compressed
    }
}

fn undecoded(source: io::Error) -> ArchiveError {
    ArchiveError::Frame { source }
}

impl Source for FrameSource<'_> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        self.running.check()?;
        let Some(frame) = self.frames.next() else {
            return Ok(false);
        };
        self.compressed = (self.fetch)(frame, std::mem::take(&mut self.compressed))?;
        let length = usize::try_from(frame.uncompressed).expect("a frame is bounded");
        let before = out.len();
        out.reserve_exact(length);
        let n = if before == 0 {
            // Saves filling it with zeros first.
            self.decompressor
                .decompress_to_buffer(&self.compressed, out)
                .map_err(undecoded)?
        } else {
            out.resize(before + length, 0);
            self.decompressor
                .decompress_to_buffer(&self.compressed, &mut out[before..])
                .map_err(undecoded)?
        };
        if n != length {
            let what = "a frame does not have the length that the table says";
            return Err(ArchiveError::table(what));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::limits::{COMPRESSED_FRAME_MAX, FRAME_MAX, FRAMES_MAX};
    use crate::progress::{Progress, Stage, Unit};

    fn frame(length: u64, uncompressed: u64) -> Frame {
        Frame {
            offset: 0,
            length,
            uncompressed,
            continues: false,
            blake3: [0; 32],
        }
    }

    #[test]
    fn threads_have_as_many_frames_as_fit() {
        let small = frame(1, 1 << 10);
        for (largest, threads) in [
            (small.clone(), 8),
            (frame(2 << 20, 4 << 20), 6),
            (frame(8 << 20, 8 << 20), 3),
            (frame(COMPRESSED_FRAME_MAX, FRAME_MAX), 1),
        ] {
            assert_eq!(fitting(&[small.clone(), largest], 64), threads);
        }
        assert_eq!(fitting(std::slice::from_ref(&small), 2), 2);
        assert_eq!(fitting(&[], 2), 2);
        // The list itself takes a part of it.
        let many = vec![frame(2 << 20, 4 << 20); usize::try_from(FRAMES_MAX).unwrap()];
        assert_eq!(fitting(&many, 64), 4);
    }

    #[test]
    fn a_frame_behind_the_rest_of_another_takes_no_more_memory_than_itself() {
        let bytes: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
        let compressed = zstd::bulk::compress(&bytes, 1).unwrap();
        let one = frame(compressed.len() as u64, bytes.len() as u64);
        let fetch = |_: &Frame, mut buffer: Vec<u8>| {
            buffer.clone_from(&compressed);
            Ok(buffer)
        };
        let running = Progress::silent().begin(Stage::Unpack, None, Unit::Bytes);
        let frames = [one];
        let mut source = FrameSource::new(&fetch, &frames, Vec::new(), &running).unwrap();
        let mut out = b"rest".to_vec();
        assert!(source.more(&mut out).unwrap());
        assert!(out[..4] == *b"rest" && out[4..] == bytes);
        assert!(out.capacity() < bytes.len() + 100, "{}", out.capacity());
        assert!(!source.more(&mut out).unwrap());
        assert_eq!(source.left(), 0);
    }
}
