//! Downloads an image's archive and unpacks it into a hidden tree, both at
//! once, in a helper process that can reach nothing else.
//!
//! The parsers that read an archive are the largest part of this program that
//! handles what others made. They run in a process ([`helper`]) whose root
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
mod filter;
mod helper;
mod wire;

pub use error::UnpackError;
pub use helper::helper_main;

use crate::image::{Image, ImageError};
use crate::run::{self, Stdio3};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_transfer::{Cache, Client};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use wire::{Begin, Order, Said, Wire};

/// Bytes that arrive before the helper is told again.
const TOLD_EVERY: u64 = 512 << 10;

/// How often a wait looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(50);

/// Most of what a helper that panicked said that is logged, in bytes.
const LAST_WORDS_MAX: u64 = 4096;

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

/// Fetches the archive of `image` and unpacks it; the file, for what else is
/// to be read of it and compared with its own digest. Nothing of the tree is
/// synced.
pub(crate) fn fetch_and_unpack(
    image: &Image,
    (client, cache): (&Client, &Cache),
    way: Way,
    unpacking: &Unpacking<'_>,
    progress: &Progress,
) -> Result<File, Failure> {
    let archive = image.archive().map_err(Failure::Fetch)?;
    let table = match way {
        Way::Arriving => image.fetch_table(client, cache, progress),
        Way::Whole => None,
    };
    let begin = Begin {
        tree: unpacking.tree.to_owned(),
        archive: archive.clone(),
        limits: image.manifest.unpacked.clone(),
        threads: unpacking.threads,
        has_table: table.is_some(),
    };
    let result = with_helper(
        unpacking.helper,
        begin,
        table.as_deref(),
        |feed| {
            let file = match &table {
                Some(_) => feed.fetch_frames(image, client, cache, progress),
                None => image.fetch_archive(client, cache, progress),
            };
            let file = file.map_err(Failure::Fetch)?;
            // One that has failed already has said why.
            let _ = feed.tell(&Order::Whole, &[file.as_fd()]);
            Ok(file)
        },
        progress,
    );
    match result {
        Err(Failure::Unpack(UnpackError::Differs { .. })) if table.is_some() => {
            forget(image, cache)?;
            Err(Failure::OtherBytes)
        }
        Ok(file) => forget(image, cache).map(|()| file),
        other => other,
    }
}

/// What arrived is of no more use.
fn forget(image: &Image, cache: &Cache) -> Result<(), Failure> {
    image.forget_part(cache).map_err(Failure::Fetch)
}

/// Starts a helper, has `fetch` feed it, and waits until it is done.
fn with_helper(
    argv: &[OsString],
    begin: Begin,
    table: Option<&[u8]>,
    fetch: impl FnOnce(&Feed<'_>) -> Result<File, Failure>,
    progress: &Progress,
) -> Result<File, Failure> {
    let helper = Helper::start(argv)?;
    let running = progress.begin(Stage::Unpack, Some(begin.limits.bytes), Unit::Bytes);
    let (results, result) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let answer = listen(&helper.wire, |bytes| running.advance(bytes));
            // Nobody waits any more once the download has failed.
            let _ = results.send(answer);
        });
        let feed = Feed { wire: &helper.wire };
        let fed = feed.begin(begin, table).map_err(Failure::Unpack);
        let unpacked = fed
            .and_then(|()| fetch(&feed))
            .and_then(|file| wait(&result, progress).map(|()| file));
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
            other => other,
        }
    })
}

/// Waits for the helper's end, unless the user wants to stop.
fn wait(result: &Receiver<Result<(), UnpackError>>, progress: &Progress) -> Result<(), Failure> {
    loop {
        match result.recv_timeout(TICK) {
            Ok(answer) => return Ok(answer?),
            Err(RecvTimeoutError::Timeout) => progress.check().map_err(UnpackError::Interrupted)?,
            Err(RecvTimeoutError::Disconnected) => return Err(UnpackError::Silent.into()),
        }
    }
}

/// Listens until the helper is done, has failed or is gone.
fn listen(wire: &Wire, advance: impl Fn(u64)) -> Result<(), UnpackError> {
    loop {
        match wire.receive::<Said>() {
            Ok(Some((Said::Advanced(bytes), _))) => advance(bytes),
            Ok(Some((Said::Done, _))) => return Ok(()),
            Ok(Some((Said::Failed { chain, errno }, _))) => {
                return Err(UnpackError::refused(chain, errno));
            }
            Ok(Some((Said::Differs(what), _))) => return Err(UnpackError::Differs { what }),
            Ok(Some((Said::NotConfined { step, errno }, _))) => {
                let source = io::Error::from_raw_os_error(errno);
                return Err(UnpackError::NotConfined { step, source });
            }
            Ok(None) => return Err(UnpackError::Silent),
            Err(source) => return Err(UnpackError::Talk(source)),
        }
    }
}

/// What the helper is told.
struct Feed<'a> {
    wire: &'a Wire,
}

impl Feed<'_> {
    fn begin(&self, begin: Begin, table: Option<&[u8]>) -> Result<(), UnpackError> {
        let table = table.map(in_memory).transpose();
        let table = table.map_err(UnpackError::Talk)?;
        let files: Vec<_> = table.iter().map(AsFd::as_fd).collect();
        self.tell(&Order::Begin(Box::new(begin)), &files)
    }

    fn tell(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<(), UnpackError> {
        self.wire.send(order, files).map_err(UnpackError::Talk)
    }

    /// Downloads, and says how far it has come.
    fn fetch_frames(
        &self,
        image: &Image,
        client: &Client,
        cache: &Cache,
        progress: &Progress,
    ) -> Result<File, ImageError> {
        let mut told: Option<u64> = None;
        let mut arrival = |file: &File, length: u64| {
            let is_near = |told: u64| length.wrapping_sub(told) < TOLD_EVERY;
            if told.is_some_and(is_near) {
                return true;
            }
            let begun = told.is_some() || self.tell(&Order::Arriving, &[file.as_fd()]).is_ok();
            told = Some(length);
            // A helper that does not listen has failed, and said why.
            begun && self.tell(&Order::Reached(length), &[]).is_ok()
        };
        image.fetch_frames(client, cache, progress, &mut arrival)
    }
}

/// A table of contents as a file without a name.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("table", rustix::fs::MemfdFlags::CLOEXEC)?;
    let file = File::from(fd);
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0)?;
    Ok(file.into())
}

/// The helper process; killed when dropped.
struct Helper {
    child: Child,
    wire: Wire,
    /// What it said before it died, if a defect of ours made it panic. The
    /// pipe's own size is the most of it.
    last_words: io::PipeReader,
}

impl Helper {
    fn start(argv: &[OsString]) -> Result<Self, UnpackError> {
        let (ours, theirs) = Wire::pair().map_err(UnpackError::Talk)?;
        let (last_words, words) = io::pipe().map_err(UnpackError::Talk)?;
        let stdio = Stdio3 {
            stdin: Stdio::from(theirs),
            // Nothing of the caller's: a log of root's is no place for it to
            // write. There need not be a /dev/null.
            stdout: Stdio::from(words.try_clone().map_err(UnpackError::Talk)?),
            stderr: Stdio::from(words),
        };
        let child = run::start(argv, &[], stdio).map_err(UnpackError::Start)?;
        Ok(Self {
            child,
            wire: ours,
            last_words,
        })
    }
}

impl Helper {
    fn kill(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut words = Vec::new();
        // All is there by now; who else may hold the other end is not waited for.
        let _ = rustix::io::ioctl_fionbio(&self.last_words, true);
        let _ = (&mut self.last_words)
            .take(LAST_WORDS_MAX)
            .read_to_end(&mut words);
        if !words.is_empty() {
            let words = String::from_utf8_lossy(&words);
            tracing::error!("the process that unpacks said: {}", words.escape_debug());
        }
    }
}
