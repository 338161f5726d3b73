//! The access log: one event for each answer, made when the answer's last
//! byte was handed on or its client went away.

use crate::metrics::Metrics;
use crate::server::Remote;
use hyper::http::uri::PathAndQuery;
use hyper::http::{HeaderMap, HeaderValue, Request, Uri, header};
use std::borrow::Cow;
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
    /// The request; of one that takes longer, only the `User-Agent` is left of
    /// its headers.
    pub request: Request<()>,
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
            self.request.method(),
            printable(self.target()),
            self.request.version(),
            self.status,
            self.bytes,
            if self.complete { "" } else { " incomplete" },
            self.duration.as_secs_f64(),
            printable(&self.agent()),
        )
    }
}

impl Access {
    /// Path and query as sent, cut to 512 characters.
    #[must_use]
    pub fn target(&self) -> &str {
        let target = self
            .request
            .uri()
            .path_and_query()
            .map_or("*", PathAndQuery::as_str);
        // A target is ASCII, or was parsed as UTF-8.
        cut(target)
    }

    /// The `User-Agent`, cut to 512 characters; empty if there was none.
    #[must_use]
    pub fn agent(&self) -> Cow<'_, str> {
        let agent = self
            .request
            .headers()
            .get(header::USER_AGENT)
            .map_or(&b""[..], HeaderValue::as_bytes);
        match String::from_utf8_lossy(agent) {
            Cow::Borrowed(agent) => cut(agent).into(),
            Cow::Owned(agent) => cut(&agent).to_owned().into(),
        }
    }
}

/// The first characters of a text.
fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_MAX);
    end.map_or(text, |(end, _)| &text[..end])
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
    is_settled: bool,
}

impl Account {
    /// Begins with a request's head. In a box, because it goes from hand to hand.
    pub(crate) fn open(
        log: &AccessLog,
        metrics: &Arc<Metrics>,
        remote: Remote,
        request: Request<()>,
        started: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            log: Arc::clone(log),
            metrics: Arc::clone(metrics),
            access: Access {
                remote,
                request,
                status: 0,
                bytes: 0,
                complete: false,
                duration: Duration::ZERO,
            },
            started,
            is_settled: false,
        })
    }

    /// What is to be answered.
    pub(crate) fn request(&self) -> &Request<()> {
        &self.access.request
    }

    /// Lets go of what is not logged, and of the buffer that hyper read the head
    /// into, of which the rest are slices. For answers that take longer.
    pub(crate) fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let agent = self.access.agent().into_owned();
        let target = self.access.target().to_owned();
        let request = &mut self.access.request;
        *request.headers_mut() = HeaderMap::new();
        if !agent.is_empty()
            && let Ok(agent) = HeaderValue::try_from(agent)
        {
            request.headers_mut().insert(header::USER_AGENT, agent);
        }
        *request.uri_mut() = Uri::try_from(target).unwrap_or_default();
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
            request: Request::get("/a\"b")
                .header("user-agent", "x\t\u{9b}31m127.0.0.1 \"GET".as_bytes())
                .body(())
                .unwrap(),
            status: 404,
            bytes: 3,
            complete: true,
            duration: Duration::from_millis(2),
        };
        assert_eq!(
            access.to_string(),
            r#"::1 "GET /a\"b HTTP/1.1" 404 3 0.002s "x\t\u{9b}31m127.0.0.1 \"GET""#
        );
    }
}
