//! A listening socket: how it is made, and what is done with those who
//! connect.

use super::address::{Address, Remote};
use super::options::Listener;
use super::tls::{Tls, TlsError};
use crate::clients::Guest;
use crate::connection::{self, Reception, Visitor};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections that the kernel keeps for the server until it takes them.
const BACKLOG: i32 = 4096;
/// How long to wait when the system has no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why nobody can connect at an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Address,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be spoken there.
    #[error("cannot speak TLS on {address}")]
    Tls {
        /// The address.
        address: Address,
        /// Why.
        #[source]
        source: Box<TlsError>,
    },
}

/// A socket that listens, and nobody is served yet.
#[derive(Debug)]
pub(crate) struct Bound {
    /// Where it was asked to listen.
    pub(crate) asked: Address,
    /// Where it does: port 0 became another one.
    pub(crate) address: Address,
    pub(crate) door: Arc<Door>,
    socket: OwnedFd,
    /// The socket in the file system that was made for it.
    made: Option<Made>,
}

/// What may change about a listener while it listens.
#[derive(Debug)]
pub(crate) struct Door(RwLock<Manner>);

/// How those who come in are served.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What TLS is spoken with; none for plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Whether they may see the metrics.
    pub(crate) shows_metrics: bool,
}

impl Manner {
    fn new(listener: &Listener, tls: Option<Arc<Tls>>) -> Self {
        let is_local = listener.address.is_local();
        Self {
            tls,
            shows_metrics: listener.metrics.unwrap_or(is_local),
        }
    }
}

impl Door {
    pub(crate) fn manner(&self) -> Manner {
        let manner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        manner.clone()
    }

    /// What a listener that stays is to be served with. Files that were used
    /// already and are broken now are no reason not to go on with what they
    /// held.
    pub(crate) fn prepare(&self, listener: &Listener) -> Result<Manner, ListenError> {
        let tls = match self.manner().tls {
            Some(tls) if Some(tls.files()) == listener.tls.as_ref() => {
                tls.look();
                Some(tls)
            }
            _ => load_tls(listener)?,
        };
        Ok(Manner::new(listener, tls))
    }

    /// Whoever connects from now on is served so.
    pub(crate) fn change(&self, manner: Manner) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = manner;
    }
}

/// A socket in the file system, removed when dropped if it is still there.
#[derive(Debug)]
struct Made {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for Made {
    fn drop(&mut self) {
        let there = std::fs::symlink_metadata(&self.path);
        if there.is_ok_and(|m| (m.dev(), m.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Reads the files of a listener's TLS, if it has any.
fn load_tls(listener: &Listener) -> Result<Option<Arc<Tls>>, ListenError> {
    let load = |files| Tls::load(files).map(Arc::new);
    let tls = listener.tls.clone().map(load).transpose();
    tls.map_err(|source| ListenError::Tls {
        address: listener.address.clone(),
        source: Box::new(source),
    })
}

/// Listens, or takes the socket that was handed over.
pub(crate) fn bind(listener: &Listener) -> Result<Bound, ListenError> {
    let tls = load_tls(listener)?;
    let failed = |source| ListenError::Listen {
        address: listener.address.clone(),
        source,
    };
    let (socket, made) = match (&listener.socket, &listener.address) {
        (Some(handed), _) => (take_over(handed).map_err(failed)?, None),
        (None, Address::Tcp(address)) => (listen_tcp(*address).map_err(failed)?, None),
        (None, Address::Unix(path)) => {
            let (socket, made) = listen_unix(path).map_err(failed)?;
            (socket, Some(made))
        }
    };
    let address = match &listener.address {
        Address::Tcp(_) => Address::of(&socket).map_err(failed)?,
        Address::Unix(path) => Address::Unix(path.clone()),
    };
    Ok(Bound {
        asked: listener.address.clone(),
        address,
        door: Arc::new(Door(RwLock::new(Manner::new(listener, tls)))),
        socket,
        made,
    })
}

fn take_over(handed: &OwnedFd) -> io::Result<OwnedFd> {
    let socket = handed.try_clone()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

fn listen_tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = make(family)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // Whatever net.ipv6.bindv6only says: [::] is everybody.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn listen_unix(path: &Path) -> io::Result<(OwnedFd, Made)> {
    use rustix::net::SocketAddrUnix;
    let socket = make(AddressFamily::UNIX)?;
    remove_dead(path);
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let there = std::fs::symlink_metadata(path)?;
    let made = Made {
        path: path.to_owned(),
        identity: (there.dev(), there.ino()),
    };
    // What is served is public; who may come near is up to the folder.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, made))
}

fn make(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Removes a socket at which nobody listens any more.
fn remove_dead(path: &Path) {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if !is_socket {
        return;
    }
    let refused = std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
    if refused {
        let _ = std::fs::remove_file(path);
    }
}

/// Who connected.
enum Stream {
    Tcp(TcpStream, Remote),
    Unix(UnixStream),
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
                Ok(Stream::Tcp(stream, Remote::host(remote)))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
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
                        tracing::warn!(%error, "cannot accept a connection");
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
                greet(&mut tasks, stream, (slot, guest), &bound.door, Begin {
                    reception: Arc::clone(&reception.borrow()),
                    stop: stopping.clone(),
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

/// What a connection begins with.
struct Begin {
    reception: Arc<Reception>,
    stop: watch::Receiver<bool>,
}

/// Serves a connection to its end, in a task of its own. Each kind has its own
/// task, because one for all would be as large as the largest, and ten thousand
/// idle plain connections would pay for TLS.
fn greet(
    tasks: &mut JoinSet<()>,
    stream: Stream,
    counted: impl Send + 'static,
    door: &Door,
    begin: Begin,
) {
    let manner = door.manner();
    let tls = manner.tls.map(|tls| TlsAcceptor::from(tls.config()));
    let visitor = Visitor {
        remote: stream.remote(),
        sees_metrics: manner.shows_metrics,
    };
    if let Stream::Tcp(stream, remote) = &stream {
        connection::prepare(stream, *remote);
    }
    match (stream, tls) {
        (Stream::Tcp(stream, _), None) => tasks.spawn(async move {
            connection::serve(stream, visitor, begin.reception, begin.stop).await;
            drop(counted);
        }),
        (Stream::Tcp(stream, _), Some(tls)) => tasks.spawn(async move {
            serve_tls(tls, stream, visitor, begin).await;
            drop(counted);
        }),
        (Stream::Unix(stream), None) => tasks.spawn(async move {
            connection::serve(stream, visitor, begin.reception, begin.stop).await;
            drop(counted);
        }),
        (Stream::Unix(stream), Some(tls)) => tasks.spawn(async move {
            serve_tls(tls, stream, visitor, begin).await;
            drop(counted);
        }),
    };
}

async fn serve_tls<S>(tls: TlsAcceptor, stream: S, visitor: Visitor, begin: Begin)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // In a box, because what a handshake needs is not needed any more after it.
    let shaking = Box::pin(shake_hands(tls, stream, visitor.remote, &begin));
    if let Some(stream) = shaking.await {
        connection::serve(stream, visitor, begin.reception, begin.stop).await;
    }
}

/// Begins TLS, within its time and unless the server stops.
async fn shake_hands<S>(
    tls: TlsAcceptor,
    stream: S,
    remote: Remote,
    begin: &Begin,
) -> Option<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
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
