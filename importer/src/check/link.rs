//! Addresses of network interfaces, through the ioctls of netdevice(7), in
//! whatever network namespace the calling thread is in.
//!
//! These few old requests spare the check a netlink crate and the host the
//! `ip` program.
#![allow(unsafe_code)] // ioctls; all of it is in `call`, whose argument is the largest `struct ifreq`

use linux_raw_sys::ioctl as request;
use rustix::fd::OwnedFd;
use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::Ipv4Addr;

/// `IFNAMSIZ` of `linux/if.h`.
const NAME_SIZE: usize = 16;

/// `AF_INET`.
const INET: u16 = 2;

/// `IFF_UP`.
const UP: u16 = 1;

/// `struct ifreq`: a name, and a union of 24 bytes (16 where pointers have 4).
#[repr(C, align(8))]
struct Request {
    name: [u8; NAME_SIZE],
    value: [u8; 24],
}

fn new(name: &str) -> io::Result<Request> {
    // One byte less, for the final NUL.
    if name.is_empty() || name.len() >= NAME_SIZE {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut request = Request {
        name: [0; NAME_SIZE],
        value: [0; 24],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    Ok(request)
}

fn call<const REQUEST: Opcode>(argument: &mut Request) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let fd: OwnedFd = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    // SAFETY: every request used here takes a `struct ifreq`, which `Request`
    // is as long as; the kernel copies it in and out.
    let updater = unsafe { Updater::<REQUEST, _>::new(argument) };
    // SAFETY: as above.
    Ok(unsafe { ioctl(&fd, updater) }?)
}

fn with_address(name: &str, address: Ipv4Addr) -> io::Result<Request> {
    let mut request = new(name)?;
    // struct sockaddr_in: family, port, address.
    request.value[..2].copy_from_slice(&INET.to_ne_bytes());
    request.value[4..8].copy_from_slice(&address.octets());
    Ok(request)
}

fn address_in(request: &Request) -> Ipv4Addr {
    let [.., a, b, c, d] = request.value[..8] else {
        return Ipv4Addr::UNSPECIFIED;
    };
    Ipv4Addr::new(a, b, c, d)
}

/// Whether there is an interface of this name.
pub(super) fn exists(name: &str) -> bool {
    new(name).is_ok_and(|mut r| call::<{ request::SIOCGIFFLAGS as Opcode }>(&mut r).is_ok())
}

/// Gives an interface (or, as `NAME:1`, an alias of it) an address.
pub(super) fn set_address(name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
    call::<{ request::SIOCSIFADDR as Opcode }>(&mut with_address(name, address)?)?;
    call::<{ request::SIOCSIFNETMASK as Opcode }>(&mut with_address(name, mask)?)
}

/// Switches an interface on.
pub(super) fn up(name: &str) -> io::Result<()> {
    let mut request = new(name)?;
    call::<{ request::SIOCGIFFLAGS as Opcode }>(&mut request)?;
    let flags = u16::from_ne_bytes([request.value[0], request.value[1]]) | UP;
    request.value[..2].copy_from_slice(&flags.to_ne_bytes());
    call::<{ request::SIOCSIFFLAGS as Opcode }>(&mut request)
}

/// The first address of an interface and its mask, if it has one.
pub(super) fn address(name: &str) -> io::Result<Option<(Ipv4Addr, Ipv4Addr)>> {
    let mut request = new(name)?;
    match call::<{ request::SIOCGIFADDR as Opcode }>(&mut request) {
        Ok(()) => (),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()) => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    }
    let address = address_in(&request);
    let mut request = new(name)?;
    call::<{ request::SIOCGIFNETMASK as Opcode }>(&mut request)?;
    Ok(Some((address, address_in(&request))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_read() {
        assert!(exists("lo"));
        assert!(!exists("no-such-link"));
        assert!(!exists("a-name-that-is-far-too-long"));
        let (address, mask) = address("lo").unwrap().unwrap();
        assert_eq!(address, Ipv4Addr::LOCALHOST);
        assert_eq!(mask, Ipv4Addr::new(255, 0, 0, 0));
    }
}
