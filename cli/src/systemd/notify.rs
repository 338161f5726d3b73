//! The service manager: datagrams of `NAME=VALUE` lines to the socket that it
//! names, as sd_notify(3) documents.
//!
//! A manager that does not listen is nobody's problem: what cannot be said is
//! left unsaid.

use crate::environment;
use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    pub(crate) fn new() -> Self {
        let address = environment::notify_socket();
        let address = address.and_then(|name| address_of(&name));
        let socket = UnixDatagram::unbound().ok();
        Self {
            socket: socket.zip(address),
            watchdog: environment::watchdog().map(|time| time / 2),
        }
    }

    /// It serves (again).
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// It changes. systemd from 253 on asks for the time, to tell this change
    /// from one that was begun before it asked.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It stops.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=Letting answers under way finish");
    }

    /// How often it wants to hear that the service lives, if at all: twice
    /// within the time after which it would be ended.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// It lives.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            tracing::warn!(%error, "cannot talk to the service manager");
        }
    }
}

/// A path, or a name in the abstract namespace after `@`.
fn address_of(name: &OsStr) -> Option<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(address: &str, bound: &SocketAddr) -> String {
        let socket = UnixDatagram::bind_addr(bound).unwrap();
        let manager = Manager {
            socket: UnixDatagram::unbound()
                .ok()
                .zip(address_of(address.as_ref())),
            watchdog: None,
        };
        manager.ready("Serving");
        let mut heard = [0; 64];
        let length = socket.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    }

    #[test]
    fn it_is_heard_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let path = path.to_str().unwrap();
        let at_path = SocketAddr::from_pathname(path).unwrap();
        assert_eq!(hear(path, &at_path), "READY=1\nSTATUS=Serving");
        let name = format!("hatchery-test-{}", std::process::id());
        let at_name = SocketAddr::from_abstract_name(&name).unwrap();
        let heard = hear(&format!("@{name}"), &at_name);
        assert_eq!(heard, "READY=1\nSTATUS=Serving");
        assert!(address_of("vsock:2:1".as_ref()).is_none());
    }
}
