//! The head of a request, if it is an ordinary one. Pure: bytes go in.
//!
//! Read by `httparse`, as hyper does it.

use super::HEADERS_MAX;
use httparse::{Header, Status};
use hyper::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use std::mem::MaybeUninit;

/// What a connection's bytes begin with.
#[derive(Debug)]
pub(super) enum Read {
    /// A request without a body.
    Ordinary(Box<Head>),
    /// The beginning of what may become one.
    Part,
    /// Something else.
    Other,
}

/// A request, and what its head says about the connection.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) request: Request<()>,
    /// Length in bytes.
    pub(super) length: usize,
    /// Whether another request may follow.
    pub(super) is_kept: bool,
}

/// Reads the head that some bytes begin with.
pub(super) fn read(bytes: &[u8]) -> Read {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(length)) => {
            ordinary(&parsed, length).map_or(Read::Other, Read::Ordinary)
        }
        Ok(Status::Partial) => Read::Part,
        Err(_) => Read::Other,
    }
}

fn ordinary(parsed: &httparse::Request<'_, '_>, length: usize) -> Option<Box<Head>> {
    let version = match parsed.version? {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let method = match parsed.method? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    // A client of 1.0 may ask for it in its own way, but need not be given it.
    let mut is_kept = version == Version::HTTP_11;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for Header { name, value } in &*parsed.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        match name {
            header::CONNECTION => is_kept &= !says_close(value),
            header::CONTENT_LENGTH if value == b"0" => {}
            // A body, or something before the answer.
            header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::EXPECT => return None,
            _ => {}
        }
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    Some(Box::new(Head {
        request,
        length,
        is_kept,
    }))
}

/// Whether a `Connection` header says that no request follows. What else it may
/// name (a wish to upgrade, too) can be passed over.
fn says_close(value: &[u8]) -> bool {
    let mut options = value.split(|byte| *byte == b',');
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinary(text: &str) -> Option<Box<Head>> {
        match read(text.as_bytes()) {
            Read::Ordinary(head) => Some(head),
            Read::Part | Read::Other => None,
        }
    }

    #[test]
    fn an_ordinary_request_is_read_to_its_end() {
        let text = "GET /a?b HTTP/1.1\r\nHost: m\r\nX: 1\r\nx: 2\r\n\r\nGET";
        let head = ordinary(text).unwrap();
        let (request, length) = (&head.request, text.len() - 3);
        assert_eq!((head.length, head.is_kept), (length, true));
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()["host"], "m");
        let both: Vec<_> = request.headers().get_all("x").iter().collect();
        assert_eq!(both, ["1", "2"]);
        for end in 0..length {
            assert!(matches!(read(&text.as_bytes()[..end]), Read::Part), "{end}");
        }
    }

    #[test]
    fn a_connection_is_kept_unless_the_client_says_otherwise() {
        for (line, expected) in [
            ("", true),
            ("Connection: keep-alive\r\n", true),
            ("connection: Keep-Alive\r\n", true),
            ("Connection: Close\r\n", false),
            ("Connection: keep-alive\r\nConnection: close\r\n", false),
            ("Connection: TE, CLOSE\r\n", false),
            ("Connection: close ,TE\r\n", false),
            ("Connection: Upgrade, closed\r\nUpgrade: h2c\r\n", true),
            ("Connection:\r\n", true),
        ] {
            let head = ordinary(&format!("HEAD / HTTP/1.1\r\nHost: m\r\n{line}\r\n"));
            assert_eq!(head.unwrap().is_kept, expected, "{line:?}");
        }
        let head = ordinary("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        assert_eq!(head.request.version(), Version::HTTP_10);
        assert!(!head.is_kept);
    }

    #[test]
    fn whatever_could_be_understood_in_two_ways_is_for_hyper() {
        let many = "X: y\r\n".repeat(HEADERS_MAX + 1);
        for text in [
            "POST / HTTP/1.1\r\nHost: m\r\n\r\n",
            "get / HTTP/1.1\r\nHost: m\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 00\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\nGET /",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer\0Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: m\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: m\rX: y\r\n\r\n",
            "GET a/b HTTP/1.1\r\nHost: m\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: m\r\n\r\n",
            "GET / x HTTP/1.1\r\nHost: m\r\n\r\n",
            "\u{16}\u{3}\u{1}",
            &format!("GET / HTTP/1.1\r\n{many}\r\n"),
        ] {
            assert!(matches!(read(text.as_bytes()), Read::Other), "{text:?}");
        }
    }
}
