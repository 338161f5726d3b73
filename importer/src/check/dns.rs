//! A DNS server that knows one name (RFC 1035), for the machine that is being
//! checked. Like the DHCP server it lives in the check's own network
//! namespace. The name is one below `test.`, which RFC 6761 sets aside and
//! for which systemd-resolved asks for no DNSSEC.

use std::net::Ipv4Addr;

/// The port that servers listen on.
pub(super) const PORT: u16 = 53;

/// Largest query that is read; EDNS clients send a little over 512.
pub(super) const MESSAGE_MAX: usize = 1500;

/// The name that is known.
pub(super) const NAME: &str = "hatchery.test";

/// Its address (TEST-NET-2 of RFC 5737), which no machine has.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// The answer to a query; `None` for what is none.
pub(super) fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    let is_response = header[2] & 0x80 != 0;
    let one_question = header[4..6] == [0, 1];
    if is_response || !one_question {
        return None;
    }
    let (name, after) = read_name(&query[HEADER..])?;
    let kind = query.get(HEADER + after..HEADER + after + 4)?;
    let question = &query[HEADER..HEADER + after + 4];
    let kind = (
        u16::from_be_bytes([kind[0], kind[1]]),
        u16::from_be_bytes([kind[2], kind[3]]),
    );
    let known = name.eq_ignore_ascii_case(NAME);
    let has_answer = known && kind == (TYPE_A, CLASS_IN);

    let mut reply = header[..2].to_vec();
    // A response, authoritative, with the query's opcode and wish to recurse.
    let code = if known { 0 } else { NO_SUCH_NAME };
    reply.extend([0x84 | (header[2] & 0x79), 0x80 | code]);
    reply.extend([0, 1, 0, u8::from(has_answer), 0, 0, 0, 0]);
    reply.extend_from_slice(question);
    if has_answer {
        // A pointer to the question's name, A, IN, 60 seconds, 4 bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(ADDRESS.octets());
    }
    Some(reply)
}

/// A name without compression, and how many bytes it takes.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // RFC 1035: labels of at most 63 bytes, names of at most 255.
        if length > 63 || at + length > 255 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(bytes.get(at..at + length)?));
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.as_bytes());
        }
        query.push(0);
        query.extend(kind.to_be_bytes());
        query.extend(CLASS_IN.to_be_bytes());
        query
    }

    #[test]
    fn the_one_name_has_its_address() {
        let reply = answer(&query("Hatchery.TEST", TYPE_A)).unwrap();
        assert_eq!(reply[..2], [0xab, 0xcd]);
        assert_eq!(reply[2..4], [0x85, 0x80]);
        assert_eq!(reply[6..8], [0, 1]);
        assert!(reply.ends_with(&ADDRESS.octets()));
    }

    #[test]
    fn others_do_not_exist_and_other_types_are_empty() {
        let other = answer(&query("example.org", TYPE_A)).unwrap();
        assert_eq!(other[3] & 0xf, NO_SUCH_NAME);
        let ipv6 = answer(&query(NAME, 28)).unwrap();
        assert_eq!((ipv6[3] & 0xf, ipv6[7]), (0, 0));
    }

    #[test]
    fn what_is_no_query_is_not_answered() {
        let whole = query(NAME, TYPE_A);
        for length in 0..whole.len() {
            assert!(answer(&whole[..length]).is_none(), "{length}");
        }
        let mut response = whole.clone();
        response[2] |= 0x80;
        assert!(answer(&response).is_none());
        let mut pointer = whole;
        pointer[HEADER] = 0xc0;
        assert!(answer(&pointer).is_none());
    }
}
