//! What the host has: its systemd, its links and who listens where. It is a
//! value that is handed in, as the time is, so that a test hands in a host.

use crate::{run, unit};
use hatchery_image::settings::IpPrefix;
use hatchery_image::settings::nspawn::Protocol;
use nix::sys::socket::SockaddrStorage;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// How long a program may take that only says what is there.
const ANSWER: Duration = Duration::from_secs(10);

/// Where the kernel lists links.
const LINKS: &str = "/sys/class/net";

/// Most links that are looked at.
const LINKS_MAX: usize = 4096;

/// Most addresses that are looked at.
const ADDRESSES_MAX: usize = 16_384;

/// Most bytes of the kernel's lists of sockets that are read.
const SOCKETS_MAX: u64 = 16 << 20;

/// The state of a TCP socket that listens (`TCP_LISTEN` of the kernel).
const LISTENS: &str = "0A";

/// The state of a UDP socket that is bound to no peer (`TCP_CLOSE`).
const UNCONNECTED: &str = "07";

/// This host, as far as the network of machines is concerned. The default is
/// one of which nothing is known.
#[derive(Clone, Debug, Default)]
pub struct HostNetwork {
    /// Version of its systemd-nspawn, where there is one.
    pub systemd: Fact<Option<u32>>,
    /// Whether systemd is process 1.
    pub systemd_runs: bool,
    /// Its network interfaces.
    pub links: Vec<Link>,
    /// Ports on which something listens already.
    pub listeners: Fact<Vec<Listener>>,
}

/// Something about a host that takes longer to find out than all else, and
/// that matters to few machines.
#[derive(Clone, Copy, Debug)]
pub enum Fact<T> {
    /// It is this.
    Known(T),
    /// This finds it out.
    Ask(fn() -> T),
}

impl<T: Clone> Fact<T> {
    pub(crate) fn get(&self) -> T {
        match self {
            Self::Known(value) => value.clone(),
            Self::Ask(ask) => ask(),
        }
    }
}

impl<T> From<T> for Fact<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Default> Default for Fact<T> {
    fn default() -> Self {
        Self::Known(T::default())
    }
}

/// A network interface of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Whether it is a bridge.
    pub is_bridge: bool,
    /// Its addresses.
    pub addresses: Vec<IpPrefix>,
}

/// A port of the host on which something listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Of the transport.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

impl HostNetwork {
    /// This host, now. What cannot be found out is left open.
    #[must_use]
    pub fn current() -> Self {
        Self {
            systemd: Fact::Ask(systemd),
            systemd_runs: unit::systemd_runs(),
            links: links(),
            listeners: Fact::Ask(listeners),
        }
    }

    /// The interface of this name.
    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}

/// The version of systemd-nspawn, which is what reads the settings.
fn systemd() -> Option<u32> {
    let text = run::run(&["systemd-nspawn", "--version"], ANSWER).ok()?;
    version(&text)
}

/// The number in `systemd 252 (252.39-1~deb12u1)`.
fn version(text: &str) -> Option<u32> {
    let word = text.lines().next()?.strip_prefix("systemd ")?;
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn links() -> Vec<Link> {
    let addresses = addresses();
    let entries = Path::new(LINKS).read_dir().into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .take(LINKS_MAX)
        .map(|name| {
            let own = addresses.iter().filter(|(link, _)| *link == name);
            Link {
                is_bridge: Path::new(LINKS).join(&name).join("bridge").is_dir(),
                addresses: own.map(|(_, address)| *address).collect(),
                name,
            }
        })
        .collect()
}

/// Interfaces and their addresses, from the kernel.
fn addresses() -> Vec<(String, IpPrefix)> {
    let found = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let addresses = found.take(ADDRESSES_MAX).filter_map(|interface| {
        let address = ip(interface.address?)?;
        let length = match ip(interface.netmask?)? {
            IpAddr::V4(mask) => mask.to_bits().leading_ones(),
            IpAddr::V6(mask) => mask.to_bits().leading_ones(),
        };
        let prefix = format!("{address}/{length}").parse().ok()?;
        Some((interface.interface_name, prefix))
    });
    addresses.collect()
}

fn ip(address: SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
}

fn listeners() -> Vec<Listener> {
    let mut all = Vec::new();
    for (file, protocol, state) in [
        ("tcp", Protocol::Tcp, LISTENS),
        ("tcp6", Protocol::Tcp, LISTENS),
        ("udp", Protocol::Udp, UNCONNECTED),
        ("udp6", Protocol::Udp, UNCONNECTED),
    ] {
        let mut text = String::new();
        let path = Path::new("/proc/self/net").join(file);
        let read = File::open(path).and_then(|f| f.take(SOCKETS_MAX).read_to_string(&mut text));
        if read.is_err() {
            continue;
        }
        for port in ports(&text, state) {
            let listener = Listener { protocol, port };
            if !all.contains(&listener) {
                all.push(listener);
            }
        }
    }
    all
}

/// Local ports of sockets in this state, as proc_net(5) lists them, without
/// those on loopback: what comes from outside never reaches these.
fn ports(text: &str, state: &str) -> Vec<u16> {
    let port = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        let is_wanted = words.nth(1)? == state && !is_loopback(address);
        u16::from_str_radix(port, 16).ok().filter(|_| is_wanted)
    };
    text.lines().skip(1).filter_map(port).collect()
}

/// Whether an address in the kernel's hexadecimal words is one of loopback.
fn is_loopback(address: &str) -> bool {
    let word = |n: usize| u32::from_str_radix(address.get(n * 8..n * 8 + 8)?, 16).ok();
    let bytes = |n: usize| word(n).map(u32::to_ne_bytes);
    let ip = match (address.len(), bytes(0)) {
        (8, Some(bytes)) => Some(IpAddr::V4(Ipv4Addr::from(bytes))),
        (32, Some(_)) => {
            let words: Vec<_> = (0..4).filter_map(bytes).flatten().collect();
            let bytes = <[u8; 16]>::try_from(words).ok();
            bytes.map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    };
    ip.is_some_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn versions_of_every_distribution() {
        for (text, number) in [
            ("systemd 252 (252.39-1~deb12u1)\n+PAM", Some(252)),
            ("systemd 229\n+PAM", Some(229)),
            ("systemd 258~rc1 (258~rc1-1)", Some(258)),
            ("elogind 246", None),
            ("", None),
        ] {
            assert_eq!(version(text), number, "{text}");
        }
    }

    #[test]
    fn an_address_comes_with_its_link_and_the_length_of_its_prefix() {
        let loopback = links().into_iter().find(|link| link.name == "lo").unwrap();
        assert!(!loopback.is_bridge);
        let shown: Vec<_> = loopback.addresses.iter().map(ToString::to_string).collect();
        assert!(shown.contains(&"127.0.0.1/8".to_owned()), "{shown:?}");
    }

    #[test]
    fn who_listens_is_seen_and_loopback_does_not_count() {
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let udp = UdpSocket::bind("[::]:0").unwrap();
        let inside = TcpListener::bind("127.0.0.1:0").unwrap();
        let found = listeners();
        let is_found = |protocol, port| found.contains(&Listener { protocol, port });
        assert!(is_found(Protocol::Tcp, open.local_addr().unwrap().port()));
        assert!(is_found(Protocol::Udp, udp.local_addr().unwrap().port()));
        assert!(!is_found(
            Protocol::Tcp,
            inside.local_addr().unwrap().port()
        ));
        assert!(is_loopback("00000000000000000000000001000000"));
        assert!(is_loopback("0000000000000000FFFF00000100007F"));
    }
}
