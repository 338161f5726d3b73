//! Downloads an image's archive and unpacks it into a hidden tree, both at
//! once, in a helper process that can reach nothing else.
//!
//! The parsers that read an archive are the largest part of this program that
//! handles what others made. They run in a process ([`unpacker`]) whose root
//! directory is the tree that is filled, without a network, with six
//! capabilities ([`confine`]) and the system calls that it needs ([`filter`]).
//! It is handed open files and says what it has done ([`wire`]); it ends with
//! this process, however that ends.
//!
//! Where the archive has a table of contents, that is fetched first and frames
//! are unpacked as they arrive: each is compared with its digest before the
//! decoder sees it, so nothing unverified is interpreted, and the digest of
//! the whole is not needed. Only when a frame is another one does that decide
//! whether a mirror had other bytes, and the archive is fetched anew.
//! Otherwise ([`Way::Whole`]) the archive is downloaded and verified first.
//!
//! systemd-importd pipes the download through `tar` in a process of its own,
//! before it has verified anything; containerd and containers/storage unpack
//! in a helper that has entered the tree with chroot, which is the idea here.

mod confine;
mod error;
mod feed;
mod filter;
mod patience;
mod process;
mod unpacker;
mod wire;
mod words;

pub use error::UnpackError;
pub use unpacker::helper_main;

use crate::image::{Image, ImageError};
use feed::Feed;
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_transfer::{Cache, Client};
use patience::TICK;
use process::Helper;
use rustix::fd::AsFd as _;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use wire::{Begin, Order};

/// How to unpack.
pub(crate) struct Unpacking<'a> {
    /// argv of the hidden subcommand that calls [`helper_main`].
    pub(crate) helper: &'a [OsString],
    /// The empty tree.
    pub(crate) tree: &'a Path,
    /// Threads that unpack.
    pub(crate) threads: usize,
}

/// How the archive is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Frame by frame while it arrives, where it has a table of contents.
    Arriving,
    /// Whole.
    Whole,
}

/// Why there is no tree.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The archive cannot be had.
    Fetch(ImageError),
    /// It cannot be unpacked.
    Unpack(UnpackError),
    /// Other bytes than the archive's arrived, and were thrown away.
    OtherBytes,
}

impl From<UnpackError> for Failure {
    fn from(error: UnpackError) -> Self {
        Self::Unpack(error)
    }
}

/// Table of contents and skeleton of an archive, both compressed.
pub(crate) type Signed = (Vec<u8>, Vec<u8>);

/// Fetches the archive of `image` and unpacks it; what the machine is to be
/// compared with later, if the archive holds it. Nothing of the tree is synced.
pub(crate) fn fetch_and_unpack(
    image: &Image,
    (client, cache): (&Client, &Cache),
    way: Way,
    unpacking: &Unpacking<'_>,
    progress: &Progress,
) -> Result<Option<Signed>, Failure> {
    let archive = image.archive().map_err(Failure::Fetch)?;
    // It starts while the table arrives.
    let helper = Helper::start(unpacking.helper)?;
    let table = match way {
        Way::Arriving => image.fetch_table(client, cache, progress),
        Way::Whole => None,
    };
    progress.check().map_err(UnpackError::Interrupted)?;
    let has_table = table.is_some();
    let begin = Begin {
        tree: unpacking.tree.to_owned(),
        archive: archive.clone(),
        limits: image.manifest.unpacked.clone(),
        threads: unpacking.threads,
        has_table,
    };
    let result = with_helper(
        &helper,
        begin,
        table,
        |feed| {
            let file = if has_table {
                feed.fetch_frames(image, client, cache, progress)
            } else {
                image.fetch_archive(client, cache, progress)
            };
            let file = file.map_err(Failure::Fetch)?;
            match feed.tell(&Order::Whole, &[file.as_fd()]) {
                // One that has failed already has said why.
                Err(UnpackError::Talk(error)) if is_gone(&error) => {}
                told => told?,
            }
            // Read while the helper is still busy, unless both together would
            // take too much.
            let early = image
                .lists_little()
                .then(|| image.table_and_skeleton(&file));
            Ok((file, early))
        },
        progress,
    );
    match result {
        Err(Failure::Unpack(UnpackError::Differs { .. })) if has_table => {
            forget(image, cache)?;
            Err(Failure::OtherBytes)
        }
        Ok((file, early)) => {
            let signed = early.unwrap_or_else(|| image.table_and_skeleton(&file));
            forget(image, cache).map(|()| signed)
        }
        Err(failure) => Err(failure),
    }
}

/// Whether an error of talking means that nobody is there.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

/// What arrived is of no more use.
fn forget(image: &Image, cache: &Cache) -> Result<(), Failure> {
    image.forget_part(cache).map_err(Failure::Fetch)
}

/// Has `fetch` feed a helper, and waits until that is done.
fn with_helper<T>(
    helper: &Helper,
    begin: Begin,
    table: Option<Vec<u8>>,
    fetch: impl FnOnce(&Feed<'_>) -> Result<T, Failure>,
    progress: &Progress,
) -> Result<T, Failure> {
    let running = progress.begin(Stage::Unpack, Some(begin.limits.bytes), Unit::Bytes);
    let (results, result) = channel();
    let heard = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let answer = helper.listen(|bytes| {
                // Odd while it is shown, which whoever reads that may hold up.
                heard.fetch_add(1, Ordering::Relaxed);
                running.advance(bytes);
                heard.fetch_add(1, Ordering::Relaxed);
            });
            // Nobody waits any more once the download has failed.
            let _ = results.send(answer);
        });
        let feed = Feed {
            wire: &helper.wire,
            heard: &heard,
            progress,
        };
        let fed = feed.begin(begin, table).map_err(Failure::Unpack);
        let unpacked = fed
            .and_then(|()| fetch(&feed))
            .and_then(|fetched| Ok(feed.wait(&result).map(|()| fetched)?));
        // The listener ends with the helper.
        if unpacked.is_err() {
            helper.kill();
        }
        match unpacked {
            // What the helper said first is why the download was ended.
            Err(Failure::Fetch(error)) if error.is_interruption() => {
                match result.recv_timeout(TICK) {
                    Ok(Err(why)) if progress.check().is_ok() => Err(why.into()),
                    _ => Err(Failure::Fetch(error)),
                }
            }
            // Ctrl-C at a terminal ends the helper as well, and perhaps before
            // it is heard here.
            Err(Failure::Unpack(error @ (UnpackError::Talk(_) | UnpackError::Silent))) => {
                thread::sleep(TICK);
                progress.check().map_err(UnpackError::Interrupted)?;
                Err(error.into())
            }
            other => other,
        }
    })
}
