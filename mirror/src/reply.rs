//! Answers as HTTP messages: statuses, headers, and what bodies are made of.

use crate::body::{Body, Budget, Part};
use crate::holdings::{Content, Data};
use crate::protocols::oci;
use crate::ranges::Span;
use crate::refusal::Refusal;
use hyper::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a client may keep for ever.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What a client must ask about again.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// What the server calls itself.
const SERVER: HeaderValue =
    HeaderValue::from_static(concat!("hatchery/", env!("CARGO_PKG_VERSION")));
/// Room for the headers of an answer.
const HEADERS: usize = 12;
/// The media type of a refusal.
const PLAIN: &str = "text/plain; charset=utf-8";
/// The methods that are answered.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The headers of an answer, in their order. There is none twice, so that no map
/// is needed.
pub(crate) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    fn add(&mut self, name: HeaderName, value: HeaderValue) {
        debug_assert!(
            self.iter().all(|(n, _)| *n != name),
            "{name} is there twice"
        );
        self.0.push((name, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

/// An answer as HTTP has it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) body: Body,
}

impl From<Answer> for Response<Body> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = answer.status;
        response.headers_mut().extend(answer.headers.0);
        response
    }
}

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
    pub(crate) fn whole(&self, content: &Content) -> Answer {
        let all = Span {
            offset: 0,
            length: content.length,
        };
        let mut headers = self.describe(content);
        headers.add(header::CONTENT_TYPE, media_type(content));
        let body = self.body(content, vec![part(content, all)]);
        self.finish(StatusCode::OK, headers, body)
    }

    /// 206 and one part.
    pub(crate) fn part(&self, content: &Content, span: Span) -> Answer {
        let mut headers = self.describe(content);
        headers.add(header::CONTENT_TYPE, media_type(content));
        let range = value(span.content_range(content.length));
        headers.add(header::CONTENT_RANGE, range);
        let body = self.body(content, vec![part(content, span)]);
        self.finish(StatusCode::PARTIAL_CONTENT, headers, body)
    }

    /// 206 and several parts, each with a head of its own (RFC 9110, section 14.6).
    pub(crate) fn parts(&self, content: &Content, spans: &[Span]) -> Answer {
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
        let mut headers = self.describe(content);
        let kind = format!("multipart/byteranges; boundary={boundary}");
        headers.add(header::CONTENT_TYPE, value(kind));
        let body = self.body(content, parts);
        self.finish(StatusCode::PARTIAL_CONTENT, headers, body)
    }

    /// 304, with the tag that the client holds.
    pub(crate) fn not_modified(&self, content: &Content) -> Answer {
        let body = Body::new(None, Vec::new(), self.budget);
        Answer {
            status: StatusCode::NOT_MODIFIED,
            headers: self.describe(content),
            body,
        }
    }

    /// 302. A relative location holds behind any prefix that a proxy adds.
    pub(crate) fn redirect(&self, location: &str) -> Answer {
        let mut headers = self.begin(REVALIDATE);
        headers.add(header::LOCATION, value(location.to_owned()));
        let body = Body::new(None, Vec::new(), self.budget);
        self.finish(StatusCode::FOUND, headers, body)
    }

    /// A text that is made for this request.
    pub(crate) fn text(
        &self,
        status: StatusCode,
        media_type: &'static str,
        text: String,
    ) -> Answer {
        let mut headers = self.begin(REVALIDATE);
        headers.add(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        let text = Part::Bytes(text.into());
        self.finish(status, headers, Body::new(None, vec![text], self.budget))
    }

    /// A refusal: its status, by number and by name.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Answer {
        let status = refusal.status();
        let (media_type, text) = if self.oci {
            (oci::JSON, oci::refused(refusal))
        } else {
            (PLAIN, format!("{status}\n").into_bytes())
        };
        let mut headers = self.begin(REVALIDATE);
        headers.add(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        match refusal {
            Refusal::Method => {
                headers.add(header::ALLOW, ALLOW);
            }
            Refusal::Range { length } => {
                headers.add(header::CONTENT_RANGE, value(format!("bytes */{length}")));
            }
            Refusal::Busy => {
                headers.add(header::RETRY_AFTER, 1.into());
            }
            Refusal::Pace { wait } => {
                headers.add(header::RETRY_AFTER, (wait.as_secs() + 1).into());
            }
            _ => {}
        }
        let text = Part::Bytes(text.into());
        self.finish(status, headers, Body::new(None, vec![text], self.budget))
    }

    /// The headers that every answer about some content has.
    fn describe(&self, content: &Content) -> Headers {
        let mut headers = self.begin(match content.immutable {
            true => IMMUTABLE,
            false => REVALIDATE,
        });
        headers.add(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let validators = &content.validators;
        headers.add(header::ETAG, validators.etag().clone());
        headers.add(header::LAST_MODIFIED, validators.last_modified().clone());
        for (name, value) in &content.headers {
            headers.add(name.clone(), value.clone());
        }
        headers
    }

    fn begin(&self, lifetime: HeaderValue) -> Headers {
        let mut headers = Headers(Vec::with_capacity(HEADERS));
        headers.add(header::SERVER, SERVER);
        headers.add(header::CACHE_CONTROL, lifetime);
        let exactly = HeaderValue::from_static("nosniff");
        headers.add(header::X_CONTENT_TYPE_OPTIONS, exactly);
        if self.oci {
            let (name, value) = oci::VERSION;
            headers.add(name, value);
        }
        headers
    }

    fn body(&self, content: &Content, parts: Vec<Part>) -> Body {
        let file = match &content.data {
            Data::File(file) => Some(Arc::clone(file)),
            Data::Memory(_) => None,
        };
        Body::new(file, parts, self.budget)
    }

    /// HEAD gets the headers of the body that it doesn't get.
    fn finish(&self, status: StatusCode, mut headers: Headers, body: Body) -> Answer {
        headers.add(header::CONTENT_LENGTH, body.length().into());
        let body = if self.head { body.emptied() } else { body };
        Answer {
            status,
            headers,
            body,
        }
    }
}

fn media_type(content: &Content) -> HeaderValue {
    match &content.media_type {
        Cow::Borrowed(name) => HeaderValue::from_static(name),
        Cow::Owned(name) => value(name.clone()),
    }
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text)
        .expect("header values are made of digests, numbers, dates and checked names")
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
