//! Those who connect: they are counted, greeted, and served in tasks of their
//! own.

use super::address::{Address, Remote};
use super::bind::Bound;
use super::crew::{Foreman, Post};
use super::door::Door;
use crate::activity::Activity;
use crate::clients::Guest;
use crate::connection::{self, Reception, Visitor};
use crate::faults;
use crate::transport::{Monitored, Transport};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long to wait when the system has no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who connected, not watched by any runtime yet.
enum Stream {
    Tcp(std::net::TcpStream, Remote),
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    fn remote(&self) -> Remote {
        match self {
            Self::Tcp(_, remote) => *remote,
            Self::Unix(_) => Remote::Local,
        }
    }
}

enum Socket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Socket {
    fn new(address: &Address, socket: OwnedFd) -> io::Result<Self> {
        match address {
            Address::Tcp(_) => tokio::net::TcpListener::from_std(socket.into()).map(Self::Tcp),
            Address::Unix(_) => tokio::net::UnixListener::from_std(socket.into()).map(Self::Unix),
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept().await?;
                Ok(Stream::Tcp(stream.into_std()?, Remote::host(remote)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Stream::Unix(stream.into_std()?))
            }
        }
    }

    /// The next who connects.
    async fn next(&self) -> Stream {
        loop {
            match self.accept().await {
                Ok(stream) => return stream,
                Err(error) => {
                    // A client that is gone already is nobody's problem.
                    if error.kind() != io::ErrorKind::ConnectionAborted {
                        faults::tell(&format!("cannot accept connections: {error}"));
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }
}

/// Serves all who connect until `stop` says so; then lets what is under way
/// finish. Each connection begins with the reception of that moment.
///
/// # Errors
/// The runtime cannot watch the socket.
pub(crate) async fn attend(
    bound: Bound,
    foreman: Foreman,
    reception: watch::Receiver<Arc<Reception>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let socket = Socket::new(&bound.address, bound.socket)?;
    let slots = reception.borrow().slots.clone();
    let stopping = stop.clone();
    let mut tasks = JoinSet::new();
    let mut waiting = None;
    loop {
        tokio::select! {
            stream = socket.next(), if waiting.is_none() => {
                waiting = admit(stream, &reception.borrow());
            }
            // While all slots are taken, one waits here and the others in the
            // kernel.
            slot = slots.take(), if waiting.is_some() => {
                let Some((stream, guest)) = waiting.take() else { continue };
                greet(&mut tasks, stream, &bound.door, Begin {
                    reception: Arc::clone(&reception.borrow()),
                    stop: stopping.clone(),
                    post: foreman.post(),
                    _counted: (slot, guest),
                });
            }
            Some(_) = tasks.join_next() => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop((socket, bound.made));
    let limit = reception.borrow().drain;
    drain(tasks, limit).await;
    Ok(())
}

/// Counts a connection among those of its client, or closes it if that one has
/// too many.
fn admit(stream: Stream, reception: &Reception) -> Option<(Stream, Guest)> {
    let remote = stream.remote();
    let guest = reception.guests.enter(remote, reception.pace.limits());
    if guest.is_some() {
        reception.metrics.accepted.inc();
    } else {
        reception.metrics.refused.inc();
        tracing::debug!(%remote, "a client with too many connections was sent away");
    }
    guest.map(|guest| (stream, guest))
}

/// What a connection begins with, and holds to its end.
struct Begin {
    reception: Arc<Reception>,
    stop: watch::Receiver<bool>,
    post: Post,
    _counted: (OwnedSemaphorePermit, Guest),
}

/// Serves a connection to its end, in a task of its own. Each kind has its own
/// task, because one for all would be as large as the largest, and ten thousand
/// idle plain connections would pay for TLS.
fn greet(tasks: &mut JoinSet<()>, stream: Stream, door: &Door, begin: Begin) {
    let manner = door.manner();
    let tls = manner.tls.map(|tls| TlsAcceptor::from(tls.config()));
    let visitor = Visitor {
        remote: stream.remote(),
        sees_metrics: manner.shows_metrics,
        is_secure: tls.is_some(),
    };
    let runtime = begin.post.runtime.clone();
    match (stream, tls) {
        (Stream::Tcp(stream, _), tls) => {
            connection::prepare(&stream, &visitor, &begin.reception.slots);
            match tls {
                None => tasks.spawn_on(serve_tcp(stream, visitor, begin), &runtime),
                Some(tls) => {
                    let stream = async { TcpStream::from_std(stream) };
                    tasks.spawn_on(serve_tls(tls, stream, visitor, begin), &runtime)
                }
            }
        }
        (Stream::Unix(stream), None) => {
            tasks.spawn_on(serve_unix(stream, visitor, begin), &runtime)
        }
        (Stream::Unix(stream), Some(tls)) => {
            let stream = async { UnixStream::from_std(stream) };
            tasks.spawn_on(serve_tls(tls, stream, visitor, begin), &runtime)
        }
    };
}

async fn serve_tcp(stream: std::net::TcpStream, visitor: Visitor, begin: Begin) {
    if let Some((stream, activity)) = watched(TcpStream::from_std(stream), &visitor) {
        connection::serve(stream, activity, visitor, begin.reception, begin.stop).await;
    }
}

async fn serve_unix(stream: std::os::unix::net::UnixStream, visitor: Visitor, begin: Begin) {
    if let Some((stream, activity)) = watched(UnixStream::from_std(stream), &visitor) {
        connection::serve(stream, activity, visitor, begin.reception, begin.stop).await;
    }
}

/// `stream` begins to be watched by the runtime that serves it.
async fn serve_tls<S>(
    tls: TlsAcceptor,
    stream: impl Future<Output = io::Result<S>>,
    visitor: Visitor,
    begin: Begin,
) where
    S: Transport,
{
    let Some((stream, activity)) = watched(stream.await, &visitor) else {
        return;
    };
    // In a box, because what a handshake needs is not needed any more after it.
    let shaking = Box::pin(shake_hands(tls, stream, visitor.remote, &begin));
    if let Some(stream) = shaking.await {
        connection::serve(stream, activity, visitor, begin.reception, begin.stop).await;
    }
}

/// The stream, if the runtime took it, and what it tells.
fn watched<S: Transport>(
    stream: io::Result<S>,
    visitor: &Visitor,
) -> Option<(Monitored<S>, Activity)> {
    let remote = visitor.remote;
    stream
        .inspect_err(|error| {
            faults::tell(&format!("cannot serve connections: {error}"));
            tracing::debug!(%remote, %error, "a connection was not served");
        })
        .map(|stream| {
            let activity = Activity::new();
            (Monitored::new(stream, activity.clone()), activity)
        })
        .ok()
}

/// Begins TLS, within its time and unless the server stops.
async fn shake_hands<S>(
    tls: TlsAcceptor,
    stream: S,
    remote: Remote,
    begin: &Begin,
) -> Option<TlsStream<S>>
where
    S: Transport,
{
    let mut stop = begin.stop.clone();
    let limit = begin.reception.handshake;
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(limit, tls.accept(stream)) => shaken,
        _ = stop.wait_for(|stop| *stop) => return None,
    };
    match shaken {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            begin.reception.metrics.handshakes_failed.inc();
            tracing::debug!(%remote, %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            begin.reception.metrics.handshakes_late.inc();
            tracing::debug!(%remote, "a TLS handshake took too long");
            None
        }
    }
}

/// Waits for the connections that are left, then cuts them.
async fn drain(mut tasks: JoinSet<()>, limit: Duration) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "connections were cut while stopping"
        );
        tasks.shutdown().await;
    }
}
