//! What this thread tells the log and asks of the disk.

use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The warnings and errors that it tells meanwhile.
pub(super) fn warnings(run: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let lines = Arc::clone(&log.0);
    tracing::subscriber::with_default(log, run);
    let lines = lines.lock().unwrap();
    lines.clone()
}

/// The bytes of files that it reads meanwhile.
pub(super) fn bytes_read(run: impl FnOnce()) -> u64 {
    let count = || {
        let text = fs::read_to_string("/proc/thread-self/io").unwrap();
        let (_, rest) = text.split_once("rchar: ").unwrap();
        (
            rest.lines().next().unwrap().parse::<u64>().unwrap(),
            text.len() as u64,
        )
    };
    let (before, itself) = count();
    run();
    // Counting reads, too.
    count().0 - before - itself
}

#[derive(Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?} ");
    }
}
