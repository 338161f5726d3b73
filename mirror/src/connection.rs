//! One connection: ordinary requests by `http1`, everything else by hyper,
//! watched by its own task, which ends it when it idles, hangs, or when the
//! server stops.

use crate::access::{AccessLog, Account};
use crate::activity::{Activity, Patience, Verdict};
use crate::clients::{Guests, Pace};
use crate::http1::{self, Outcome, Service};
use crate::metrics::Metrics;
use crate::operation;
use crate::reply::Answer;
use crate::respond::Desk;
use crate::server::{Remote, Slots};
use crate::transport::{self, Rewound, Transport};
use hyper::body::Incoming;
use hyper::http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::{Builder, Connection};
use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::sleep_until;

/// Longest head of a request, in bytes, unless the options say otherwise, and
/// the least that they may say; what is longer gets 431 (or 414 from 64 KiB in
/// the target alone). It is also what hyper gathers of a body before it waits
/// for the client, where it speaks.
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
/// The same for those who come while there are few, for whom the thread wakes
/// less often; without TLS as much as the kernel takes, which then holds pages of
/// files that are in memory anyway.
const UNSENT_WHILE_FEW: u32 = 1 << 20;
const UNSENT_WHILE_FEW_IN_PLAIN: u32 = u32::MAX;
/// How many are few, with as many slots for each of them.
const FEW: usize = 64;
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
    /// Longest head of a request, in bytes.
    pub(crate) head: usize,
    /// How hyper speaks HTTP.
    pub(crate) protocol: Builder<TokioExecutor>,
}

/// Who is on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) remote: Remote,
    /// Whether the listener answers `/metrics`.
    pub(crate) sees_metrics: bool,
    /// Whether the listener speaks TLS.
    pub(crate) is_secure: bool,
}

/// The longest head that is read where options say so many bytes.
pub(crate) fn head_limit(head: usize) -> usize {
    head.clamp(HEAD_MAX, HEAD_LIMIT)
}

/// How hyper speaks HTTP, with heads of at most so many bytes.
pub(crate) fn protocol(patience: &Patience, head: usize) -> Builder<TokioExecutor> {
    let head = head_limit(head);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        // Whoever says nothing more is answered all the same, as by `http1`.
        .half_close(true)
        // Without it, bodies would be copied once more.
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

/// Serves a connection to its end: a monitored stream that was prepared, or what
/// is spoken over one; and whom that tells.
pub(crate) async fn serve<S: Transport>(
    stream: S,
    activity: Activity,
    visitor: Visitor,
    reception: Arc<Reception>,
    stop: watch::Receiver<bool>,
) {
    let attendant = Attendant {
        visitor,
        reception,
        activity,
    };
    let other = attendant.ordinary(stream, stop.clone()).await;
    if let Some((stream, is_first)) = other {
        let attendant = Arc::new(attendant);
        // In a box, because it is large and most connections do without it.
        Box::pin(attendant.by_hyper(stream, is_first, stop)).await;
    }
}

/// Whoever looks after a connection.
struct Attendant {
    visitor: Visitor,
    reception: Arc<Reception>,
    activity: Activity,
}

impl Attendant {
    /// Answers ordinary requests. Gives what is left when there is another, and
    /// whether that is the first.
    async fn ordinary<S: Transport>(
        &self,
        stream: S,
        stop: watch::Receiver<bool>,
    ) -> Option<(Rewound<S>, bool)> {
        let most = self.reception.head;
        let mut talk = pin!(http1::converse(stream, most, &self.activity, self));
        match self
            .attend(&mut talk, |_| self.activity.end(), stop)
            .await?
        {
            Ok(Outcome::Other { stream, is_first }) => Some((stream, is_first)),
            Ok(Outcome::Closed) => None,
            Err(error) => {
                let remote = self.visitor.remote;
                tracing::debug!(%remote, %error, "a connection ended early");
                None
            }
        }
    }

    async fn by_hyper<S: Transport>(
        self: &Arc<Self>,
        stream: Rewound<S>,
        is_first: bool,
        stop: watch::Receiver<bool>,
    ) {
        let service = service_fn(|request: Request<Incoming>| {
            let attendant = Arc::clone(self);
            async move {
                let mut request = request.map(|_| ());
                // What hyper keeps there is of no use to anybody.
                request.extensions_mut().clear();
                let answer = attendant.call(request).await;
                Ok::<_, Infallible>(Response::from(answer))
            }
        });
        let protocol = match is_first {
            true => &self.reception.protocol,
            false => &self.reception.protocol.clone().http1_only(),
        };
        let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
        let end = |connection: Pin<&mut Connection<'_, _, _, _>>| connection.graceful_shutdown();
        let ended = self.attend(&mut connection, end, stop).await;
        if let Some(Err(error)) = ended {
            if is_malformed(&*error) {
                self.reception.metrics.malformed.inc();
            }
            let remote = self.visitor.remote;
            tracing::debug!(%remote, %error, "a connection ended early");
        }
    }

    /// Waits for the end of a connection. Tells it to `end` when it idles or the
    /// server stops, and gives it up when it hangs.
    async fn attend<C: Future>(
        &self,
        connection: &mut Pin<&mut C>,
        end: impl Fn(Pin<&mut C>),
        mut stop: watch::Receiver<bool>,
    ) -> Option<C::Output> {
        let Self {
            reception,
            activity,
            ..
        } = self;
        let mut ending = false;
        let patience = &reception.patience;
        // Twice before it is over, since what a client takes shows between two.
        let pause = (patience.least() / 2).clamp(Duration::from_millis(10), LOOK);
        let mut look = Instant::now() + pause;
        let (mut is_asked, mut is_cut) = (false, false);
        loop {
            // Also while the connection takes all of the task's turns.
            let tick = unconstrained(sleep_until(look.into()));
            let stopped = unconstrained(stop.wait_for(|stop| *stop));
            tokio::select! {
                biased;
                ended = connection.as_mut() => return Some(ended),
                () = ready(()), if is_cut => return None,
                () = ready(()), if is_asked => {
                    is_asked = false;
                    match activity.verdict(patience, reception.slots.crowded()) {
                        Verdict::Wait(time) => look = Instant::now() + time.min(pause),
                        Verdict::Idle if !ending => {
                            ending = true;
                            end(connection.as_mut());
                            look = Instant::now() + GOODBYE;
                        }
                        // What still holds it open is not a request.
                        Verdict::Idle | Verdict::Stalled => {
                            let remote = self.visitor.remote;
                            tracing::debug!(%remote, "a connection that hung was cut");
                            activity.cut();
                            is_cut = true;
                        }
                    }
                }
                () = tick => {
                    // The connection answers before it is judged.
                    activity.ask();
                    is_asked = true;
                }
                _ = stopped, if !ending => {
                    ending = true;
                    end(connection.as_mut());
                }
            }
        }
    }
}

impl Service for Attendant {
    async fn call(&self, request: Request<()>) -> Answer {
        let now = Instant::now();
        let flight = self.activity.begin(now);
        let Reception {
            access, metrics, ..
        } = &*self.reception;
        let remote = self.visitor.remote;
        let mut account = Account::open(access, metrics, remote, request, now);
        let request = account.request();
        let answer = operation::answer(&self.reception, &self.visitor, request).await;
        account.status(answer.status.as_u16());
        Answer {
            body: answer.body.tracked(account, flight),
            ..answer
        }
    }
}

/// Whether hyper itself answered a head, with 400, 414 or 431: such a request
/// comes to nobody else.
fn is_malformed(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error: Option<&hyper::Error> = error.downcast_ref();
    error.is_some_and(hyper::Error::is_parse)
}

/// Sets the options of a connection's socket, while so many are open.
pub(crate) fn prepare(stream: &TcpStream, visitor: &Visitor, slots: &Slots) {
    let remote = visitor.remote;
    // Heads and the ends of bodies are written when they are complete.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%remote, %error, "cannot set an option of a socket");
    }
    let few = FEW.min(slots.all() / FEW);
    let most = match (slots.taken() <= few, visitor.is_secure) {
        (true, false) => UNSENT_WHILE_FEW_IN_PLAIN,
        (true, true) => UNSENT_WHILE_FEW,
        (false, _) => UNSENT_MAX,
    };
    if let Err(error) = transport::limit_unsent(stream.as_fd(), most) {
        tracing::debug!(%remote, %error, "cannot limit what waits for a client");
    }
}
