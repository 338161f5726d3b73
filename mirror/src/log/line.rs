//! A line of the access log: in words, the time and the [`Access`]; as JSON, an
//! object with the keys of [`Line`]. Whatever a client sent, it holds no
//! control character, those of C1 and DEL included.

use super::LogFormat;
use crate::access::Access;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

/// A line with its end.
pub(super) fn line(format: LogFormat, access: &Access, now: Timestamp) -> String {
    match format {
        LogFormat::Plain => format!("{now:.3} {access}\n"),
        LogFormat::Json => json(access, now),
    }
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
        method: access.request.method().as_str(),
        target: access.target(),
        protocol: format!("{:?}", access.request.version()),
        status: access.status,
        bytes: access.bytes,
        complete: access.complete,
        seconds: access.duration.as_secs_f64(),
        agent: &access.agent(),
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
    use crate::log::tests::{access, now};

    #[test]
    fn both_forms_say_when() {
        assert_eq!(
            line(LogFormat::Plain, &access("curl"), now()),
            "2026-11-22T01:02:03.500Z 192.0.2.1 \"GET /a HTTP/2.0\" 206 3 incomplete 1.500s \"curl\"\n"
        );
        assert_eq!(
            line(LogFormat::Json, &access("curl"), now()),
            "{\"time\":\"2026-11-22T01:02:03.500Z\",\"remote\":\"192.0.2.1\",\"method\":\"GET\",\
             \"target\":\"/a\",\"protocol\":\"HTTP/2.0\",\"status\":206,\"bytes\":3,\
             \"complete\":false,\"seconds\":1.5,\"agent\":\"curl\"}\n"
        );
    }

    #[test]
    fn no_line_holds_a_control_character() {
        // What hyper lets through in a header: a tab, and the controls of C1.
        let evil = "a\"b\\c\t\u{9b}2J\u{85}";
        for format in [LogFormat::Plain, LogFormat::Json] {
            let line = line(format, &access(evil), now());
            let line = line.strip_suffix('\n').unwrap();
            assert!(!line.contains(char::is_control), "{line:?}");
        }
        let line: serde_json::Value =
            serde_json::from_str(&line(LogFormat::Json, &access(evil), now())).unwrap();
        assert_eq!(line["agent"], evil);
    }
}
