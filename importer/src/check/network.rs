//! The host's end of the machine's veth during a check: an address, DHCP and
//! DNS. All sockets are in the check's own network namespace, in which the
//! veth is the only interface.

use super::{dhcp, dns, link};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// TEST-NET-1 of RFC 5737: no machine has an address in it.
const OFFER: dhcp::Offer = dhcp::Offer {
    server: Ipv4Addr::new(192, 0, 2, 1),
    client: Ipv4Addr::new(192, 0, 2, 2),
    mask: Ipv4Addr::new(255, 255, 255, 240),
};

/// Most further addresses that are taken for a machine with static ones.
const ALIASES_MAX: usize = 8;

/// The host's end, being served by threads that end with the process.
#[derive(Debug)]
pub(super) struct Network {
    interface: String,
    leased: Arc<AtomicBool>,
}

impl Network {
    /// Whether systemd-nspawn has made the interface.
    pub(super) fn is_there(interface: &str) -> bool {
        link::exists(interface)
    }

    /// Gives the interface its address and begins to serve.
    pub(super) fn new(interface: &str) -> io::Result<Self> {
        link::set_address(interface, OFFER.server, OFFER.mask)?;
        link::up(interface)?;
        let network = Self {
            interface: interface.to_owned(),
            leased: Arc::default(),
        };
        network.serve_dhcp()?;
        serve_dns(OFFER.server)?;
        Ok(network)
    }

    /// Whether the machine took the address that it was offered.
    pub(super) fn has_leased(&self) -> bool {
        self.leased.load(Ordering::Relaxed)
    }

    /// Plays the gateway and the DNS servers of a machine whose address is
    /// static: takes their addresses, and answers there.
    pub(super) fn impersonate(
        &self,
        (address, mask): (Ipv4Addr, Ipv4Addr),
        gateway: Option<Ipv4Addr>,
        servers: &[Ipv4Addr],
    ) -> io::Result<()> {
        let network = |a: Ipv4Addr| a & mask;
        let mut addresses: Vec<Ipv4Addr> = gateway.into_iter().collect();
        addresses.extend(servers.iter().filter(|s| Some(**s) != gateway));
        for (number, alias) in addresses.into_iter().take(ALIASES_MAX).enumerate() {
            if alias == address || alias.is_loopback() {
                continue;
            }
            // One on the machine's own network brings the way back to it.
            let near = network(alias) == network(address);
            let alias_mask = if near { mask } else { Ipv4Addr::BROADCAST };
            let name = format!("{}:{number}", self.interface);
            link::set_address(&name, alias, alias_mask)?;
            if servers.contains(&alias) {
                serve_dns(alias)?;
            }
        }
        Ok(())
    }

    fn serve_dhcp(&self) -> io::Result<()> {
        // A client without an address is answered by broadcast, which needs
        // a socket that is bound to an address of the interface; but such a
        // socket does not receive broadcasts.
        let receiver = socket(Ipv4Addr::UNSPECIFIED, dhcp::SERVER_PORT)?;
        let sender = socket(OFFER.server, dhcp::SERVER_PORT)?;
        sender.set_broadcast(true)?;
        let leased = Arc::clone(&self.leased);
        thread::spawn(move || {
            let mut message = [0; dhcp::MESSAGE_MAX];
            while let Ok((length, _)) = receiver.recv_from(&mut message) {
                if let Some(reply) = dhcp::answer(&message[..length], &OFFER) {
                    let everybody = (Ipv4Addr::BROADCAST, dhcp::CLIENT_PORT);
                    let sent = sender.send_to(&reply, everybody).is_ok();
                    leased.fetch_or(sent && dhcp::is_acknowledgement(&reply), Ordering::Relaxed);
                }
            }
        });
        Ok(())
    }
}

fn serve_dns(address: Ipv4Addr) -> io::Result<()> {
    let socket = socket(address, dns::PORT)?;
    thread::spawn(move || {
        let mut message = [0; dns::MESSAGE_MAX];
        while let Ok((length, client)) = socket.recv_from(&mut message) {
            if let Some(reply) = dns::answer(&message[..length]) {
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    Ok(())
}

/// A UDP socket on a port that another one may be bound to as well.
fn socket(address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    rustix::net::bind(&fd, &SocketAddrV4::new(address, port))?;
    Ok(fd.into())
}
