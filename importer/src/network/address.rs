//! Whether a machine can have its static addresses, and through which gateway
//! it reaches the rest.

use super::{HostNetwork, Link, NetworkError};
use crate::record::Records;
use hatchery_image::MachineName;
use hatchery_image::settings::{Host0, IpPrefix, Nspawn, OneOrMany};
use std::net::IpAddr;

/// What a bridge could have where nothing else was said.
const EXAMPLE: &str = "172.23.0.1/24";

/// Refuses addresses that no machine, or not this one, can have.
pub(super) fn check(
    name: &MachineName,
    host0: &Host0,
    settings: &Nspawn,
    (host, records): (&HostNetwork, &Records),
) -> Result<(), NetworkError> {
    let own: Vec<IpAddr> = host0.address.iter().map(|a| a.address()).collect();
    if !own.is_empty() && settings.bridge.is_none() && settings.zone.is_none() {
        return Err(NetworkError::NoBridgeGiven);
    }
    for (n, prefix) in host0.address.iter().enumerate() {
        let (prefix, address) = (*prefix, prefix.address());
        if !prefix.is_host() {
            return Err(NetworkError::NotAHost { address: prefix });
        }
        if own[..n].contains(&address) {
            return Err(NetworkError::AddressTwice { address });
        }
        if host0.gateway.iter().any(|gateway| *gateway == address) {
            return Err(NetworkError::OwnGateway { address });
        }
        let has_it = |link: &&Link| link.addresses.iter().any(|a| a.address() == address);
        if let Some(link) = host.links.iter().find(has_it) {
            let link = link.name.clone();
            return Err(NetworkError::HostsAddress { address, link });
        }
    }
    host0.check().map_err(NetworkError::Host0)?;
    if own.is_empty() {
        return Ok(());
    }
    for other in records.names()?.into_iter().filter(|other| other != name) {
        let Some(record) = records.find(&other)? else {
            continue;
        };
        let theirs = record.network.unwrap_or_default();
        let taken = theirs.address.iter().find(|a| own.contains(&a.address()));
        if let Some(taken) = taken.filter(|_| record.path.exists()) {
            return Err(NetworkError::AddressTaken {
                address: taken.address(),
                machine: other,
            });
        }
    }
    Ok(())
}

/// The gateways that were given, and for each other family of the machine's
/// addresses the bridge's own address in the same network.
pub(super) fn gateways(host0: &Host0, bridge: &Link) -> OneOrMany<IpAddr> {
    let mut gateways: Vec<IpAddr> = host0.gateway.iter().copied().collect();
    for address in host0.address.iter() {
        let is_given = gateways.iter().any(|g| same_family(*g, address.address()));
        let near = |a: &&IpPrefix| address.contains(a.address());
        if let Some(found) = bridge.addresses.iter().find(near).filter(|_| !is_given) {
            gateways.push(found.address());
        }
    }
    gateways.into()
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// An address that a bridge for such a machine could have: the gateway that
/// was given, or the first of the network that is not the machine's.
pub(super) fn of_bridge(host0: &Host0) -> IpPrefix {
    let example = || EXAMPLE.parse().expect("the example is an address");
    let Some(own) = host0.address.iter().next() else {
        return example();
    };
    let given = host0.gateway.iter().find(|gateway| own.contains(**gateway));
    let first = |n: u8| match own.address() {
        IpAddr::V4(a) => {
            let hosts = u32::MAX.checked_shr(own.length().into()).unwrap_or(0);
            IpAddr::V4(((a.to_bits() & !hosts) | u32::from(n)).into())
        }
        IpAddr::V6(a) => {
            let hosts = u128::MAX.checked_shr(own.length().into()).unwrap_or(0);
            IpAddr::V6(((a.to_bits() & !hosts) | u128::from(n)).into())
        }
    };
    let found = given.copied().unwrap_or_else(|| {
        let candidates = [first(1), first(2)];
        let free = candidates.into_iter().find(|a| *a != own.address());
        free.unwrap_or(candidates[0])
    });
    format!("{found}/{}", own.length())
        .parse()
        .unwrap_or_else(|_| example())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host0(json: &str) -> Host0 {
        serde_json::from_str(json).unwrap()
    }

    fn bridge() -> Link {
        Link {
            name: "br0".into(),
            is_bridge: true,
            addresses: ["172.23.0.1/24", "fd00::1/64", "fe80::1/64"]
                .map(|a| a.parse().unwrap())
                .to_vec(),
        }
    }

    fn checked(json: &str) -> Result<(), NetworkError> {
        let dir = tempfile::tempdir().unwrap();
        let host = HostNetwork {
            links: vec![bridge()],
            ..HostNetwork::default()
        };
        let settings = Nspawn::parse("[Network]\nBridge=br0\n").unwrap();
        let name = "web".parse().unwrap();
        let records = Records::beneath(dir.path());
        check(&name, &host0(json), &settings, (&host, &records))
    }

    #[test]
    fn addresses_that_make_no_sense() {
        checked(r#"{"address": ["172.23.0.2/24", "fd00::2/64"], "gateway": "172.23.0.9"}"#)
            .unwrap();
        use NetworkError as E;
        type Wanted = fn(&E) -> bool;
        let cases: [(&str, Wanted); 6] = [
            (r#"{"address": "172.23.0.0/24"}"#, |e| {
                matches!(e, E::NotAHost { .. })
            }),
            (
                r#"{"address": "172.23.0.2/24", "gateway": "172.23.0.2"}"#,
                |e| matches!(e, E::OwnGateway { .. }),
            ),
            (r#"{"address": "172.23.0.1/24"}"#, |e| {
                matches!(e, E::HostsAddress { .. })
            }),
            (r#"{"address": ["172.23.0.2/24", "172.23.0.2/16"]}"#, |e| {
                matches!(e, E::AddressTwice { .. })
            }),
            (
                r#"{"address": "172.23.0.2/24", "gateway": "172.24.0.1"}"#,
                |e| matches!(e, E::Host0(_)),
            ),
            (r#"{"gateway": "172.23.0.1"}"#, |e| matches!(e, E::Host0(_))),
        ];
        for (json, wanted) in cases {
            let error = checked(json).unwrap_err();
            assert!(wanted(&error), "{json}: {error}");
        }
    }

    #[test]
    fn the_bridge_is_the_gateway_unless_another_is_given() {
        let found = |json: &str| {
            let gateways = gateways(&host0(json), &bridge());
            let texts: Vec<_> = gateways.iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        assert_eq!(found(r#"{"address": "172.23.0.2/24"}"#), "172.23.0.1");
        let both = r#"{"address": ["172.23.0.2/24", "fd00::2/64"], "gateway": "172.23.0.9"}"#;
        assert_eq!(found(both), "172.23.0.9 fd00::1");
        assert_eq!(found(r#"{"address": "10.0.0.2/24"}"#), "");
        assert_eq!(found("{}"), "");
    }

    #[test]
    fn an_address_for_a_bridge_that_is_missing() {
        let text = |json: &str| of_bridge(&host0(json)).to_string();
        assert_eq!(text("{}"), EXAMPLE);
        assert_eq!(text(r#"{"address": "10.1.2.3/16"}"#), "10.1.0.1/16");
        assert_eq!(text(r#"{"address": "10.1.2.1/24"}"#), "10.1.2.2/24");
        assert_eq!(text(r#"{"address": "fd00::2/64"}"#), "fd00::1/64");
        let given = r#"{"address": "10.1.2.3/16", "gateway": "10.1.9.9"}"#;
        assert_eq!(text(given), "10.1.9.9/16");
    }
}
