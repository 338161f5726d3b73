//! What all bodies of a server take in memory together.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Above this many bytes in all blocks, every new one is the smallest.
const BLOCKS_TOTAL: usize = 24 << 20;
/// The most that all answers take which were made, in bytes: what a slow
/// client reads of is not shared with others.
const MADE_TOTAL: usize = 96 << 20;

/// Bytes in memory for all bodies of a server.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// In blocks of files.
    used: AtomicUsize,
    /// In answers that were made.
    made: AtomicUsize,
}

impl Budget {
    /// Whether there is too much in blocks to make them any larger than the
    /// smallest.
    pub(super) fn is_spent(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= BLOCKS_TOTAL
    }

    /// A block of so many bytes begins.
    pub(super) fn spend(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It ended.
    pub(super) fn regain(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts the bytes of an answer that was made for as long as they live;
    /// none if there are too many already.
    pub(crate) fn hold(self: &Arc<Self>, bytes: Bytes) -> Option<Bytes> {
        let before = self.made.fetch_add(bytes.len(), Ordering::Relaxed);
        let made = Made {
            bytes,
            budget: Arc::clone(self),
        };
        (before < MADE_TOTAL).then(|| Bytes::from_owner(made))
    }
}

/// An answer that was made, counted while it lives.
struct Made {
    bytes: Bytes,
    budget: Arc<Budget>,
}

impl AsRef<[u8]> for Made {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.budget
            .made
            .fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_counted_while_it_lives_and_has_an_end() {
        let budget = Arc::new(Budget::default());
        let page = || Bytes::from(vec![0; MADE_TOTAL / 2]);
        let first = budget.hold(page()).unwrap();
        let slice = first.slice(..1);
        let second = budget.hold(page()).unwrap();
        assert!(budget.hold(page()).is_none());
        drop(second);
        let third = budget.hold(page());
        assert!(third.is_some());
        drop((first, third));
        // A client still reads the first.
        assert_eq!(budget.made.load(Ordering::Relaxed), MADE_TOTAL / 2);
        drop(slice);
        assert_eq!(budget.made.load(Ordering::Relaxed), 0);
    }
}
