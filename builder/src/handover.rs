//! Packages on their way from the threads that unpack them to the one that
//! installs them.
//!
//! They arrive in any order and are awaited in the order of installation, so
//! that nothing depends on who was quicker. Either side can make the other
//! one give up.

use hatchery_image::Progress;
use hatchery_image::progress::{Interrupted, Running, Stage, Unit};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the wish to stop is looked at while waiting.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Why one gave up.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The other side did, and knows why.
    Stopped,
    /// The user asked to stop.
    Interrupted(Interrupted),
}

/// Packages that threads share.
#[derive(Debug)]
pub(crate) struct Handover<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    progress: Progress,
}

#[derive(Debug)]
struct State<T> {
    packages: Vec<Option<Arc<T>>>,
    missing: usize,
    /// How many more may be worked on.
    free: usize,
    stopped: bool,
    /// None when all are there.
    running: Option<Running>,
}

impl<T> Handover<T> {
    /// For packages of these sizes in bytes, of which `parallel` are worked
    /// on at once.
    pub(crate) fn new(
        sizes: impl ExactSizeIterator<Item = u64>,
        parallel: usize,
        progress: &Progress,
    ) -> Self {
        let count = sizes.len();
        let total = sizes.sum();
        let state = State {
            packages: (0..count).map(|_| None).collect(),
            missing: count,
            free: parallel.max(1),
            stopped: false,
            running: Some(progress.begin(Stage::Unpack, Some(total), Unit::Bytes)),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            progress: progress.clone(),
        }
    }

    /// Waits for the right to work on a package.
    pub(crate) fn slot(&self) -> Result<Slot<'_, T>, Gone> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Err(Gone::Stopped);
            }
            if state.free > 0 {
                state.free -= 1;
                return Ok(Slot { handover: self });
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands over the package of this index, whose file has `size` bytes.
    pub(crate) fn put(&self, index: usize, package: T, size: u64) {
        let mut state = self.lock();
        state.packages[index] = Some(Arc::new(package));
        state.missing -= 1;
        if let Some(running) = &state.running {
            running.advance(size);
        }
        if state.missing == 0 {
            state.running = None;
        }
        self.changed.notify_all();
    }

    /// Makes everybody who waits or comes later give up.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits for packages, given by index.
    pub(crate) fn wait(&self, packages: &[usize]) -> Result<Vec<Arc<T>>, Gone> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Err(Gone::Stopped);
            }
            self.progress.check().map_err(Gone::Interrupted)?;
            let found: Option<Vec<_>> = packages
                .iter()
                .map(|index| state.packages[*index].clone())
                .collect();
            if let Some(found) = found {
                return Ok(found);
            }
            let waited = self.changed.wait_timeout(state, STOP_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to work on a package.
pub(crate) struct Slot<'h, T> {
    handover: &'h Handover<T>,
}

impl<T> Drop for Slot<'_, T> {
    fn drop(&mut self) {
        self.handover.lock().free += 1;
        self.handover.changed.notify_all();
    }
}

/// Stops the other side when it is dropped: also by a panic, which would
/// otherwise be waited for in vain.
struct Stopping<F: Fn()>(F);

impl<F: Fn()> Drop for Stopping<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `install` on a thread of its own while `feed` hands packages over. If
/// one of the two fails, `stop` stops the other one. The error is that of who
/// failed first: `stopped` tells an error that only says that the other one
/// did.
///
/// # Panics
/// If either does.
pub(crate) fn side_by_side<I: Send, E: From<I>>(
    install: impl FnOnce() -> Result<(), I> + Send,
    feed: impl FnOnce() -> Result<(), E>,
    stop: impl Fn() + Sync,
    stopped: impl FnOnce(&I) -> bool,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let installing = scope.spawn(|| {
            let other = Stopping(&stop);
            let done = install();
            if done.is_ok() {
                std::mem::forget(other);
            }
            done
        });
        let other = Stopping(&stop);
        let fed = feed();
        match fed {
            Ok(()) => std::mem::forget(other),
            Err(_) => drop(other),
        }
        let installed = installing.join();
        let installed = installed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match installed {
            Err(error) if stopped(&error) => fed,
            Err(error) => Err(error.into()),
            Ok(()) => fed,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// Installs two packages, of which the one that is fed first is the first.
    fn run(feed: impl FnOnce(&Handover<()>) -> Result<(), Gone>) -> Result<(), Gone> {
        let packages = Handover::new([1, 1].into_iter(), 1, &Progress::silent());
        side_by_side(
            || packages.wait(&[0, 1]).map(drop),
            || feed(&packages),
            || packages.stop(),
            |gone| matches!(gone, Gone::Stopped),
        )
    }

    #[test]
    fn packages_arrive_in_any_order() {
        run(|packages| {
            packages.put(1, (), 1);
            packages.put(0, (), 1);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn who_unpacks_and_panics_keeps_nobody_waiting() {
        let feed = |_: &Handover<()>| -> Result<(), Gone> { panic!("on purpose") };
        assert!(catch_unwind(AssertUnwindSafe(|| run(feed))).is_err());
    }
}
