//! A server on port 0 whose first path segment says how it behaves.

use futures_util::stream;
use hatchery_image::Sha256;
use hatchery_transfer::{Client, Location, Request, Settings};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Bytes, Frame};
use hyper::header::{HeaderMap, LOCATION};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What was asked, in order.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    /// Bytes of a file that were sent in answer, unless that is not known.
    pub(crate) sent: usize,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

/// Files that every server has.
pub(crate) fn content(name: &str) -> Vec<u8> {
    let length = if name.starts_with("large") {
        3 << 20
    } else {
        40_000
    };
    let seed = name.bytes().fold(1u32, |seed, b| {
        seed.wrapping_mul(0x0101_6b5f).wrapping_add(b.into())
    });
    (0..length)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8)
        .collect()
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into())
    }

    pub(crate) fn on(address: IpAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((address, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::clone(&asked);
        let counts = Arc::new(Mutex::new(HashMap::new()));
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, counts) = (Arc::clone(&log), Arc::clone(&counts));
                let service = service_fn(move |request: hyper::Request<_>| {
                    let answer = answer(&request, &log, &counts);
                    let silent = request.uri().path().starts_with("/silent/");
                    async move {
                        if silent {
                            std::future::pending::<()>().await;
                        }
                        Ok::<_, io::Error>(answer)
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            address,
            asked,
            _runtime: runtime,
        }
    }

    pub(crate) fn behaving(&self, how: &str) -> Location {
        Location::parse(&format!("http://{}/{how}/", self.address)).unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A client that gives up soon.
pub(crate) fn hasty() -> Client {
    Client::with(Settings {
        connect: Duration::from_secs(2),
        stall: Duration::from_millis(700),
        pauses: vec![Duration::from_millis(20)],
        offline: false,
        system_proxy: false,
        ..Settings::default()
    })
    .unwrap()
}

pub(crate) fn wanted(locations: &[Location], name: &str) -> Request {
    let content = content(name);
    Request {
        locations: locations.to_vec(),
        path: name.to_owned(),
        sha256: Some(Sha256::of(&content)),
        size: Some(content.len() as u64),
        limit: 64 << 20,
    }
}

/// An address on which nobody listens.
pub(crate) fn nobody() -> Location {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    Location::parse(&format!("http://{address}/")).unwrap()
}

fn answer<B>(
    request: &hyper::Request<B>,
    log: &Mutex<Vec<Asked>>,
    counts: &Mutex<HashMap<String, usize>>,
) -> hyper::Response<Body> {
    let header = |name| header_of(request.headers(), name);
    let path = request.uri().path().to_owned();
    let (range, if_range) = (header("range"), header("if-range"));
    let index = {
        let mut log = log.lock().unwrap();
        log.push(Asked {
            path: path.clone(),
            range: range.clone(),
            if_range: if_range.clone(),
            sent: 0,
        });
        log.len() - 1
    };
    let nth = {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(path.clone()).or_insert(0);
        *count += 1;
        *count
    };
    let (how, name) = path.trim_start_matches('/').split_once('/').unwrap();
    let all = content(name);
    let half = all.len() / 2;
    let offset = range
        .as_ref()
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    if let Some((cut, way)) = how.strip_prefix("cut-").and_then(|how| how.split_once('-')) {
        let cut = cut.parse().unwrap();
        let (answer, sent) = breaking(way, cut, nth, &all, offset, if_range.as_deref());
        log.lock().unwrap()[index].sent = sent;
        return answer;
    }
    let answer = match how {
        "good" => ranged(&all, offset, None),
        "tagged" => {
            let same = if_range.is_none_or(|e| e == "\"one\"");
            ranged(&all, if same { offset } else { 0 }, Some("\"one\""))
        }
        // Announces all, sends half, hangs up; the next time it resumes.
        "truncates" if nth == 1 => broken(&all, half, Some("\"one\"")),
        "truncates" => ranged(&all, offset, Some("\"one\"")),
        "always-truncates" => broken(&all[offset..], 0, None),
        "ignores-range" if nth == 1 => broken(&all, half, None),
        "ignores-range" => ranged(&all, 0, None),
        "refuses-range" if offset > 0 => status(416),
        "refuses-range" if nth == 1 => broken(&all, half, None),
        "refuses-range" => ranged(&all, 0, None),
        "wrong-range" if offset > 0 => ranged(&all, offset - 1, None),
        "wrong-range" if nth == 1 => broken(&all, half, None),
        "wrong-range" => ranged(&all, 0, None),
        "stalls" => stalling(&all, half, false),
        "trickles" => stalling(&all, 1, true),
        "fails" => status(500),
        "fails-once" if nth == 1 => status(503),
        "fails-once" => ranged(&all, 0, None),
        "missing" => status(404),
        "wrong" => ranged(&vec![b'x'; all.len()], offset.min(all.len()), None),
        "longer" => ranged(&[all.as_slice(), b"more"].concat(), 0, None),
        "endless" => endless(),
        "encoded" => {
            let mut answer = ranged(&all, 0, None);
            let value = "gzip".parse().unwrap();
            answer.headers_mut().insert("content-encoding", value);
            answer
        }
        "to" => redirect(name),
        "loops" => redirect(&path),
        _ => status(400),
    };
    log.lock().unwrap()[index].sent = sent(&answer);
    answer
}

/// The bytes of a file in an answer whose length is known.
fn sent(answer: &hyper::Response<Body>) -> usize {
    let length = answer.body().size_hint().exact().unwrap_or(0);
    if answer.status().is_success() {
        usize::try_from(length).unwrap()
    } else {
        0
    }
}

/// Breaks off at `cut` the first time; then goes on in its own way. The bytes
/// that are sent come with the answer.
fn breaking(
    way: &str,
    cut: usize,
    nth: usize,
    all: &[u8],
    offset: usize,
    if_range: Option<&str>,
) -> (hyper::Response<Body>, usize) {
    let etag = match way {
        "weak" => Some("W/\"one\""),
        "untagged" | "changed-unsaid" => None,
        _ => Some("\"one\""),
    };
    if nth == 1 {
        let other: Vec<u8> = all.iter().map(|b| !b).collect();
        let bytes = if way.starts_with("changed") {
            &other
        } else {
            all
        };
        return (broken_after(bytes, cut, etag, LEAVE), cut);
    }
    let answer = match way {
        "honours" | "weak" | "untagged" | "changed-unsaid" => ranged(all, offset, etag),
        "changed" => {
            let etag = "\"two\"";
            let same = if_range.is_none_or(|e| e == etag);
            ranged(all, if same { offset } else { 0 }, Some(etag))
        }
        "ignores" => ranged(all, 0, etag),
        "unsatisfiable" if offset > 0 => status(416),
        "unsatisfiable" => ranged(all, 0, etag),
        "lies" if offset > 0 => {
            let mut answer = ranged(all, offset, etag);
            let value = format!("bytes {}-{}/{}", offset + 1, all.len(), all.len() + 1);
            let value = value.parse().unwrap();
            answer.headers_mut().insert("content-range", value);
            answer
        }
        "lies" => ranged(all, 0, etag),
        "longer" => ranged(&[all, b"more"].concat(), offset, etag),
        // So far and no further, six times.
        "closes" if nth <= 6 => {
            let more = (all.len() - offset).div_ceil(3);
            return (broken_from(all, offset, more, etag), more);
        }
        "closes" => ranged(all, offset, etag),
        "drips" => return (broken_from(all, offset, 1, etag), 1),
        _ => status(404),
    };
    let sent = sent(&answer);
    (answer, sent)
}

/// Announces all from `offset` on, sends `more` bytes and hangs up.
fn broken_from(
    all: &[u8],
    offset: usize,
    more: usize,
    etag: Option<&str>,
) -> hyper::Response<Body> {
    let mut answer = broken_after(&all[offset..], more, etag, LEAVE);
    if offset > 0 {
        let value = format!("bytes {offset}-{}/{}", all.len() - 1, all.len());
        *answer.status_mut() = hyper::StatusCode::PARTIAL_CONTENT;
        answer
            .headers_mut()
            .insert("content-range", value.parse().unwrap());
    }
    answer
}

fn header_of(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn full(bytes: &[u8]) -> Body {
    Full::new(Bytes::copy_from_slice(bytes))
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn status(code: u16) -> hyper::Response<Body> {
    hyper::Response::builder()
        .status(code)
        .body(full(b"an error page"))
        .unwrap()
}

fn ranged(all: &[u8], offset: usize, etag: Option<&str>) -> hyper::Response<Body> {
    let mut builder = hyper::Response::builder();
    if let Some(etag) = etag {
        builder = builder.header("etag", etag);
    }
    if offset > 0 {
        builder = builder.status(206).header(
            "content-range",
            format!("bytes {offset}-{}/{}", all.len() - 1, all.len()),
        );
    }
    builder.body(full(&all[offset..])).unwrap()
}

/// How long bytes have to leave where they are counted, also on a busy machine.
const LEAVE: Duration = Duration::from_millis(400);

/// Announces `all`, sends `sent` bytes and hangs up.
fn broken(all: &[u8], sent: usize, etag: Option<&str>) -> hyper::Response<Body> {
    broken_after(all, sent, etag, Duration::from_millis(30))
}

/// The same, but hangs up after `leave`.
fn broken_after(
    all: &[u8],
    sent: usize,
    etag: Option<&str>,
    leave: Duration,
) -> hyper::Response<Body> {
    let pieces = [
        Ok(Frame::data(Bytes::copy_from_slice(&all[..sent]))),
        Err(io::Error::other("hangs up")),
    ];
    let paced = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
        let piece = pieces.next()?;
        if piece.is_err() {
            // Lets the first piece leave before the connection is torn down.
            tokio::time::sleep(leave).await;
        }
        Some((piece, pieces))
    });
    let mut builder = hyper::Response::builder().header("content-length", all.len());
    if let Some(etag) = etag {
        builder = builder.header("etag", etag);
    }
    builder
        .body(BodyExt::boxed_unsync(StreamBody::new(paced)))
        .unwrap()
}

/// Sends `sent` bytes, then nothing, or one byte now and then.
fn stalling(all: &[u8], sent: usize, trickle: bool) -> hyper::Response<Body> {
    let first = Bytes::copy_from_slice(&all[..sent]);
    let slow = stream::unfold(Some(first), move |piece| async move {
        if let Some(piece) = piece {
            return Some((Ok(Frame::data(piece)), None));
        }
        let wait = if trickle { 100 } else { 60_000 };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        Some((Ok(Frame::data(Bytes::from_static(b"x"))), None))
    });
    hyper::Response::builder()
        .header("content-length", all.len())
        .body(BodyExt::boxed_unsync(StreamBody::new(slow)))
        .unwrap()
}

/// Never ends and never says how long it is.
fn endless() -> hyper::Response<Body> {
    let chunk = Bytes::from(vec![0; 64 << 10]);
    let body = stream::unfold(chunk, |chunk| async move {
        tokio::task::yield_now().await;
        Some((Ok(Frame::data(chunk.clone())), chunk))
    });
    hyper::Response::new(BodyExt::boxed_unsync(StreamBody::new(body)))
}

fn redirect(to: &str) -> hyper::Response<Body> {
    let to = percent_decoded(to);
    let mut answer = status(302);
    answer.headers_mut().insert(LOCATION, to.parse().unwrap());
    answer
}

/// `/to/http:%2F%2Fhost%2Fpath`: a target as one path segment.
fn percent_decoded(text: &str) -> String {
    text.replace("%2F", "/").replace("%3F", "?")
}
