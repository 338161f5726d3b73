//! How long the process that unpacks may be silent.

use super::UnpackError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a wait looks whether the user wants to stop.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How long the helper may say nothing and read nothing. It says every two
/// seconds that it lives, however slow the disk is; so this is one that was
/// stopped, or a host that does not run it. Time in which this process did not
/// run either does not count.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long nothing was heard of the helper.
pub(super) struct Silence<'a> {
    heard: &'a AtomicU64,
    last: u64,
    ticks: u32,
}

impl<'a> Silence<'a> {
    pub(super) fn new(heard: &'a AtomicU64) -> Self {
        Self {
            heard,
            last: heard.load(Ordering::Relaxed),
            ticks: 0,
        }
    }

    /// One more [`TICK`] has gone by. Ticks are counted, and not the time: a
    /// process that was stopped with its helper goes on with it, too.
    pub(super) fn tick(&mut self) -> Result<(), UnpackError> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
