//! The access log: one event for each answer, made when the answer's last
//! byte was handed on or its client went away.

use crate::metrics::Metrics;
use crate::server::Remote;
use hyper::http::uri::PathAndQuery;
use hyper::http::{HeaderValue, Method, Request, Uri, Version, header};
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
    /// `GET` and so on, as sent.
    pub method: Method,
    /// What was asked for.
    pub uri: Uri,
    /// The protocol's version.
    pub version: Version,
    /// The `User-Agent`, if there was one.
    pub user_agent: Option<HeaderValue>,
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
            printable(self.target()),
            self.version,
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
        let target = self.uri.path_and_query().map_or("*", PathAndQuery::as_str);
        // A target is ASCII, or was parsed as UTF-8.
        cut(target)
    }

    /// The `User-Agent`, cut to 512 characters; empty if there was none.
    #[must_use]
    pub fn agent(&self) -> Cow<'_, str> {
        let agent = self
            .user_agent
            .as_ref()
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
}

impl Account {
    /// Begins with a request's head.
    pub(crate) fn open<B>(
        log: &AccessLog,
        metrics: &Arc<Metrics>,
        remote: Remote,
        request: &Request<B>,
    ) -> Self {
        Self {
            log: Arc::clone(log),
            metrics: Arc::clone(metrics),
            access: Access {
                remote,
                method: request.method().clone(),
                uri: request.uri().clone(),
                version: request.version(),
                user_agent: request.headers().get(header::USER_AGENT).cloned(),
                status: 0,
                bytes: 0,
                complete: false,
                duration: Duration::ZERO,
            },
            started: Instant::now(),
        }
    }

    /// Lets go of the buffer that the request's head was read into, of which
    /// what is kept here are slices. For answers that take longer.
    pub(crate) fn settle(&mut self) {
        let access = &mut self.access;
        access.user_agent = Some(access.agent().into_owned())
            .filter(|agent| !agent.is_empty())
            .and_then(|agent| HeaderValue::try_from(agent).ok());
        let target = access.target().to_owned();
        access.uri = Uri::try_from(target).unwrap_or_default();
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
            method: Method::GET,
            uri: "/a\"b".parse().unwrap(),
            version: Version::HTTP_11,
            user_agent: Some(
                HeaderValue::from_bytes("x\t\u{9b}31m127.0.0.1 \"GET".as_bytes()).unwrap(),
            ),
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
