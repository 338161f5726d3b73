//! How a listening socket is made, or taken over from somebody else.

use super::address::Address;
use super::door::Door;
use super::options::Listener;
use super::tls::TlsError;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Connections that the kernel keeps for the server until it takes them.
const BACKLOG: i32 = 4096;

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
    pub(super) socket: OwnedFd,
    /// The socket in the file system that was made for it.
    pub(super) made: Option<Made>,
}

/// A socket in the file system, removed when dropped if it is still there.
#[derive(Debug)]
pub(super) struct Made {
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

/// Listens, or takes the socket that was handed over.
pub(crate) fn bind(listener: &Listener) -> Result<Bound, ListenError> {
    let door = Arc::new(Door::new(listener)?);
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
        door,
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
    // Without waiting: one whose clients stand in line is alive.
    let refused = || {
        let address = rustix::net::SocketAddrUnix::new(path)?;
        rustix::net::connect(&make(AddressFamily::UNIX)?, &address)?;
        io::Result::Ok(())
    };
    if refused().is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        let _ = std::fs::remove_file(path);
    }
}
