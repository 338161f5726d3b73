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
mod unpacker;
mod wire;
mod words;

pub use error::UnpackError;
pub use unpacker::helper_main;

use crate::image::{Image, ImageError};
use crate::run::{self, Stdio3};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_transfer::{Cache, Client};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use wire::{Begin, Order, Said, Wire};

/// Bytes that arrive before the helper is told again.
const TOLD_EVERY: u64 = 512 << 10;

/// How often a wait looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(50);

/// How long the helper may say nothing and read nothing. It says every two
/// seconds that it lives, however slow the disk is; so this is one that was
/// stopped, or a host that does not run it. Time in which this process did not
/// run either does not count.
const SILENCE_MAX: Duration = Duration::from_secs(60);

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
    let has_table = table.is_some();
    let begin = Begin {
        tree: unpacking.tree.to_owned(),
        archive: archive.clone(),
        limits: image.manifest.unpacked.clone(),
        threads: unpacking.threads,
        has_table,
    };
    let result = with_helper(
        unpacking.helper,
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
                Ok(()) => Ok(file),
                Err(UnpackError::Talk(error)) if is_gone(&error) => Ok(file),
                Err(error) => Err(error.into()),
            }
        },
        progress,
    );
    match result {
        Err(Failure::Unpack(UnpackError::Differs { .. })) if has_table => {
            forget(image, cache)?;
            Err(Failure::OtherBytes)
        }
        Ok(file) => forget(image, cache).map(|()| file),
        other => other,
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

/// Starts a helper, has `fetch` feed it, and waits until it is done.
fn with_helper(
    argv: &[OsString],
    begin: Begin,
    table: Option<Vec<u8>>,
    fetch: impl FnOnce(&Feed<'_>) -> Result<File, Failure>,
    progress: &Progress,
) -> Result<File, Failure> {
    let helper = Helper::start(argv)?;
    let running = progress.begin(Stage::Unpack, Some(begin.limits.bytes), Unit::Bytes);
    let (results, result) = channel();
    let heard = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let answer = listen(&helper.wire, |bytes| {
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
            .and_then(|file| Ok(feed.wait(&result).map(|()| file)?));
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

/// How long nothing was heard of the helper.
struct Silence<'a> {
    heard: &'a AtomicU64,
    last: u64,
    ticks: u32,
}

impl<'a> Silence<'a> {
    fn new(heard: &'a AtomicU64) -> Self {
        Self {
            heard,
            last: heard.load(Ordering::Relaxed),
            ticks: 0,
        }
    }

    /// One more [`TICK`] has gone by. Ticks are counted, and not the time: a
    /// process that was stopped with its helper goes on with it, too.
    fn tick(&mut self) -> Result<(), UnpackError> {
        let now = self.heard.load(Ordering::Relaxed);
        if now != self.last || now % 2 == 1 {
            (self.last, self.ticks) = (now, 0);
        }
        self.ticks += 1;
        if TICK * self.ticks > SILENCE_MAX {
            return Err(UnpackError::Stuck);
        }
        Ok(())
    }
}

/// Listens until the helper is done, has failed or is gone.
fn listen(wire: &Wire, advance: impl Fn(u64)) -> Result<(), UnpackError> {
    loop {
        match wire.receive::<Said>() {
            Ok(Some((Said::Advanced(bytes), _))) => advance(bytes),
            Ok(Some((Said::Done, _))) => return Ok(()),
            Ok(Some((Said::Failed { chain, errno }, _))) => {
                return Err(UnpackError::refused(&chain, errno));
            }
            Ok(Some((Said::Differs(what), _))) => {
                let what = words::plain(&what);
                return Err(UnpackError::Differs { what });
            }
            Ok(Some((Said::NotConfined { step, errno }, _))) => {
                let step = words::plain(&step);
                let source = io::Error::from_raw_os_error(errno);
                return Err(UnpackError::NotConfined { step, source });
            }
            Ok(None) => return Err(UnpackError::Silent),
            Err(source) => return Err(UnpackError::Talk(source)),
        }
    }
}

/// What the helper is told. It may be stopped, or have been taken over: it is
/// never waited for without an end, or when the user wants to stop.
struct Feed<'a> {
    wire: &'a Wire,
    /// How often it said something.
    heard: &'a AtomicU64,
    progress: &'a Progress,
}

impl Feed<'_> {
    fn begin(&self, begin: Begin, table: Option<Vec<u8>>) -> Result<(), UnpackError> {
        let table = table.map(|bytes| in_memory(&bytes)).transpose();
        let table = table.map_err(UnpackError::Talk)?;
        let files: Vec<_> = table.iter().map(AsFd::as_fd).collect();
        self.tell(&Order::Begin(Box::new(begin)), &files)
    }

    /// Says what it must know, waiting until it reads.
    fn tell(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<(), UnpackError> {
        let mut silence = Silence::new(self.heard);
        while !self.wire.offer(order, files).map_err(UnpackError::Talk)? {
            self.progress.check().map_err(UnpackError::Interrupted)?;
            silence.tick()?;
            self.wire.await_room(TICK).map_err(UnpackError::Talk)?;
        }
        Ok(())
    }

    /// Waits for its end.
    fn wait(&self, result: &Receiver<Result<(), UnpackError>>) -> Result<(), UnpackError> {
        let mut silence = Silence::new(self.heard);
        loop {
            match result.recv_timeout(TICK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => {
                    self.progress.check().map_err(UnpackError::Interrupted)?;
                    silence.tick()?;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(UnpackError::Silent),
            }
        }
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
            // A helper that does not listen has failed, and said why; to one
            // that has no time, the next number says the same.
            match self.wire.offer(&Order::Reached(length), &[]) {
                Ok(is_told) if begun => {
                    if is_told {
                        told = Some(length);
                    }
                    true
                }
                _ => false,
            }
        };
        image.fetch_frames(client, cache, progress, &mut arrival)
    }
}

/// A table of contents as a file without a name that nobody can change.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("table", flags)?);
    std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    /// What is understood of what a helper says before it is gone.
    fn heard(said: &Said) -> UnpackError {
        let (ours, theirs) = Wire::pair().unwrap();
        Wire::of(theirs).send(said, &[]).unwrap();
        listen(&ours, |_| {}).unwrap_err()
    }

    #[test]
    fn words_of_the_helper_do_not_steer_the_terminal() {
        let bad = "\x1b[2Jx\u{202e}\n".repeat(100);
        let chain = vec![bad.clone(), bad.clone()];
        for error in [
            heard(&Said::Differs(bad.clone())),
            heard(&Said::Failed { chain, errno: None }),
            heard(&Said::NotConfined {
                step: bad.clone(),
                errno: 1,
            }),
        ] {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            for text in [error.to_string(), cause] {
                assert!(!text.contains(char::is_control), "{text:?}");
                assert!(!text.contains('\u{202e}'), "{text:?}");
            }
        }
    }

    #[test]
    fn whoever_does_not_read_holds_up_nobody_who_wants_to_stop() {
        let (ours, _theirs) = Wire::pair().unwrap();
        let progress = Progress::silent();
        let heard = AtomicU64::new(0);
        let feed = Feed {
            wire: &ours,
            heard: &heard,
            progress: &progress,
        };
        while ours.offer(&Order::Reached(1), &[]).unwrap() {}
        progress.stop_flag().store(true, Ordering::Relaxed);
        let error = feed.tell(&Order::Whole, &[]).unwrap_err();
        assert!(matches!(error, UnpackError::Interrupted(_)), "{error}");
    }

    #[test]
    fn only_ticks_without_a_word_count() {
        let heard = AtomicU64::new(0);
        let mut silence = Silence::new(&heard);
        let most = SILENCE_MAX.as_millis() / TICK.as_millis();
        for _ in 0..3 {
            for _ in 0..most {
                silence.tick().unwrap();
            }
            heard.fetch_add(2, Ordering::Relaxed);
        }
        for _ in 0..most {
            silence.tick().unwrap();
        }
        assert!(matches!(silence.tick(), Err(UnpackError::Stuck)));
    }

    #[test]
    fn who_reads_our_output_slowly_does_not_make_the_helper_silent() {
        let heard = AtomicU64::new(1);
        let mut silence = Silence::new(&heard);
        for _ in 0..2 * SILENCE_MAX.as_millis() / TICK.as_millis() {
            silence.tick().unwrap();
        }
    }
}
