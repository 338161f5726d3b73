//! The writer: files that move, and streams that are stuck.

use super::*;
use crate::access::Access;
use crate::server::Remote;
use hyper::http::{Request, Version};
use std::time::Instant;

pub(super) fn access(agent: &str) -> Access {
    Access {
        remote: Remote::host("192.0.2.1:9".parse().unwrap()),
        request: Request::get("/a")
            .version(Version::HTTP_2)
            .header("user-agent", agent.as_bytes())
            .body(())
            .unwrap(),
        status: 206,
        bytes: 3,
        complete: false,
        duration: Duration::from_millis(1500),
    }
}

pub(super) fn now() -> Timestamp {
    "2026-11-22T01:02:03.5Z".parse().unwrap()
}

#[test]
fn a_file_that_was_moved_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let writer = LogWriter::start(LogOutput::file(&path).unwrap()).unwrap();
    let log = writer.log(LogFormat::Plain, now);
    log(&access("first"));
    // The line was written, wherever its file is now.
    let end = Instant::now() + Duration::from_secs(30);
    while !std::fs::read_to_string(&path).unwrap().contains("first") {
        assert!(Instant::now() < end, "it is not written");
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
