//! Brings up the loopback interface of a new network namespace: scripts talk
//! to servers that they start, and some programs refuse to run on a machine
//! without any address.
//!
//! One message of rtnetlink(7), which spares every bootstrap a process.

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;

/// `RTM_NEWLINK`, which also changes a link that is there.
const CHANGE_LINK: u16 = 16;

/// `NLM_F_REQUEST | NLM_F_ACK`.
const ACKNOWLEDGED: u16 = 1 | 4;

/// The number of the interface `lo` in every namespace.
const LOOPBACK: i32 = 1;

/// `IFF_UP`.
const UP: u32 = 1;

/// Bytes of a `struct nlmsghdr` and a `struct ifinfomsg`.
const LENGTH: usize = 32;

/// Where an answer has its error, a negative errno, or 0: after its header.
const ERROR: std::ops::Range<usize> = 16..20;

/// Brings it up in the calling process's namespace.
pub(super) fn up() -> io::Result<()> {
    // Protocol 0 is NETLINK_ROUTE.
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message(), SendFlags::empty(), &kernel)?;
    let mut answer = [0; LENGTH + ERROR.end];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let error = answer[..length].get(ERROR);
    match error
        .and_then(|e| e.try_into().ok())
        .map(i32::from_ne_bytes)
    {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn message() -> Vec<u8> {
    let mut message = Vec::with_capacity(LENGTH);
    let length = u32::try_from(LENGTH).expect("it is 32");
    message.extend(length.to_ne_bytes());
    message.extend(CHANGE_LINK.to_ne_bytes());
    message.extend(ACKNOWLEDGED.to_ne_bytes());
    // Sequence number and port; then family and type of the interface: any.
    message.extend([0; 8]);
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    // The flags, and which of them change.
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message
}
