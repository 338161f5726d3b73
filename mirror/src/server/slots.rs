//! How many connections may be open at once, and how many of them the limit
//! of open files allows.

use crate::answers::ANSWERS_MAX;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Files that the process holds open besides its connections: what is being
/// sent, each file once, and what was found a moment ago.
const SPARE_FILES: u64 = 512 + ANSWERS_MAX as u64;

/// One slot for each connection that may be open. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    all: Arc<AtomicUsize>,
}

impl Slots {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(all)),
            all: Arc::new(AtomicUsize::new(all)),
        }
    }

    /// Waits for a slot; it is free again when the returned value is dropped.
    pub(crate) async fn take(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    /// How many may be open.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn taken(&self) -> usize {
        self.all().saturating_sub(self.free.available_permits())
    }

    /// Whether so many connections are open that idle ones are a burden.
    pub(crate) fn crowded(&self) -> bool {
        self.taken() > self.all() / 4
    }

    /// Changes how many there are. What is taken stays so: with fewer slots,
    /// nobody gets one until enough are free. Must be called within a runtime.
    pub(crate) fn resize(&self, all: usize) {
        let before = self.all.swap(all, Ordering::Relaxed);
        if all >= before {
            self.free.add_permits(all - before);
            return;
        }
        let (free, fewer) = (Arc::clone(&self.free), before - all);
        tokio::spawn(async move {
            let fewer = u32::try_from(fewer).unwrap_or(u32::MAX);
            if let Ok(permits) = free.acquire_many_owned(fewer).await {
                permits.forget();
            }
        });
    }
}

/// How many connections the limit of open files allows, after it was raised
/// as far as needed and possible.
pub(crate) fn affordable(connections: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = connections as u64 + SPARE_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return connections;
    }
    // The hard limit gives way to root alone.
    let hard = limit.maximum.map(|maximum| maximum.max(needed));
    let possible = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    for (current, maximum) in [(needed, hard), (possible, limit.maximum)] {
        let raised = Rlimit {
            current: Some(current),
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    if files >= needed {
        return connections;
    }
    let fewer = files.saturating_sub(SPARE_FILES).max(1);
    tracing::warn!(
        wanted = connections,
        possible = fewer,
        "the limit of open files allows fewer connections"
    );
    usize::try_from(fewer).unwrap_or(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_number_of_slots_changes_under_way() {
        let slots = Slots::new(2);
        let first = slots.take().await;
        let second = slots.take().await;
        assert_eq!(slots.taken(), 2);
        slots.resize(3);
        let third = slots.take().await;
        slots.resize(1);
        tokio::task::yield_now().await;
        drop((first, second));
        tokio::task::yield_now().await;
        assert_eq!(slots.taken(), 1);
        let full = tokio::time::timeout(std::time::Duration::from_millis(50), slots.take()).await;
        assert!(full.is_err());
        drop(third);
        drop(slots.take().await);
    }
}
