//! A DHCP server for one client (RFC 2131, RFC 2132), for the machine that is
//! being checked: it offers one address, itself as router and as DNS server,
//! and nothing else. It lives in the check's own network namespace, so that
//! neither the host's networkd nor its firewall is needed or touched.
//!
//! Written here because the crates for it bring a DNS library and a random
//! number generator along for what is 300 bytes with five options.

use std::net::Ipv4Addr;

/// The port that servers listen on.
pub(super) const SERVER_PORT: u16 = 67;
/// The port that clients listen on.
pub(super) const CLIENT_PORT: u16 = 68;

/// Largest message that is read. RFC 2131 asks clients to send at most 576.
pub(super) const MESSAGE_MAX: usize = 1500;

/// Offset of the options: the fixed part of BOOTP and the magic cookie.
const OPTIONS: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Shortest message that old clients accept.
const MESSAGE_MIN: usize = 300;

/// How long the address is the client's, in seconds; longer than any check.
const LEASE: u32 = 3600;

const MASK: u8 = 1;
const ROUTER: u8 = 3;
const DNS: u8 = 6;
const LEASE_TIME: u8 = 51;
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const REQUESTED: u8 = 50;
const PAD: u8 = 0;
const END: u8 = 255;

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The server, which is router and DNS server too.
    pub(super) server: Ipv4Addr,
    /// The client's address.
    pub(super) client: Ipv4Addr,
    /// The mask of both.
    pub(super) mask: Ipv4Addr,
}

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// The answer to a client's message; `None` where there is none to give.
pub(super) fn answer(message: &[u8], offer: &Offer) -> Option<Vec<u8>> {
    let is_request = message.first() == Some(&1);
    if !is_request || message.get(236..OPTIONS)? != COOKIE {
        return None;
    }
    let options = &message[OPTIONS..];
    let kind = *option(options, MESSAGE_TYPE)?.first()?;
    let reply = match kind {
        DISCOVER => OFFER,
        REQUEST => {
            // A client that chose another server is not ours to answer.
            let ours = |server: &[u8]| server == offer.server.octets();
            if !option(options, SERVER).is_none_or(ours) {
                return None;
            }
            let current = message.get(12..16).filter(|a| *a != [0; 4]);
            let wanted = option(options, REQUESTED).or(current);
            let other = wanted.is_some_and(|w| w != offer.client.octets());
            if other { NAK } else { ACK }
        }
        _ => return None,
    };
    Some(reply_to(message, reply, offer))
}

/// Whether a reply gives the client its address.
pub(super) fn is_acknowledgement(reply: &[u8]) -> bool {
    let kind = reply.get(OPTIONS..).and_then(|o| option(o, MESSAGE_TYPE));
    kind == Some(&[ACK])
}

fn reply_to(message: &[u8], kind: u8, offer: &Offer) -> Vec<u8> {
    let mut reply = vec![0; OPTIONS];
    reply[0] = 2; // BOOTREPLY
    reply[1..3].copy_from_slice(&message[1..3]); // hardware type and length
    reply[4..8].copy_from_slice(&message[4..8]); // transaction
    reply[10..12].copy_from_slice(&message[10..12]); // flags
    reply[28..44].copy_from_slice(&message[28..44]); // hardware address
    reply[236..OPTIONS].copy_from_slice(&COOKIE);
    let mut put = |code: u8, value: &[u8]| {
        reply.extend([code, u8::try_from(value.len()).unwrap_or(0)]);
        reply.extend_from_slice(value);
    };
    put(MESSAGE_TYPE, &[kind]);
    put(SERVER, &offer.server.octets());
    if kind != NAK {
        put(LEASE_TIME, &LEASE.to_be_bytes());
        put(MASK, &offer.mask.octets());
        put(ROUTER, &offer.server.octets());
        put(DNS, &offer.server.octets());
    }
    reply.push(END);
    if kind != NAK {
        reply[16..20].copy_from_slice(&offer.client.octets());
        reply[20..24].copy_from_slice(&offer.server.octets());
    }
    reply.resize(reply.len().max(MESSAGE_MIN), PAD);
    reply
}

/// The value of an option, if it is there and whole.
fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (&code, rest) = options.split_first()?;
        match code {
            PAD => options = rest,
            END => return None,
            _ => {
                let (&length, rest) = rest.split_first()?;
                let (value, rest) = rest.split_at_checked(usize::from(length))?;
                if code == wanted {
                    return Some(value);
                }
                options = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Offer = Offer {
        server: Ipv4Addr::new(192, 0, 2, 1),
        client: Ipv4Addr::new(192, 0, 2, 2),
        mask: Ipv4Addr::new(255, 255, 255, 240),
    };

    fn message(options: &[u8]) -> Vec<u8> {
        let mut message = vec![0; OPTIONS];
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(b"xid!");
        message[28..34].copy_from_slice(b"\x02mac++");
        message[236..].copy_from_slice(&COOKIE);
        message.extend_from_slice(options);
        message
    }

    fn kind(reply: &[u8]) -> u8 {
        option(&reply[OPTIONS..], MESSAGE_TYPE).unwrap()[0]
    }

    #[test]
    fn a_discover_is_offered_the_address() {
        let reply = answer(&message(&[MESSAGE_TYPE, 1, DISCOVER, END]), &OURS).unwrap();
        assert_eq!(kind(&reply), OFFER);
        assert!(!is_acknowledgement(&reply));
        assert_eq!(reply[4..8], *b"xid!");
        assert_eq!(reply[16..20], OURS.client.octets());
        assert_eq!(reply[28..34], *b"\x02mac++");
        assert_eq!(
            option(&reply[OPTIONS..], DNS),
            Some(&OURS.server.octets()[..])
        );
        assert!(reply.len() >= MESSAGE_MIN);
    }

    #[test]
    fn requests_are_acknowledged_for_our_address_only() {
        let request = |address: [u8; 4], server: [u8; 4]| {
            let mut options = vec![MESSAGE_TYPE, 1, REQUEST, REQUESTED, 4];
            options.extend(address);
            options.extend([PAD, SERVER, 4]);
            options.extend(server);
            options.push(END);
            answer(&message(&options), &OURS).map(|reply| kind(&reply))
        };
        assert_eq!(request([192, 0, 2, 2], [192, 0, 2, 1]), Some(ACK));
        assert_eq!(request([10, 0, 0, 9], [192, 0, 2, 1]), Some(NAK));
        assert_eq!(request([192, 0, 2, 2], [10, 0, 0, 1]), None);
    }

    #[test]
    fn whatever_else_arrives_is_not_answered() {
        let whole = message(&[MESSAGE_TYPE, 1, DISCOVER, END]);
        for length in 0..whole.len() - 1 {
            assert!(answer(&whole[..length], &OURS).is_none(), "{length}");
        }
        assert!(answer(&message(&[MESSAGE_TYPE, 200, DISCOVER]), &OURS).is_none());
        assert!(answer(&message(&[MESSAGE_TYPE, 0, END]), &OURS).is_none());
        assert!(answer(&message(&[MESSAGE_TYPE, 1, 7, END]), &OURS).is_none());
        let mut reply = whole;
        reply[0] = 2;
        assert!(answer(&reply, &OURS).is_none());
    }
}
