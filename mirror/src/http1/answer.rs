//! The head of an answer, as bytes.

use crate::reply::Answer;
use httpdate::HttpDate;
use hyper::http::{StatusCode, header};
use std::cell::RefCell;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// About what a head takes, in bytes.
const HEAD: usize = 512;

/// Writes the head of an answer, after which the connection `is_kept` or not.
pub(super) fn head(answer: &Answer, is_kept: bool) -> Vec<u8> {
    let (status, headers) = (answer.status, &answer.headers);
    debug_assert!(
        status == StatusCode::NOT_MODIFIED
            || headers
                .iter()
                .any(|(name, _)| name == header::CONTENT_LENGTH),
        "the client would not know where the body ends"
    );
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    for (name, value) in headers.iter() {
        line(&mut head, name.as_str(), value.as_bytes());
    }
    if !is_kept {
        line(&mut head, "connection", b"close");
    }
    date(|date| line(&mut head, "date", date));
    head.extend_from_slice(b"\r\n");
    head
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// Hands on the time, which is written anew once in a second.
fn date(tell: impl FnOnce(&[u8])) {
    thread_local! {
        static WRITTEN: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "it says when the answer was written, and nothing depends on it"
    )]
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    WRITTEN.with_borrow_mut(|(written, text)| {
        if *written != second || text.is_empty() {
            text.clear();
            // A vector takes everything.
            let _ = write!(text, "{}", HttpDate::from(now.max(UNIX_EPOCH)));
            *written = second;
        }
        tell(text);
    });
}
