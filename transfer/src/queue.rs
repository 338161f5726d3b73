//! Many files, several at a time, each handed on as soon as it is complete.

use crate::watch::{Meter, Watch};
use crate::{Cache, Client, Request, TransferError};
use hatchery_image::Progress;
use hatchery_image::progress::{Running, Stage, Unit};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Most downloads at a time, whatever the caller asks for: more only annoy
/// the mirror.
const PARALLEL_MAX: usize = 32;

/// Most complete files that wait, open, to be worked on. Beyond that,
/// downloads wait for the work.
const WAITING_MAX: usize = 128;

/// How long a download waits before it looks for room again.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What the threads of one call share.
struct Shared<'a, E> {
    requests: &'a [Request],
    next: AtomicUsize,
    abandoned: AtomicBool,
    first_error: Mutex<Option<E>>,
}

impl<E> Shared<'_, E> {
    /// Keeps the first error and stops everybody.
    fn fail(&self, error: E) {
        let mut first = self
            .first_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What the others then say is only that they were stopped.
        if !self.abandoned.swap(true, Ordering::Relaxed) {
            *first = Some(error);
        }
    }
}

impl Client {
    /// Many files into the cache, `parallel` at a time, in the order of the
    /// requests. `done` is called with the request's index as each one is
    /// complete and verified, on as many threads as there are processors, so
    /// that work on it overlaps with the other downloads.
    ///
    /// # Errors
    /// The first one that failed everywhere; `done`'s own error stops too.
    pub fn download_all<E: From<TransferError> + Send>(
        &self,
        requests: &[Request],
        cache: &Cache,
        parallel: usize,
        done: &(dyn Fn(usize, File) -> Result<(), E> + Sync),
        progress: &Progress,
    ) -> Result<(), E> {
        let total = requests.iter().map(|r| r.size).sum();
        let running = progress.begin(Stage::Download, total, Unit::Bytes);
        let shared = Shared {
            requests,
            next: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            first_error: Mutex::new(None),
        };
        let downloads = parallel.clamp(1, PARALLEL_MAX).min(requests.len());
        let workers = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(requests.len());
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let receiver = Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(&shared, &receiver, done));
            }
            for _ in 0..downloads {
                let sender = sender.clone();
                scope.spawn(|| {
                    let sender = sender;
                    self.fetch_from(&shared, cache, &sender, progress, &running);
                });
            }
            // The workers stop when the last download drops its end.
            drop(sender);
        });
        let error = shared
            .first_error
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(()), Err)
    }

    fn fetch_from<E: From<TransferError>>(
        &self,
        shared: &Shared<'_, E>,
        cache: &Cache,
        sender: &SyncSender<(usize, File)>,
        progress: &Progress,
        running: &Running,
    ) {
        let watch = Watch {
            progress,
            abandoned: &shared.abandoned,
        };
        loop {
            let index = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = shared.requests.get(index) else {
                return;
            };
            let mut meter = Meter::new(Some(running));
            match self.download_one(request, cache, &mut meter, watch) {
                Ok(file) => {
                    if let Err(error) = hand_over(sender, (index, file), watch) {
                        return shared.fail(error.into());
                    }
                }
                Err(error) => return shared.fail(error.into()),
            }
        }
    }
}

/// Waits for room in the queue, but not for ever when nobody works any more.
fn hand_over(
    sender: &SyncSender<(usize, File)>,
    mut complete: (usize, File),
    watch: Watch<'_>,
) -> Result<(), TransferError> {
    loop {
        match sender.try_send(complete) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => return Ok(()),
            Err(TrySendError::Full(back)) => complete = back,
        }
        watch.check()?;
        std::thread::sleep(FULL_PAUSE);
    }
}

/// Stops the downloads when `done` panics.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn work<E>(
    shared: &Shared<'_, E>,
    receiver: &Mutex<Receiver<(usize, File)>>,
    done: &(dyn Fn(usize, File) -> Result<(), E> + Sync),
) {
    let _alarm = Alarm(&shared.abandoned);
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((index, file)) = next else {
            return;
        };
        if shared.abandoned.load(Ordering::Relaxed) {
            continue;
        }
        if let Err(error) = done(index, file) {
            shared.fail(error);
        }
    }
}
