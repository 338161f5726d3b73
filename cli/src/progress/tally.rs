//! How far each stage is. A stage that begins again while it runs (two
//! downloads at once) is one stage with the sum of both.

use crate::size;
use hatchery_image::progress::{Stage, Unit};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// All stages under way.
#[derive(Debug, Default)]
pub(crate) struct Tally(HashMap<Stage, Count>);

/// How far one stage is.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    /// How much is done, in `unit`.
    pub done: u64,
    /// How much there is to do, if known.
    pub total: Option<u64>,
    /// In what.
    pub unit: Unit,
    begun: Instant,
    running: u32,
}

impl Tally {
    /// A stage begins; true if it was not under way.
    pub(crate) fn begin(&mut self, stage: Stage, total: Option<u64>, unit: Unit) -> bool {
        if let Some(count) = self.0.get_mut(&stage) {
            count.running += 1;
            count.total = count.total.zip(total).map(|(a, b)| a.saturating_add(b));
            return false;
        }
        self.0.insert(
            stage,
            Count {
                done: 0,
                total,
                unit,
                begun: Instant::now(),
                running: 1,
            },
        );
        true
    }

    /// More of it is done.
    pub(crate) fn advance(&mut self, stage: Stage, by: u64) -> Option<&Count> {
        let count = self.0.get_mut(&stage)?;
        count.done = count.done.saturating_add(by);
        Some(count)
    }

    /// A stage ends; what it came to, if it is not still under way elsewhere.
    pub(crate) fn end(&mut self, stage: Stage) -> Option<Count> {
        let count = self.0.get_mut(&stage)?;
        count.running -= 1;
        if count.running > 0 {
            return None;
        }
        self.0.remove(&stage)
    }

    /// How far it is.
    pub(crate) fn get(&self, stage: Stage) -> Option<&Count> {
        self.0.get(&stage)
    }
}

impl Count {
    /// Time since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// `49.1 MiB in 1.3 s (37.8 MiB/s)`, `132 in 2.6 s`, or `0.1 s`.
    pub(crate) fn summary(&self) -> String {
        let elapsed = self.elapsed();
        let took = format!("{:.1} s", elapsed.as_secs_f64());
        if self.done == 0 {
            return took;
        }
        match self.unit {
            Unit::Bytes => {
                let done = size::human(self.done);
                match self.rate() {
                    Some(rate) => format!("{done} in {took} ({rate})"),
                    None => format!("{done} in {took}"),
                }
            }
            Unit::Items => format!("{} in {took}", self.done),
        }
    }

    /// `12.0 MiB of 49.1 MiB`, or `17 of 132`.
    pub(crate) fn state(&self) -> String {
        let show = |n| match self.unit {
            Unit::Bytes => size::human(n),
            Unit::Items => n.to_string(),
        };
        match self.total {
            Some(total) => format!("{} of {}", show(self.done), show(total)),
            None => show(self.done),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rate for people; an `as` from float saturates"
    )]
    fn rate(&self) -> Option<String> {
        let seconds = self.elapsed().as_secs_f64();
        // A rate over less than a twentieth of a second says nothing.
        (seconds > 0.05).then(|| format!("{}/s", size::human((self.done as f64 / seconds) as u64)))
    }
}

/// The stage's name as users read it.
pub(crate) fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "resolve",
        Stage::Download => "download",
        Stage::Unpack => "unpack",
        Stage::Configure => "configure",
        Stage::Settings => "settings",
        Stage::Network => "network",
        Stage::Lint => "lint",
        Stage::Pack => "pack",
        Stage::Sign => "sign",
        Stage::Publish => "publish",
        Stage::Verify => "verify",
        Stage::Limit => "limit",
        Stage::Boot => "boot",
        Stage::Remove => "remove",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_begins_twice_ends_once_with_the_sum() {
        let mut tally = Tally::default();
        assert!(tally.begin(Stage::Download, Some(10), Unit::Bytes));
        assert!(!tally.begin(Stage::Download, Some(5), Unit::Bytes));
        tally.advance(Stage::Download, 7);
        assert!(tally.end(Stage::Download).is_none());
        let count = tally.end(Stage::Download).unwrap();
        assert_eq!((count.done, count.total), (7, Some(15)));
        assert!(tally.get(Stage::Download).is_none());
    }
}
