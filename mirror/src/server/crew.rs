//! The threads that serve connections: each has a runtime of its own and keeps
//! a connection from its beginning to its end, as nginx's workers do.
//!
//! The threads of one common runtime share a queue of events, and wake each
//! other for what one of them cannot take alone, which costs a small answer
//! more than making it. What takes its time (a disk, a page that is made) is
//! left to other threads in any case; a connection holds up its neighbours for
//! a handshake, or for what is sent in one turn.
//!
//! A connection goes to whoever has the fewest.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that read from disks, all together, and the fewest of each worker.
const READERS: usize = 512;
const READERS_MIN: usize = 16;

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Crew {
    workers: Arc<[Worker]>,
    ends: Vec<End>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Shared by its connections.
    busy: Arc<()>,
}

/// Ends a thread when the sender is dropped.
type End = (oneshot::Sender<()>, JoinHandle<()>);

/// Gives connections to the threads. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Foreman(Arc<[Worker]>);

/// A connection's place with one of the threads, until it is dropped.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) runtime: Handle,
    _busy: Arc<()>,
}

impl Crew {
    /// One thread for each processor, or as many as have enough readers. Not to
    /// be called by a thread of a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = count.min(READERS / READERS_MIN);
        let (mut workers, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (worker, end) = start(READERS / count)?;
            workers.push(worker);
            ends.push(end);
        }
        Ok(Self {
            workers: workers.into(),
            ends,
        })
    }

    pub(super) fn foreman(&self) -> Foreman {
        Foreman(Arc::clone(&self.workers))
    }

    /// Answers once each of the threads has had time for it.
    pub(super) fn answer(&self, answer: oneshot::Sender<()>) {
        let seen = self
            .workers
            .iter()
            .map(|worker| worker.runtime.spawn(async {}));
        let seen: Vec<_> = seen.collect();
        tokio::spawn(async move {
            for seen in seen {
                if seen.await.is_err() {
                    return;
                }
            }
            // Whoever asked may have gone.
            let _ = answer.send(());
        });
    }

    /// Ends the threads, and waits for them.
    pub(super) fn end(self) {
        let (senders, threads): (Vec<_>, Vec<_>) = self.ends.into_iter().unzip();
        drop(senders);
        for thread in threads {
            // A panic of that thread has been reported by it.
            let _ = thread.join();
        }
    }
}

fn start(readers: usize) -> io::Result<(Worker, End)> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name("mirror-reader")
        .max_blocking_threads(readers)
        .build()?;
    let worker = Worker {
        runtime: runtime.handle().clone(),
        busy: Arc::default(),
    };
    let (end, ended) = oneshot::channel();
    let serve = move || {
        // The sender is only dropped.
        let _ = runtime.block_on(ended);
    };
    let thread = thread::Builder::new().name("mirror-worker".into());
    Ok((worker, (end, thread.spawn(serve)?)))
}

impl Foreman {
    /// A place with the thread that has the fewest connections.
    pub(crate) fn post(&self) -> Post {
        let idlest = self.0.iter().min_by_key(|w| Arc::strong_count(&w.busy));
        let worker = idlest.expect("there is a processor");
        Post {
            runtime: worker.runtime.clone(),
            _busy: Arc::clone(&worker.busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out() {
        let crew = Crew::new().unwrap();
        let count = crew.workers.len();
        let foreman = crew.foreman();
        let posts: Vec<_> = (0..3 * count).map(|_| foreman.post()).collect();
        for worker in &*crew.workers {
            let here = posts.iter().filter(|p| Arc::ptr_eq(&p._busy, &worker.busy));
            assert_eq!(here.count(), 3);
        }
        drop(posts);
        let name = foreman.post().runtime.spawn(async {
            let name = thread::current().name().map(str::to_owned);
            name.unwrap_or_default()
        });
        let here = Builder::new_current_thread().build().unwrap();
        assert_eq!(here.block_on(name).unwrap(), "mirror-worker");
        crew.end();
    }
}
