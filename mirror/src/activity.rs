//! When a connection last did anything, and how long it may do nothing.
//!
//! hyper limits the time for a request's head, but neither that before the
//! first byte (while HTTP/1 and 2 are told apart) nor that of a client that
//! stopped reading, nor that of an HTTP/2 connection which only answers
//! pings. So each connection counts its requests under way and notes when
//! something of a body was last taken; the connection's task looks at both.
//!
//! What was taken by the kernel may wait there for a slow client, whose progress
//! shows in how much of it still waits. That is asked for before a connection is
//! judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The patience of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a request's head, from the connection's start or the end of the
    /// last answer.
    pub head: Duration,
    /// The same, while more than a quarter of all connections are taken.
    pub head_when_crowded: Duration,
    /// For a client that takes nothing of an answer.
    pub stalled: Duration,
    /// The same, while that many are taken.
    pub stalled_when_crowded: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            head_when_crowded: Duration::from_secs(5),
            stalled: Duration::from_secs(60),
            stalled_when_crowded: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// The least of them all.
    pub(crate) fn least(&self) -> Duration {
        let heads = self.head.min(self.head_when_crowded);
        let stalled = self.stalled.min(self.stalled_when_crowded);
        heads.min(stalled)
    }
}

/// What a connection is doing. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Milliseconds from `began` to the last progress.
    progress: AtomicU64,
    requests: AtomicUsize,
    /// Bytes that waited in the kernel when that was last told.
    waiting: AtomicU32,
    /// Whether that is to be told.
    asked: AtomicBool,
    /// Whether no further request is wanted.
    ending: AtomicBool,
    /// Whether the client was given up.
    cut: AtomicBool,
}

/// Bytes that a client must take from the kernel to be seen.
const STEP: u32 = 64 << 10;

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing, for this long at least.
    Wait(Duration),
    /// It idles: say good-bye.
    Idle,
    /// It hangs: cut it.
    Stalled,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                began: Instant::now(),
                progress: AtomicU64::new(0),
                requests: AtomicUsize::new(0),
                waiting: AtomicU32::new(0),
                asked: AtomicBool::new(false),
                ending: AtomicBool::new(false),
                cut: AtomicBool::new(false),
            }),
        }
    }

    /// A request begins now; it ends when the returned value is dropped.
    pub(crate) fn begin(&self, now: Instant) -> Flight {
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        self.shared.progress(now);
        Flight {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Asks how much waits in the kernel, when the connection is looked after
    /// next.
    pub(crate) fn ask(&self) {
        self.shared.asked.store(true, Ordering::Relaxed);
    }

    /// Takes what waits there now, if that was asked for.
    pub(crate) fn tell(&self, waiting: impl FnOnce() -> Option<u32>) {
        let shared = &self.shared;
        if !shared.asked.load(Ordering::Relaxed) {
            return;
        }
        shared.asked.store(false, Ordering::Relaxed);
        let Some(now) = waiting() else { return };
        let before = shared.waiting.load(Ordering::Relaxed);
        if now.saturating_add(STEP) <= before {
            shared.progress(Instant::now());
        } else if now <= before {
            // Too little: it counts with what is taken next.
            return;
        }
        shared.waiting.store(now, Ordering::Relaxed);
    }

    /// Says that no further request is wanted.
    pub(crate) fn end(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub(crate) fn is_ending(&self) -> bool {
        self.shared.ending.load(Ordering::Relaxed)
    }

    /// Gives the client up.
    pub(crate) fn cut(&self) {
        self.shared.cut.store(true, Ordering::Relaxed);
    }

    /// Whether that was done.
    pub(crate) fn is_cut(&self) -> bool {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// What is to be done, `crowded` or not.
    pub(crate) fn verdict(&self, patience: &Patience, crowded: bool) -> Verdict {
        let progress = Duration::from_millis(self.shared.progress.load(Ordering::Relaxed));
        let passed = self.shared.began.elapsed().saturating_sub(progress);
        let busy = self.shared.requests.load(Ordering::Relaxed) > 0;
        let limit = match (busy, crowded) {
            (true, true) => patience.stalled_when_crowded,
            (true, false) => patience.stalled,
            (false, true) => patience.head_when_crowded,
            (false, false) => patience.head,
        };
        match limit.checked_sub(passed) {
            Some(left) if !left.is_zero() => Verdict::Wait(left),
            _ if busy => Verdict::Stalled,
            _ => Verdict::Idle,
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Flight {
    shared: Arc<Shared>,
}

impl Flight {
    /// Something of it was asked for or done.
    pub(crate) fn progress(&self) {
        self.shared.progress(Instant::now());
    }
}

impl Shared {
    fn progress(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        let now = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        self.progress.store(now, Ordering::Relaxed);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.progress();
        self.shared.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(100),
        head_when_crowded: Duration::ZERO,
        stalled: Duration::from_secs(300),
        stalled_when_crowded: Duration::from_secs(200),
    };

    #[test]
    fn the_busy_and_the_idle_have_their_own_limits() {
        let activity = Activity::new();
        let wait = |crowded| match activity.verdict(&PATIENCE, crowded) {
            Verdict::Wait(left) => left.as_secs_f64().round(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(false), 100.0);
        assert_eq!(activity.verdict(&PATIENCE, true), Verdict::Idle);
        let flight = activity.begin(Instant::now());
        assert_eq!(wait(false), 300.0);
        assert_eq!(wait(true), 200.0);
        let none = Patience {
            stalled: Duration::ZERO,
            ..PATIENCE
        };
        assert_eq!(activity.verdict(&none, false), Verdict::Stalled);
        drop(flight);
        assert_eq!(wait(false), 100.0);
    }

    #[test]
    fn what_is_taken_from_the_kernel_counts_when_it_is_enough() {
        let activity = Activity::new();
        let _flight = activity.begin(Instant::now());
        let progress = || activity.shared.progress.load(Ordering::Relaxed);
        let told = |waiting| {
            activity.shared.progress.store(0, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
            activity.tell(|| panic!("nobody asked"));
            activity.ask();
            activity.tell(|| waiting);
            progress() > 0
        };
        // What is written meanwhile is seen when it is written.
        assert!(!told(Some(5 * STEP)));
        assert!(told(Some(4 * STEP)));
        assert!(!told(Some(4 * STEP - 1)));
        assert!(!told(Some(3 * STEP + 1)));
        assert!(told(Some(3 * STEP)));
        assert!(!told(Some(3 * STEP)));
        assert!(!told(None));
        assert!(!told(Some(9 * STEP)));
        assert!(told(Some(0)));
    }
}
