//! One connection: HTTP/1 and HTTP/2 by hyper, watched by its own task, which
//! ends it when it idles, hangs, or when the server stops.

use crate::access::{AccessLog, Account};
use crate::activity::{Activity, Patience, Verdict};
use crate::clients::{Guests, Pace};
use crate::metrics::Metrics;
use crate::operation;
use crate::respond::Desk;
use crate::sendfile::Outbox;
use crate::server::{Remote, Slots};
use hyper::body::Incoming;
use hyper::http::{Request, Version};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use std::convert::Infallible;
use std::error::Error;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Longest head of a request, in bytes, unless the options say otherwise, and
/// the least that they may say; what is longer gets 431 (or 414 from 64 KiB in
/// the target alone). It is also what hyper gathers of a body before it waits
/// for the client, so that more is held for each slow one.
pub const HEAD_MAX: usize = 8 << 10;
/// The most that they may say.
pub const HEAD_LIMIT: usize = 1 << 20;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 32;
/// Bytes that an HTTP/2 stream may hold before the client takes them.
const STREAM_BUFFER: usize = 64 << 10;
/// Bytes that the kernel holds for a client beyond those on their way. Without
/// a limit it takes up to 4 MiB for each client that stopped reading.
const UNSENT_MAX: u32 = 128 << 10;
/// How often a silent HTTP/2 client is asked whether it lives, and how long
/// it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// How often a connection is looked at, so that it notices when the server
/// gets crowded.
const LOOK: Duration = Duration::from_secs(5);
/// How long a connection may take to end after it was asked to.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the connections of a server share.
pub(crate) struct Reception {
    pub(crate) desk: Desk,
    pub(crate) access: AccessLog,
    pub(crate) metrics: Arc<Metrics>,
    /// Lines that the access log left out.
    pub(crate) lost_lines: Option<Arc<AtomicU64>>,
    pub(crate) patience: Patience,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
    /// How long answers under way have when the listener stops.
    pub(crate) drain: Duration,
    pub(crate) slots: Slots,
    pub(crate) guests: Guests,
    pub(crate) pace: Arc<Pace>,
    pub(crate) protocol: Builder<TokioExecutor>,
}

/// Who is on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) remote: Remote,
    /// Whether the listener answers `/metrics`.
    pub(crate) sees_metrics: bool,
    /// Where blocks of files go that the connection sends itself, if it does.
    pub(crate) outbox: Option<Outbox>,
    /// Whether the listener speaks TLS.
    pub(crate) is_secure: bool,
}

/// How HTTP is spoken, with heads of at most so many bytes.
pub(crate) fn protocol(patience: &Patience, head: usize) -> Builder<TokioExecutor> {
    let head = head.clamp(HEAD_MAX, HEAD_LIMIT);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        // Without it, bodies would be copied, stand-ins among them.
        .writev(true)
        .max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(head as u32)
        .max_send_buf_size(STREAM_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// Serves a connection to its end: a TCP stream, which was prepared, or what
/// is spoken over one.
pub(crate) async fn serve<S>(
    stream: S,
    visitor: Visitor,
    reception: Arc<Reception>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let remote = visitor.remote;
    let activity = Activity::new();
    let service = service_fn(|request: Request<Incoming>| {
        let (activity, reception) = (activity.clone(), Arc::clone(&reception));
        let visitor = visitor.clone();
        async move {
            let flight = activity.begin();
            let mut account =
                Account::open(&reception.access, &reception.metrics, remote, &request);
            let response = operation::answer(&reception, &visitor, &request).await;
            account.status(response.status().as_u16());
            // HTTP/2 makes frames of what it is handed.
            let outbox = visitor
                .outbox
                .filter(|_| request.version() < Version::HTTP_2);
            Ok::<_, Infallible>(response.map(|body| body.tracked(account, flight).through(outbox)))
        }
    });
    let protocol = &reception.protocol;
    let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
    let mut ending = false;
    let patience = &reception.patience;
    let pause = LOOK.min(patience.head).min(patience.stalled);
    let mut look = Instant::now() + pause;
    loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    if is_malformed(&*error) {
                        reception.metrics.malformed.inc();
                    }
                    tracing::debug!(%remote, %error, "a connection ended early");
                }
                return;
            }
            () = sleep_until(look) => {
                match activity.verdict(patience, reception.slots.crowded()) {
                    Verdict::Wait(time) => look = Instant::now() + time.min(pause),
                    Verdict::Idle if !ending => {
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                        look = Instant::now() + GOODBYE;
                    }
                    // What still holds it open is not a request.
                    Verdict::Idle | Verdict::Stalled => {
                        tracing::debug!(%remote, "a connection that hung was cut");
                        return;
                    }
                }
            }
            _ = stop.wait_for(|stop| *stop), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Whether hyper itself answered a head, with 400, 414 or 431: such a request
/// comes to nobody else.
fn is_malformed(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error: Option<&hyper::Error> = error.downcast_ref();
    error.is_some_and(hyper::Error::is_parse)
}

/// Sets the options of a connection's socket.
pub(crate) fn prepare(stream: &TcpStream, remote: Remote) {
    // Heads and the ends of bodies are written when they are complete.
    let set = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_MAX));
    if let Err(error) = set {
        tracing::debug!(%remote, %error, "cannot set the options of a socket");
    }
}
