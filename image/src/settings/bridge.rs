//! A bridge of the host that machines join: networkd's `.netdev` and
//! `.network` (systemd.netdev(5), systemd.network(5)).
//!
//! What networkd calls a thing depends on its version, as its NEWS says:
//! `IPMasquerade=` takes `ipv4` and `both` from 248 on, and `yes` before;
//! `ConfigureWithoutCarrier=` is there from 235 on. Before that a bridge
//! without machines stays without its address until the first one joins,
//! which is when it is needed. The DHCP server hands out the upper half of the
//! network, so that the lower half is free for addresses given by hand.

use super::host0::IpPrefix;
use super::nspawn::Interface;
use std::net::IpAddr;

/// First version whose `IPMasquerade=` names families.
const MASQUERADE_FAMILIES: u32 = 248;

/// First version with `ConfigureWithoutCarrier=`.
const WITHOUT_CARRIER: u32 = 235;

/// A bridge with an address of the host in the network behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The link.
    pub name: Interface,
    /// The host's address in it, the machines' gateway.
    pub address: IpPrefix,
    /// Whether machines without an address of their own get one by DHCP.
    pub dhcp: bool,
}

impl Bridge {
    /// The `.netdev` file.
    #[must_use]
    pub fn netdev(&self) -> String {
        format!("[NetDev]\nName={}\nKind=bridge\n", self.name)
    }

    /// The `.network` file, as a systemd of this version reads it.
    #[must_use]
    pub fn network(&self, systemd: u32) -> String {
        let is_v4 = self.address.address().is_ipv4();
        let mut text = format!(
            "[Match]\nName={}\n\n[Network]\nAddress={}\n",
            self.name, self.address
        );
        text.push_str(match (systemd >= MASQUERADE_FAMILIES, is_v4) {
            (true, true) => "IPMasquerade=ipv4\n",
            (true, false) => "IPMasquerade=ipv6\n",
            (false, _) => "IPMasquerade=yes\n",
        });
        if systemd >= WITHOUT_CARRIER {
            text.push_str("ConfigureWithoutCarrier=yes\n");
        }
        match self.pool().filter(|_| self.dhcp) {
            Some((offset, size)) => {
                text.push_str(&format!(
                    "DHCPServer=yes\n\n[DHCPServer]\nPoolOffset={offset}\nPoolSize={size}\n"
                ));
            }
            None if !is_v4 => text.push_str("IPv6SendRA=yes\n"),
            None => {}
        }
        text
    }

    /// Where the addresses begin that are handed out, from the network's own
    /// on, and how many there are; none where the network has too few, or is
    /// one of IPv6.
    #[must_use]
    pub fn pool(&self) -> Option<(u32, u32)> {
        let IpAddr::V4(_) = self.address.address() else {
            return None;
        };
        // A /28 has 14 hosts: eight for people, six for the server.
        let length = self.address.length();
        if length > 28 {
            return None;
        }
        // networkd hands out no more than a /16's worth.
        let all = 1_u32 << (32 - u32::from(length).max(16));
        Some((all / 2, all / 2 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(address: &str) -> Bridge {
        Bridge {
            name: "br0".parse().unwrap(),
            address: address.parse().unwrap(),
            dhcp: true,
        }
    }

    #[test]
    fn a_new_systemd_and_an_old_one_are_told_the_same() {
        let bridge = bridge("172.23.0.1/24");
        assert_eq!(bridge.netdev(), "[NetDev]\nName=br0\nKind=bridge\n");
        assert_eq!(
            bridge.network(252),
            "[Match]\nName=br0\n\n[Network]\nAddress=172.23.0.1/24\nIPMasquerade=ipv4\n\
             ConfigureWithoutCarrier=yes\nDHCPServer=yes\n\n\
             [DHCPServer]\nPoolOffset=128\nPoolSize=127\n"
        );
        let old = bridge.network(229);
        assert!(old.contains("IPMasquerade=yes\n"), "{old}");
        assert!(!old.contains("WithoutCarrier"), "{old}");
    }

    #[test]
    fn small_networks_and_those_of_ipv6_have_no_pool() {
        assert_eq!(bridge("10.0.0.1/28").pool(), Some((8, 7)));
        assert_eq!(bridge("10.0.0.1/30").pool(), None);
        assert_eq!(bridge("10.0.0.1/8").pool(), Some((32768, 32767)));
        let text = bridge("fd00::1/64").network(257);
        assert!(text.contains("IPMasquerade=ipv6\nConfigureWithoutCarrier=yes\nIPv6SendRA=yes"));
        assert!(!text.contains("DHCPServer"), "{text}");
    }
}
