//! Answers as HTTP messages: statuses, headers, and what bodies are made of.

use crate::body::{Body, Budget, Part};
use crate::holdings::{Content, Data};
use crate::protocols::oci;
use crate::ranges::Span;
use crate::refusal::Refusal;
use hyper::http::response::Builder;
use hyper::http::{Method, Request, Response, StatusCode, header};
use std::fmt::Write as _;
use std::sync::Arc;

/// What a client may keep for ever.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// What a client must ask about again.
const REVALIDATE: &str = "no-cache";
/// What the server calls itself.
const SERVER: &str = concat!("hatchery/", env!("CARGO_PKG_VERSION"));
/// The media type of a refusal.
const PLAIN: &str = "text/plain; charset=utf-8";
/// The methods that are answered.
const ALLOW: &str = "GET, HEAD";

/// Makes the answers to one request.
#[derive(Clone, Copy)]
pub(crate) struct Reply<'r> {
    budget: &'r Arc<Budget>,
    head: bool,
    /// Whether the client speaks OCI's words.
    oci: bool,
}

impl<'r> Reply<'r> {
    pub(crate) fn new<B>(budget: &'r Arc<Budget>, request: &Request<B>) -> Self {
        Self {
            budget,
            head: request.method() == Method::HEAD,
            oci: oci::is_asked(request.uri().path()),
        }
    }

    /// 200 and everything.
    pub(crate) fn whole(&self, content: &Content) -> Response<Body> {
        let all = Span {
            offset: 0,
            length: content.length,
        };
        let builder = self
            .describe(StatusCode::OK, content)
            .header(header::CONTENT_TYPE, &*content.media_type);
        self.finish(builder, self.body(content, vec![part(content, all)]))
    }

    /// 206 and one part.
    pub(crate) fn part(&self, content: &Content, span: Span) -> Response<Body> {
        let builder = self
            .describe(StatusCode::PARTIAL_CONTENT, content)
            .header(header::CONTENT_TYPE, &*content.media_type)
            .header(header::CONTENT_RANGE, span.content_range(content.length));
        self.finish(builder, self.body(content, vec![part(content, span)]))
    }

    /// 206 and several parts, each with a head of its own (RFC 9110, section 14.6).
    pub(crate) fn parts(&self, content: &Content, spans: &[Span]) -> Response<Body> {
        let boundary = boundary();
        let mut parts = Vec::new();
        for span in spans {
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
                content.media_type,
                span.content_range(content.length)
            );
            parts.push(Part::Bytes(head.into()));
            parts.push(part(content, *span));
        }
        parts.push(Part::Bytes(format!("\r\n--{boundary}--\r\n").into()));
        let builder = self.describe(StatusCode::PARTIAL_CONTENT, content).header(
            header::CONTENT_TYPE,
            format!("multipart/byteranges; boundary={boundary}"),
        );
        self.finish(builder, self.body(content, parts))
    }

    /// 304, with the tag that the client holds.
    pub(crate) fn not_modified(&self, content: &Content) -> Response<Body> {
        message(
            self.describe(StatusCode::NOT_MODIFIED, content),
            Body::new(None, Vec::new(), self.budget),
        )
    }

    /// 302. A relative location holds behind any prefix that a proxy adds.
    pub(crate) fn redirect(&self, location: &str) -> Response<Body> {
        let builder = self
            .begin(StatusCode::FOUND, REVALIDATE)
            .header(header::LOCATION, location);
        self.finish(builder, Body::new(None, Vec::new(), self.budget))
    }

    /// A text that is made for this request.
    pub(crate) fn text(
        &self,
        status: StatusCode,
        media_type: &'static str,
        text: String,
    ) -> Response<Body> {
        let builder = self
            .begin(status, REVALIDATE)
            .header(header::CONTENT_TYPE, media_type);
        let text = Part::Bytes(text.into());
        self.finish(builder, Body::new(None, vec![text], self.budget))
    }

    /// A refusal: its status, by number and by name.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Response<Body> {
        let status = refusal.status();
        let (media_type, text) = if self.oci {
            (oci::JSON, oci::refused(refusal))
        } else {
            (PLAIN, format!("{status}\n").into_bytes())
        };
        let mut builder = self
            .begin(status, REVALIDATE)
            .header(header::CONTENT_TYPE, media_type);
        match refusal {
            Refusal::Method => builder = builder.header(header::ALLOW, ALLOW),
            Refusal::Range { length } => {
                builder = builder.header(header::CONTENT_RANGE, format!("bytes */{length}"));
            }
            Refusal::Busy => builder = builder.header(header::RETRY_AFTER, 1),
            Refusal::Pace { wait } => {
                let seconds = wait.as_secs() + 1;
                builder = builder.header(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        let text = Part::Bytes(text.into());
        self.finish(builder, Body::new(None, vec![text], self.budget))
    }

    /// The headers that every answer about some content has.
    fn describe(&self, status: StatusCode, content: &Content) -> Builder {
        let lifetime = if content.immutable {
            IMMUTABLE
        } else {
            REVALIDATE
        };
        let mut builder = self
            .begin(status, lifetime)
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::ETAG, content.validators.etag())
            .header(header::LAST_MODIFIED, content.validators.last_modified());
        for (name, value) in &content.headers {
            builder = builder.header(name, value);
        }
        builder
    }

    fn begin(&self, status: StatusCode, lifetime: &'static str) -> Builder {
        let builder = Response::builder()
            .status(status)
            .header(header::SERVER, SERVER)
            .header(header::CACHE_CONTROL, lifetime)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if self.oci {
            let (name, value) = oci::VERSION;
            builder.header(name, value)
        } else {
            builder
        }
    }

    fn body(&self, content: &Content, parts: Vec<Part>) -> Body {
        let file = match &content.data {
            Data::File(file) => Some(Arc::clone(file)),
            Data::Memory(_) => None,
        };
        Body::new(file, parts, self.budget)
    }

    /// HEAD gets the headers of the body that it doesn't get.
    fn finish(&self, builder: Builder, body: Body) -> Response<Body> {
        let builder = builder.header(header::CONTENT_LENGTH, body.length());
        let body = if self.head { body.emptied() } else { body };
        message(builder, body)
    }
}

fn part(content: &Content, span: Span) -> Part {
    match &content.data {
        Data::File(_) => Part::Span(span),
        // A span lies within the content, and that is in memory.
        Data::Memory(bytes) => {
            let at = |n: u64| usize::try_from(n).map_or(bytes.len(), |n| n.min(bytes.len()));
            Part::Bytes(bytes.slice(at(span.offset)..at(span.offset + span.length)))
        }
    }
}

fn message(builder: Builder, body: Body) -> Response<Body> {
    builder
        .body(body)
        .expect("header values are made of digests, numbers, dates and checked names")
}

/// Random, so that nobody can put it into a file beforehand.
fn boundary() -> String {
    let mut bytes = [0u8; 16];
    // Cannot fail once the kernel's generator is seeded, nor be cut short at
    // this length; and a guessable boundary harms only whoever asked.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
