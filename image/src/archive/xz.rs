//! `.tar.xz` of the same tar, by liblzma's multi-threaded encoder.
//!
//! Blocks have a fixed size and are compressed independently, so the bytes
//! depend on the level alone, not on threads, and readers can decode in
//! parallel.

use super::ArchiveError;
use super::batch::Batch;
use super::output::Output;
use crate::manifest::{self, ArchiveFormat};
use crossbeam_channel::Receiver;
use liblzma::stream::{Check, Filters, LzmaOptions, MtStreamBuilder, Stream};
use liblzma::write::XzEncoder;
use std::io::{self, Write};
use std::sync::Arc;

/// Uncompressed size of a block, in bytes: twice the dictionary of levels 5
/// and 6.
const BLOCK: u64 = 16 << 20;

/// Memory that the encoder's threads may take, in bytes; level 6 needs about
/// 140 MiB for each.
const MEMORY: u64 = 600 << 20;

/// Writes the tar that arrives in `batches`. The archive still is to be
/// finished: whether the tar is whole, others know.
pub(super) fn write(
    output: Output,
    level: u32,
    threads: usize,
    batches: &Receiver<Arc<Batch>>,
) -> Result<Output, ArchiveError> {
    let fail = |doing| move |source| ArchiveError::Compress { doing, source };
    let stream = encoder(level, threads).map_err(|e| fail("set up xz")(io::Error::other(e)))?;
    let mut encoder = XzEncoder::new_stream(output, stream);
    for batch in batches {
        encoder
            .write_all(&batch.bytes)
            .map_err(fail("write the .tar.xz"))?;
    }
    encoder.finish().map_err(fail("write the .tar.xz"))
}

/// Finishes an archive that [`write`] wrote.
pub(super) fn finish(output: Output) -> Result<manifest::Archive, ArchiveError> {
    let (file, size, sha256) = output.finish()?;
    Ok(manifest::Archive {
        file,
        format: ArchiveFormat::TarXz,
        size,
        sha256,
        toc: None,
        skeleton: None,
    })
}

fn encoder(level: u32, threads: usize) -> Result<Stream, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(level)?;
    // A larger dictionary would be memory without use.
    if level > 6 {
        options.dict_size(BLOCK as u32);
    }
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut builder = MtStreamBuilder::new();
    builder
        .block_size(BLOCK)
        .filters(filters)
        .check(Check::Crc64);
    // The number of threads does not change the bytes, so it may follow the
    // memory.
    let wanted = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
    builder.threads(1);
    let each = builder.memusage().max(1);
    builder.threads(
        wanted
            .min(u32::try_from(MEMORY / each).unwrap_or(u32::MAX))
            .max(1),
    );
    builder.encoder()
}
