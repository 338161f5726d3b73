//! How a server behaves. Plain values: where they are written down is not
//! this module's business.

use super::address::Address;
use super::tls::TlsFiles;
use crate::access::AccessLog;
use crate::activity::Patience;
use crate::clients::PerClient;
use crate::connection::HEAD_MAX;
use crate::page::PublicUrl;
use crate::ranges::RANGES_MAX;
use jiff::Timestamp;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Connections open at once unless the options say otherwise.
pub const CONNECTIONS: usize = 16_384;
/// How long a stopping server waits for answers under way, unless the options
/// say otherwise.
pub const DRAIN: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take unless the options say otherwise.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// One place where a server listens.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where. With a socket that was handed over, where that one listens.
    pub address: Address,
    /// What TLS is spoken with; none for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether `/metrics` is answered here; unless it says, where only this
    /// host comes in.
    pub metrics: Option<bool>,
    /// A listening socket that somebody else made, such as systemd; otherwise
    /// one is made.
    pub socket: Option<Arc<OwnedFd>>,
}

impl Listener {
    /// Plain HTTP at an address.
    #[must_use]
    pub fn plain(address: impl Into<Address>) -> Self {
        Self {
            address: address.into(),
            tls: None,
            metrics: None,
            socket: None,
        }
    }

    /// HTTP over TLS at an address.
    #[must_use]
    pub fn tls(address: impl Into<Address>, files: TlsFiles) -> Self {
        Self {
            tls: Some(files),
            ..Self::plain(address)
        }
    }
}

/// How a server behaves.
#[derive(Clone)]
pub struct Options {
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Connections open at once; further ones wait. At least 1.
    pub connections: usize,
    /// What clients may take their time for.
    pub patience: Patience,
    /// What one client may take.
    pub per_client: PerClient,
    /// Longest head of a request, in bytes, from [`HEAD_MAX`] to
    /// [`crate::HEAD_LIMIT`]; what is beyond either is as if at it.
    pub head: usize,
    /// Most ranges of one request that are answered one by one; with more, it
    /// gets the whole file.
    pub ranges: NonZeroUsize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long to wait for answers under way when stopping.
    pub drain: Duration,
    /// Where the access log goes.
    pub access: AccessLog,
    /// Where the log counts the lines that it leaves out, for `/metrics`.
    pub lost_lines: Option<Arc<AtomicU64>>,
    /// Where clients find the server, for what its pages tell them to do; as
    /// each request says, if there is none.
    pub public_url: Option<PublicUrl>,
    /// What time it is, for warnings of the catalog's expiry and for pages.
    pub now: fn() -> Timestamp,
}

impl Options {
    /// The usual behaviour, without an access log.
    #[must_use]
    pub fn new(listen: SocketAddr, now: fn() -> Timestamp) -> Self {
        Self {
            listeners: vec![Listener::plain(listen)],
            connections: CONNECTIONS,
            patience: Patience::default(),
            per_client: PerClient::default(),
            head: HEAD_MAX,
            ranges: RANGES_MAX,
            handshake: HANDSHAKE,
            drain: DRAIN,
            access: Arc::new(|_| ()),
            lost_lines: None,
            public_url: None,
            now,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listeners", &self.listeners)
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .field("per_client", &self.per_client)
            .field("head", &self.head)
            .field("ranges", &self.ranges)
            .field("handshake", &self.handshake)
            .field("drain", &self.drain)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
