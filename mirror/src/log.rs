//! The access log's way out: lines are made where answers end, and written by
//! a thread of their own.
//!
//! The server's threads never wait for a disk, a pipe or a terminal: between
//! them and the writer there is room for [`LINES_MAX`] lines, and what does
//! not fit is left out and counted. A plain line is the time and the
//! [`Access`] in words; a JSON one is an object with the keys of [`Line`].
//! Whatever a client sent, a line holds no control character, those of C1 and
//! DEL included.

use crate::access::{Access, AccessLog};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::{self, Write as _};
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
            let line = match format {
                LogFormat::Plain => plain(access, now()),
                LogFormat::Json => json(access, now()),
            };
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
                let has_room = batch.len() < BATCH;
                message = has_room.then(|| receiver.try_recv().ok()).flatten();
            }
            self.write(&mut batch);
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

fn plain(access: &Access, now: Timestamp) -> String {
    format!("{now:.3} {access}\n")
}

/// The keys of a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    /// When the answer ended, RFC 3339.
    time: String,
    /// The client's address, or `unix`.
    remote: String,
    method: &'a str,
    /// Path and query as sent, cut to 512 characters.
    target: &'a str,
    /// `HTTP/1.1` and so on.
    protocol: String,
    status: u16,
    /// Bytes of the body handed to the connection.
    bytes: u64,
    /// Whether that was all of them.
    complete: bool,
    /// From the request's head to the body's end.
    seconds: f64,
    /// The `User-Agent`, cut to 512 characters.
    agent: &'a str,
}

fn json(access: &Access, now: Timestamp) -> String {
    let line = Line {
        time: format!("{now:.3}"),
        remote: access.remote.to_string(),
        method: access.method.as_str(),
        target: &access.target,
        protocol: format!("{:?}", access.version),
        status: access.status,
        bytes: access.bytes,
        complete: access.complete,
        seconds: access.duration.as_secs_f64(),
        agent: &access.agent,
    };
    let text = serde_json::to_string(&line).unwrap_or_else(|_| "{}".to_owned());
    // JSON lets DEL and the C1 controls stand, which a terminal obeys. They
    // can only be inside of strings.
    let mut escaped = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped.push('\n');
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Remote;
    use hyper::http::{Method, Version};

    fn access(agent: &str) -> Access {
        Access {
            remote: Remote::host("192.0.2.1:9".parse().unwrap()),
            method: Method::GET,
            target: "/a".into(),
            version: Version::HTTP_2,
            agent: agent.into(),
            status: 206,
            bytes: 3,
            complete: false,
            duration: Duration::from_millis(1500),
        }
    }

    fn now() -> Timestamp {
        "2026-11-22T01:02:03.5Z".parse().unwrap()
    }

    #[test]
    fn both_forms_say_when() {
        assert_eq!(
            plain(&access("curl"), now()),
            "2026-11-22T01:02:03.500Z 192.0.2.1 \"GET /a HTTP/2.0\" 206 3 incomplete 1.500s \"curl\"\n"
        );
        assert_eq!(
            json(&access("curl"), now()),
            "{\"time\":\"2026-11-22T01:02:03.500Z\",\"remote\":\"192.0.2.1\",\"method\":\"GET\",\
             \"target\":\"/a\",\"protocol\":\"HTTP/2.0\",\"status\":206,\"bytes\":3,\
             \"complete\":false,\"seconds\":1.5,\"agent\":\"curl\"}\n"
        );
    }

    #[test]
    fn no_line_holds_a_control_character() {
        let evil = "a\"b\\c\n\r\t\0\u{1b}[31m\u{7f}\u{9b}2J";
        for line in [plain(&access(evil), now()), json(&access(evil), now())] {
            let line = line.strip_suffix('\n').unwrap();
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        let line: serde_json::Value = serde_json::from_str(&json(&access(evil), now())).unwrap();
        assert_eq!(line["agent"], evil);
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let writer = LogWriter::start(LogOutput::file(&path).unwrap()).unwrap();
        let log = writer.log(LogFormat::Plain, now);
        log(&access("first"));
        // The line was written, wherever its file is now.
        while !std::fs::read_to_string(&path).unwrap().contains("first") {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::rename(&path, folder.path().join("access.log.1")).unwrap();
        writer.switch(LogOutput::file(&path).unwrap()).unwrap();
        log(&access("second"));
        drop(writer);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("second") && !text.contains("first"), "{text}");
    }

    /// A stream that takes nothing until its other end is dropped.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_stream_holds_up_nobody() {
        let (open, stuck) = std::sync::mpsc::channel();
        let writer = LogWriter::start(LogOutput::stream(Stuck(stuck))).unwrap();
        let log = writer.log(LogFormat::Plain, now);
        let asked = 3 * LINES_MAX;
        (0..asked).for_each(|_| log(&access("x")));
        let dropped = writer.dropped();
        let count = dropped.load(Ordering::Relaxed) as usize;
        assert!(count > 0 && count <= asked - LINES_MAX, "{count}");
        drop(open);
        drop(writer);
        log(&access("x"));
        let after = dropped.load(Ordering::Relaxed) as usize;
        assert_eq!(after, count + 1, "a line after the end");
    }
}
