//! Waiting that ends: by what was waited for, a time-out, the user's wish to
//! stop, or the failure of a sibling.

use crate::error::{Failure, Stop};
use hatchery_image::Progress;
use hatchery_image::progress::{Interrupted, Running};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a wait looks whether it should go on.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Whether to go on.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) progress: &'a Progress,
    /// Set when another part of the same work failed.
    pub(crate) abandoned: &'a AtomicBool,
}

impl Watch<'_> {
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(Interrupted);
        }
        self.progress.check()
    }

    /// The future's output, unless it takes longer than `limit`.
    pub(crate) async fn within<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Stop> {
        let mut future = pin!(future);
        let begun = Instant::now();
        loop {
            self.check()?;
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Failure::Stalled(limit).into());
            }
            if let Ok(output) = tokio::time::timeout(left.min(TICK), &mut future).await {
                return Ok(output);
            }
        }
    }

    /// Sleeps on this thread.
    pub(crate) fn pause(&self, duration: Duration) -> Result<(), Interrupted> {
        let begun = Instant::now();
        loop {
            self.check()?;
            let left = duration.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }
}

/// Reports bytes of one request, each only once however often they arrive.
pub(crate) struct Meter<'a> {
    running: Option<&'a Running>,
    reported: u64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(running: Option<&'a Running>) -> Self {
        Self {
            running,
            reported: 0,
        }
    }

    /// `position` bytes are there.
    pub(crate) fn reached(&mut self, position: u64) {
        if let Some(by) = position.checked_sub(self.reported).filter(|by| *by > 0) {
            self.reported = position;
            if let Some(running) = self.running {
                running.advance(by);
            }
        }
    }
}
