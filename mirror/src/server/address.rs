//! Where a server listens, as people write it.

use socket2::SockRef;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::str::FromStr;

/// What a Unix socket's path is written after.
const UNIX: &str = "unix:";
/// Longest path of a Unix socket, in bytes: `sockaddr_un` holds 108, one of
/// them for the end.
const UNIX_MAX: usize = 107;

/// Where a server listens: `192.0.2.1:80`, `[::]:443` (which takes IPv4 too)
/// or `unix:/run/hatchery/serve.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port; 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket in the file system, by its absolute path.
    Unix(PathBuf),
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is neither of the forms.
    #[error(
        "{0:?} is not an address; write one such as 0.0.0.0:8080, [::]:443 or unix:/run/hatchery/serve.sock"
    )]
    Form(String),
    /// The path of a Unix socket cannot be one.
    #[error("{0:?} is not an absolute path of at most {UNIX_MAX} bytes")]
    Path(String),
}

impl Address {
    /// Where a socket listens.
    ///
    /// # Errors
    /// It is no stream socket that listens, or of a family that has none of
    /// these addresses.
    pub fn of(socket: &OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(socket);
        if !socket.is_listener()? || socket.r#type()? != socket2::Type::STREAM {
            let message = "it is not a stream socket that listens";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let address = socket.local_addr()?;
        let tcp = address.as_socket().map(Self::Tcp);
        let unix = || address.as_pathname().map(|path| Self::Unix(path.into()));
        tcp.or_else(unix).ok_or_else(|| {
            let message = "it has neither a TCP address nor a path";
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })
    }

    /// Whether only this host reaches it: 127.0.0.0/8, `::1`, or a Unix socket.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let Some(path) = text.strip_prefix(UNIX) else {
            let address = text.parse().map(Self::Tcp);
            return address.map_err(|_| InvalidAddress::Form(text.to_owned()));
        };
        if !path.starts_with('/') || path.len() > UNIX_MAX || path.contains('\0') {
            return Err(InvalidAddress::Path(path.to_owned()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A host, by address and port; IPv4 is always written as such.
    Host(SocketAddr),
    /// A process of this host, over a Unix socket.
    Local,
}

impl Remote {
    /// A client of a TCP socket. A socket for both families shows IPv4 clients
    /// as `::ffff:192.0.2.1`, which is the same client.
    #[must_use]
    pub fn host(address: SocketAddr) -> Self {
        Self::Host(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

/// The address without the port, or `unix`.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(address) => address.ip().fmt(f),
            Self::Local => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in [
            "127.0.0.1:8080",
            "[::]:443",
            "[::1]:0",
            "unix:/run/hatchery/serve.sock",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let long = format!("unix:/{}", "a".repeat(UNIX_MAX));
        for text in ["", "8080", "localhost:80", "::1:80", "unix:run/x", &long] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn local_is_what_only_this_host_reaches() {
        let local = |text: &str| text.parse::<Address>().unwrap().is_local();
        assert!(local("127.9.9.9:1") && local("[::1]:1") && local("unix:/x"));
        assert!(local("[::ffff:127.0.0.1]:1"));
        assert!(!local("0.0.0.0:1") && !local("[::]:1") && !local("192.0.2.1:1"));
    }

    #[test]
    fn a_client_has_one_address_whatever_the_socket() {
        let remote = Remote::host("[::ffff:192.0.2.1]:9".parse().unwrap());
        assert_eq!(remote.to_string(), "192.0.2.1");
        assert_eq!(Remote::Local.to_string(), "unix");
    }
}
