//! When a connection last did anything, and how long it may do nothing.
//!
//! hyper limits the time for a request's head, but neither that before the
//! first byte (while HTTP/1 and 2 are told apart) nor that of a client that
//! stopped reading, nor that of an HTTP/2 connection which only answers
//! pings. So each connection counts its requests under way and notes when a
//! block of a body was last asked for; the connection's task looks at both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
}

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
            }),
        }
    }

    /// A request begins; it ends when the returned value is dropped.
    pub(crate) fn begin(&self) -> Flight {
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let flight = Flight {
            shared: Arc::clone(&self.shared),
        };
        flight.progress();
        flight
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
        let now = u64::try_from(self.shared.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.shared.progress.store(now, Ordering::Relaxed);
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
        let flight = activity.begin();
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
}
