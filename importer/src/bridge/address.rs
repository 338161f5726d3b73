//! Whether an address is free: the routes and addresses that the host has, as
//! the kernel lists them in /proc.

use hatchery_image::settings::IpPrefix;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Most routes that are looked at.
const ROUTES_MAX: usize = 100_000;

/// A network that the host reaches, and through which link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) network: IpPrefix,
    pub(super) link: String,
}

/// The first route other than a default one and those of `link` itself that
/// shares addresses with `address`.
pub(super) fn overlap(proc: &Path, address: IpPrefix, link: &str) -> io::Result<Option<Route>> {
    let old = read(&proc.join("net/route"))?;
    let new = read(&proc.join("net/ipv6_route"))?;
    let found: Vec<Route> = v4(&old).chain(v6(&new)).take(ROUTES_MAX).collect();
    Ok(found.into_iter().find(|route| {
        let net = route.network;
        net.length() > 0
            && route.link != link
            && (net.contains(address.address()) || address.contains(net.address()))
    }))
}

/// A kernel without IPv6 has no such file.
fn read(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        result => result,
    }
}

/// `/proc/net/route`: link, destination, gateway, flags, …, mask; addresses in
/// hexadecimal, in the byte order of the host.
fn v4(text: &str) -> impl Iterator<Item = Route> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let address = Ipv4Addr::from(number(1)?.to_ne_bytes());
        let mask = u32::from_ne_bytes(number(7)?.to_ne_bytes()).count_ones();
        network(address.into(), mask, words.first()?)
    })
}

/// `/proc/net/ipv6_route`: destination, its prefix length, …, link. Those of
/// the loopback link and link-local and multicast ones are everybody's.
fn v6(text: &str) -> impl Iterator<Item = Route> + '_ {
    text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let address = u128::from_str_radix(words.first()?, 16).ok()?;
        let length = u32::from_str_radix(words.get(1)?, 16).ok()?;
        let address = Ipv6Addr::from(address);
        let link = words.last()?;
        let is_special = *link == "lo" || address.is_multicast() || address.is_unicast_link_local();
        (!is_special).then_some(())?;
        network(address.into(), length, link)
    })
}

fn network(address: IpAddr, length: u32, link: &str) -> Option<Route> {
    Some(Route {
        network: format!("{address}/{length}").parse().ok()?,
        link: link.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";
    const V6: &str = "\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 \
00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
";

    #[test]
    fn what_the_host_reaches_already_is_not_free() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("net")).unwrap();
        fs::write(proc.path().join("net/route"), V4).unwrap();
        fs::write(proc.path().join("net/ipv6_route"), V6).unwrap();
        let found = |address: &str, link: &str| {
            overlap(proc.path(), address.parse().unwrap(), link)
                .unwrap()
                .map(|route| route.network.to_string())
        };
        assert_eq!(found("172.23.0.1/24", "br0"), None);
        assert_eq!(
            found("192.168.2.9/28", "br0").as_deref(),
            Some("192.168.2.0/24")
        );
        assert_eq!(
            found("192.168.0.1/16", "br0").as_deref(),
            Some("192.168.2.0/24")
        );
        assert_eq!(found("192.168.2.9/28", "eth0"), None);
        assert_eq!(found("fd00::5/64", "br0").as_deref(), Some("fd00::/64"));
        assert_eq!(found("fd00:0:0:1::5/64", "br0"), None);
    }
}
