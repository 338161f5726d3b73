//! The access log's way out: lines are made where answers end, and written by
//! a thread of their own.
//!
//! The server's threads never wait for a disk, a pipe or a terminal: between
//! them and the writer there is room for [`LINES_MAX`] lines, and what does
//! not fit is left out and counted.

mod line;

use crate::access::AccessLog;
use jiff::Timestamp;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines that wait for the writer at most; about 1 MiB of usual ones.
pub const LINES_MAX: usize = 4096;
/// Bytes that are written at once, about.
const BATCH: usize = 64 << 10;
/// How often and after which pause a writer that hangs is tried: a second.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);
/// How long lines gather after some were written: whoever adds one wakes nobody
/// meanwhile, which would cost an answer more than its line.
const GATHER: Duration = Duration::from_millis(5);

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Words, for people.
    Plain,
    /// A JSON object.
    Json,
}

/// Where lines go.
pub struct LogOutput(Box<dyn Write + Send>);

impl LogOutput {
    /// Appends to a file, which is made if there is none, readable by owner
    /// and group.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn file(path: &Path) -> Result<Self, LogError> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        let file = options.open(path).map_err(|source| LogError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self(Box::new(file)))
    }

    /// To a stream; each write holds whole lines.
    #[must_use]
    pub fn stream(stream: impl Write + Send + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogOutput")
    }
}

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the access log {path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The thread waits for whoever should take the lines.
    #[error("the access log's writer hangs")]
    Hangs,
    /// The thread did not start.
    #[error("cannot start the thread that writes the access log")]
    Thread(#[source] io::Error),
}

enum Message {
    Line(String),
    /// Write here from now on.
    Out(LogOutput),
    End,
}

/// Writes lines in a thread of its own, until it is dropped: then what was
/// logged before is written first.
#[derive(Debug)]
pub struct LogWriter {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(out: LogOutput) -> Result<Self, LogError> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let writer = Writer {
            out,
            is_failing: false,
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(LogError::Thread)?;
        Ok(Self {
            sender,
            dropped: Arc::default(),
            thread: Some(thread),
        })
    }

    /// What a server logs to. `now` gives the time of a line.
    #[must_use]
    pub fn log(&self, format: LogFormat, now: fn() -> Timestamp) -> AccessLog {
        let (sender, dropped) = (self.sender.clone(), Arc::clone(&self.dropped));
        Arc::new(move |access| {
            let line = line::line(format, access, now());
            if sender.try_send(Message::Line(line)).is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// How many lines were left out so far.
    #[must_use]
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.dropped)
    }

    /// Writes there from now on: to another file, or to the same one opened
    /// again, because whoever rotates logs has moved it away.
    ///
    /// # Errors
    /// The writer hangs; lines go where they went before.
    pub fn switch(&self, out: LogOutput) -> Result<(), LogError> {
        match self.send(Message::Out(out)) {
            true => Ok(()),
            false => Err(LogError::Hangs),
        }
    }

    /// Sends something between the lines. A writer that hangs, because nobody
    /// reads the pipe, is not waited for: whether there was room.
    fn send(&self, message: Message) -> bool {
        let mut message = message;
        for _ in 0..TRIES {
            match self.sender.try_send(message) {
                Err(TrySendError::Full(again)) => message = again,
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
            }
            std::thread::sleep(PAUSE);
        }
        false
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.send(Message::End);
        let Some(thread) = self.thread.take() else {
            return;
        };
        for _ in 0..TRIES {
            if thread.is_finished() {
                // A panic of that thread has been reported by it.
                let _ = thread.join();
                return;
            }
            std::thread::sleep(PAUSE);
        }
        tracing::error!("the access log's writer hangs; its last lines are lost");
    }
}

struct Writer {
    out: LogOutput,
    /// Whether the last write failed, which is said once.
    is_failing: bool,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut batch = String::new();
        while let Ok(message) = receiver.recv() {
            let mut message = Some(message);
            let mut has_room = true;
            // What has gathered meanwhile is written together.
            while let Some(now) = message {
                match now {
                    Message::Line(line) => batch.push_str(&line),
                    Message::Out(out) => {
                        self.write(&mut batch);
                        self.out = out;
                    }
                    Message::End => {
                        self.write(&mut batch);
                        return;
                    }
                }
                has_room = batch.len() < BATCH;
                message = has_room.then(|| receiver.try_recv().ok()).flatten();
            }
            self.write(&mut batch);
            // With more to write already, nobody would be woken.
            if has_room {
                std::thread::sleep(GATHER);
            }
        }
    }

    fn write(&mut self, batch: &mut String) {
        let written = self.out.0.write_all(batch.as_bytes());
        batch.clear();
        match written.and_then(|()| self.out.0.flush()) {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                tracing::error!(%error, "cannot write the access log");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
