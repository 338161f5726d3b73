//! Which listener a configuration and the sockets that were handed over make
//! together.
//!
//! A socket belongs to the `[[listen]]` that names it (`systemd:https`), or
//! else to the one whose address is its own; so one configuration does with
//! socket activation and without. One called `https` that belongs to none
//! speaks TLS with the first files that the configuration has; every other one
//! plain HTTP. A `[[listen]]` without a socket is listened on as ever.

use super::{Listen, Place};
use crate::{Address, Listener, TlsFiles};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Where to listen when nothing says so.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The name of a socket that speaks TLS.
const HTTPS: &str = "https";

/// A socket that somebody else listens with.
#[derive(Clone, Debug)]
pub struct Handed {
    /// What it is called.
    pub name: String,
    /// The socket.
    pub socket: Arc<OwnedFd>,
}

/// Why sockets and configuration do not fit.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// A socket is none that can be listened at.
    #[error("cannot listen at the socket {name:?} that was handed over")]
    Socket {
        /// What it is called.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration names a socket that was not handed over.
    #[error(
        "no socket called {0:?} was handed over; give the socket unit FileDescriptorName={0}, or another address here"
    )]
    Missing(String),
    /// A socket for TLS, and no files to speak it with.
    #[error(
        "the socket \"https\" was handed over, and no [[listen]] has a certificate and a key; add address = \"systemd:https\" with both"
    )]
    Files,
}

pub(super) fn listeners(
    listen: &[Listen],
    handed: &[Handed],
) -> Result<Vec<Listener>, HandedError> {
    let mut listeners = Vec::new();
    let mut used = vec![false; listen.len()];
    for Handed { name, socket } in handed {
        let address = Address::of(socket).map_err(|source| HandedError::Socket {
            name: name.clone(),
            source,
        })?;
        let named = |at: &Listen| at.address == Place::Handed(name.clone());
        let same = |at: &Listen| at.address == Place::Address(address.clone());
        let at = listen.iter().position(named);
        let at = at.or_else(|| listen.iter().position(same));
        let (tls, metrics) = match at {
            Some(at) => {
                used[at] = true;
                (listen[at].tls.clone(), listen[at].metrics)
            }
            None if name == HTTPS => {
                let files = first_files(listen).ok_or(HandedError::Files)?;
                (Some(files), None)
            }
            None => (None, None),
        };
        listeners.push(Listener {
            address,
            tls,
            metrics,
            socket: Some(Arc::clone(socket)),
        });
    }
    for (at, _) in listen.iter().zip(used).filter(|(_, used)| !used) {
        match &at.address {
            Place::Handed(name) => return Err(HandedError::Missing(name.clone())),
            Place::Address(address) => listeners.push(Listener {
                address: address.clone(),
                tls: at.tls.clone(),
                metrics: at.metrics,
                socket: None,
            }),
        }
    }
    if listeners.is_empty() {
        listeners.push(Listener::plain(DEFAULT));
    }
    Ok(listeners)
}

fn first_files(listen: &[Listen]) -> Option<TlsFiles> {
    listen.iter().find_map(|listen| listen.tls.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn listen(address: &str, tls: bool) -> Listen {
        Listen {
            address: address.parse().unwrap(),
            tls: tls.then(|| TlsFiles {
                certificate: format!("/{address}").into(),
                key: "/key".into(),
            }),
            metrics: None,
        }
    }

    fn handed(name: &str) -> (Handed, String) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let socket = Arc::new(OwnedFd::from(socket));
        let name = name.to_owned();
        (Handed { name, socket }, address)
    }

    fn certificate(listener: &Listener) -> Option<&str> {
        listener.tls.as_ref()?.certificate.to_str()
    }

    #[test]
    fn nothing_said_is_this_host_alone() {
        let listeners = listeners(&[], &[]).unwrap();
        assert_eq!(listeners[0].address.to_string(), "127.0.0.1:8080");
        assert_eq!(listeners.len(), 1);
    }

    #[test]
    fn a_socket_belongs_to_its_name_or_its_address() {
        let (http, http_address) = handed("http");
        let (https, _) = handed("https");
        let config = [
            listen(&http_address, false),
            listen("systemd:https", true),
            listen("[::1]:9", false),
        ];
        let listeners = listeners(&config, &[http, https]).unwrap();
        assert_eq!(listeners.len(), 3);
        assert!(listeners[0].tls.is_none() && listeners[0].socket.is_some());
        assert_eq!(listeners[0].address.to_string(), http_address);
        assert_eq!(certificate(&listeners[1]), Some("/systemd:https"));
        assert!(listeners[2].socket.is_none());
    }

    #[test]
    fn https_without_a_listen_of_its_own_takes_the_first_files() {
        let (https, _) = handed("https");
        let with = listeners(&[listen("[::1]:9", true)], std::slice::from_ref(&https)).unwrap();
        assert_eq!(certificate(&with[0]), Some("/[::1]:9"));
        let without = listeners(&[listen("[::1]:9", false)], &[https]);
        assert!(matches!(without, Err(HandedError::Files)));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let missing = listeners(&[listen("systemd:https", true)], &[]);
        assert!(matches!(missing, Err(HandedError::Missing(name)) if name == "https"));
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp = Handed {
            name: "udp".to_owned(),
            socket: Arc::new(udp.into()),
        };
        let wrong = listeners(&[], &[udp]);
        assert!(matches!(wrong, Err(HandedError::Socket { .. })));
    }
}
