//! What is wrong with the server or its store, as the log says it: with its
//! causes, and not again for each request that meets it, since clients decide
//! how many these are.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a fault is not told again.
const PAUSE: Duration = Duration::from_secs(60);
/// Most faults that are told in that time.
const FAULTS_MAX: usize = 64;

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

/// Faults that were told, and when.
#[derive(Default)]
struct Told(HashMap<String, Instant>);

impl Told {
    fn is_news(&mut self, fault: &str, now: Instant) -> bool {
        self.0.retain(|_, at| now.duration_since(*at) < PAUSE);
        let is_news = self.0.len() < FAULTS_MAX && !self.0.contains_key(fault);
        if is_news {
            self.0.insert(fault.to_owned(), now);
        }
        is_news
    }
}

/// Whether a fault is to be told now.
pub(crate) fn is_news(fault: &str) -> bool {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    told.is_news(fault, Instant::now())
}

/// Tells a fault, if it is to be told now.
pub(crate) fn tell(fault: &str) {
    if is_news(fault) {
        tracing::error!("{fault}");
    }
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_a_minute_and_not_too_many_are() {
        let mut told = Told::default();
        let now = Instant::now();
        assert!(told.is_news("a", now));
        assert!(!told.is_news("a", now + PAUSE / 2));
        assert!(told.is_news("b", now + PAUSE / 2));
        assert!(told.is_news("a", now + PAUSE));
        let later = now + 3 * PAUSE;
        let all = 0..2 * FAULTS_MAX;
        let news = all.filter(|number| told.is_news(&number.to_string(), later));
        assert_eq!(news.count(), FAULTS_MAX);
    }
}
