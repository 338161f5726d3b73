//! The tar of an archive from its first byte to its last, decompressed by a
//! thread of its own.

use super::ArchiveError;
use super::entries::Source;
use super::limits::{WINDOW_LOG_MAX, XZ_MEMORY_MAX};
use super::verified::VerifiedArchive;
use crate::manifest::ArchiveFormat;
use crate::progress::Running;
use crossbeam_channel::{Receiver, Sender, bounded};
use liblzma::bufread::XzDecoder;
use liblzma::stream::MtStreamBuilder;
use std::io::{self, BufRead, BufReader, Read};
use std::thread;

/// Bytes that are handed over at a time, and how many such pieces wait.
const PIECE: usize = 1 << 20;
const WAITING: usize = 4;

/// Bytes that are read from the file at a time.
const READ: usize = 256 << 10;

/// Calls `use_it` with the decompressed tar.
pub(super) fn decompressed<T>(
    archive: &VerifiedArchive,
    threads: usize,
    running: &Running,
    use_it: impl FnOnce(Pieces<'_>) -> Result<T, ArchiveError>,
) -> Result<T, ArchiveError> {
    let (sender, pieces) = bounded(WAITING);
    thread::scope(|scope| {
        scope.spawn(move || {
            let result = decompress(archive, threads, &sender);
            if let Err(source) = result {
                let error = archive.failed("decompress it", source);
                // Whoever unpacks has stopped already.
                let _ = sender.send(Err(error));
            }
        });
        use_it(Pieces { pieces, running })
    })
}

/// The pieces of a tar, in order.
pub(super) struct Pieces<'a> {
    pieces: Receiver<Result<Vec<u8>, ArchiveError>>,
    running: &'a Running,
}

impl Source for Pieces<'_> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        self.running.check()?;
        match self.pieces.recv() {
            Ok(piece) => {
                let piece = piece?;
                if out.is_empty() {
                    *out = piece;
                } else {
                    out.extend_from_slice(&piece);
                }
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }
}

fn decompress(
    archive: &VerifiedArchive,
    threads: usize,
    sender: &Sender<Result<Vec<u8>, ArchiveError>>,
) -> io::Result<()> {
    let file = BufReader::with_capacity(READ, archive.reader(0));
    match archive.archive().format {
        ArchiveFormat::TarZst => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            send(&mut decoder, sender).map(|_| ())
        }
        ArchiveFormat::TarXz => decompress_xz(file, threads, sender),
    }
}

/// One xz stream after another, as the `xz` command reads them.
fn decompress_xz(
    mut file: impl BufRead,
    threads: usize,
    sender: &Sender<Result<Vec<u8>, ArchiveError>>,
) -> io::Result<()> {
    let mut builder = MtStreamBuilder::new();
    // Fewer threads where memory does not suffice for blocks side by side;
    // none where it does not even for one.
    builder
        .threads(u32::try_from(threads.max(1)).unwrap_or(u32::MAX))
        .memlimit_threading(XZ_MEMORY_MAX)
        .memlimit_stop(XZ_MEMORY_MAX);
    loop {
        let stream = builder.decoder()?;
        let mut decoder = XzDecoder::new_stream(file, stream);
        if !send(&mut decoder, sender)? {
            return Ok(());
        }
        file = decoder.into_inner();
        let mut padding = 0_u64;
        let ended = loop {
            let ahead = file.fill_buf()?;
            let zeros = ahead.iter().take_while(|b| **b == 0).count();
            if zeros == 0 {
                break ahead.is_empty();
            }
            file.consume(zeros);
            padding += zeros as u64;
        };
        // Section 2.2 of the format; `xz` refuses anything else, too.
        if !padding.is_multiple_of(4) {
            let what = "the padding after an xz stream is no multiple of four bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        if ended {
            return Ok(());
        }
    }
}

/// Sends everything that a reader yields. False if nobody listens any more:
/// the tar has ended, or was refused.
fn send(
    reader: &mut impl Read,
    sender: &Sender<Result<Vec<u8>, ArchiveError>>,
) -> io::Result<bool> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        reader.take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Ok(true);
        }
        if sender.send(Ok(piece)).is_err() {
            return Ok(false);
        }
    }
}
