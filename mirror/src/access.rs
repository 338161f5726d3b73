//! The access log: one event for each answer, made when the answer's last
//! byte was handed on or its client went away.

use crate::metrics::Metrics;
use crate::server::Remote;
use hyper::http::{HeaderMap, Method, Request, Version, header};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most characters of a header or target that are logged.
const TEXT_MAX: usize = 512;

/// An answer that was given. Its `Display` is one line without control
/// characters, whatever the client sent.
#[derive(Clone, Debug)]
pub struct Access {
    /// The client.
    pub remote: Remote,
    /// `GET` and so on, as sent.
    pub method: Method,
    /// Path and query as sent, cut to 512 characters.
    pub target: String,
    /// The protocol's version.
    pub version: Version,
    /// The `User-Agent`, cut to 512 characters; empty if there was none.
    pub agent: String,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the body handed to the connection.
    pub bytes: u64,
    /// Whether that was all of them.
    pub complete: bool,
    /// From the request's head to the body's end.
    pub duration: Duration,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} \"{} {} {:?}\" {} {}{} {:.3}s \"{}\"",
            self.remote,
            self.method,
            printable(&self.target),
            self.version,
            self.status,
            self.bytes,
            if self.complete { "" } else { " incomplete" },
            self.duration.as_secs_f64(),
            printable(&self.agent),
        )
    }
}

/// Where such events go. Called from the server's threads: quick, and without
/// waiting for anybody.
pub type AccessLog = Arc<dyn Fn(&Access) + Send + Sync>;

/// An answer under way; the event is made when it is dropped.
pub(crate) struct Account {
    log: AccessLog,
    metrics: Arc<Metrics>,
    access: Access,
    started: Instant,
}

impl Account {
    /// Begins with a request's head.
    pub(crate) fn open<B>(
        log: &AccessLog,
        metrics: &Arc<Metrics>,
        remote: Remote,
        request: &Request<B>,
    ) -> Self {
        let target = request
            .uri()
            .path_and_query()
            .map_or("*", |target| target.as_str());
        Self {
            log: Arc::clone(log),
            metrics: Arc::clone(metrics),
            access: Access {
                remote,
                method: request.method().clone(),
                target: target.chars().take(TEXT_MAX).collect(),
                version: request.version(),
                agent: agent(request.headers()),
                status: 0,
                bytes: 0,
                complete: false,
                duration: Duration::ZERO,
            },
            started: Instant::now(),
        }
    }

    pub(crate) fn status(&mut self, status: u16) {
        self.access.status = status;
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.access.bytes += bytes;
        self.metrics.sent(bytes);
    }

    pub(crate) fn complete(&mut self) {
        self.access.complete = true;
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.access.duration = self.started.elapsed();
        self.metrics.answered(&self.access);
        (self.log)(&self.access);
    }
}

fn agent(headers: &HeaderMap) -> String {
    headers
        .get(header::USER_AGENT)
        .map_or_else(String::new, |value| {
            String::from_utf8_lossy(value.as_bytes())
                .chars()
                .take(TEXT_MAX)
                .collect()
        })
}

/// Quotes, backslashes and control characters escaped.
fn printable(text: &str) -> impl fmt::Display {
    text.escape_debug()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_forge_a_line() {
        let access = Access {
            remote: Remote::host("[::1]:9".parse().unwrap()),
            method: Method::GET,
            target: "/a\"b".into(),
            version: Version::HTTP_11,
            agent: "x\n\u{1b}[31m127.0.0.1 \"GET".into(),
            status: 404,
            bytes: 3,
            complete: true,
            duration: Duration::from_millis(2),
        };
        assert_eq!(
            access.to_string(),
            r#"::1 "GET /a\"b HTTP/1.1" 404 3 0.002s "x\n\u{1b}[31m127.0.0.1 \"GET""#
        );
    }
}
