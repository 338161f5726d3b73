//! The network of a machine's `host0`, as systemd.network(5) has it.
//!
//! With DHCP and nothing else, systemd's own `80-container-host0.network`
//! does all there is to do and no file is written. Otherwise a file of the
//! same name in `/etc/systemd/network` takes its place, so that there is one
//! file to look at. It says what systemd's says about everything that the
//! description leaves open; router advertisements are accepted as by default.

use super::text::{Domain, InvalidText};
use schemars::JsonSchema;
use serde::de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// Where networkd looks for it, relative to the root.
pub const FILE: &str = "etc/systemd/network/80-container-host0.network";

/// The network of `host0`, as a recipe writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host0 {
    /// Ask for addresses by DHCP and router advertisements. True unless an
    /// address is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// Fixed addresses with their prefix lengths, such as `172.23.0.2/24`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub address: OneOrMany<IpPrefix>,
    /// Gateways of the default routes, at most one of each family.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub gateway: OneOrMany<IpAddr>,
    /// DNS servers to ask through this link.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub dns: OneOrMany<IpAddr>,
    /// Domains to search, or with a leading `~` to route to these servers.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub domains: OneOrMany<Domain>,
}

/// Why a description of `host0` makes no sense, and at which key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Host0Error {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub why: String,
}

impl Host0 {
    /// Whether addresses are asked for.
    #[must_use]
    pub fn uses_dhcp(&self) -> bool {
        self.dhcp.unwrap_or(self.address.is_empty())
    }

    /// Whether the parts go together.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn check(&self) -> Result<(), Host0Error> {
        let fail = |key, why: String| Err(Host0Error { key, why });
        if self.address.is_empty() && !self.uses_dhcp() {
            return fail(
                "dhcp",
                "without DHCP, host0 needs an address, such as address = \"172.23.0.2/24\"".into(),
            );
        }
        for (n, gateway) in self.gateway.iter().enumerate() {
            if self.address.is_empty() {
                return fail("gateway", "a gateway needs an address beside it".into());
            }
            let same_family = |other: &IpAddr| other.is_ipv4() == gateway.is_ipv4();
            if self.gateway.iter().skip(n + 1).any(same_family) {
                return fail(
                    "gateway",
                    "there are two gateways of one family; at most one for IPv4 and one for IPv6"
                        .into(),
                );
            }
            let link_local = matches!(gateway, IpAddr::V6(a) if a.is_unicast_link_local());
            if !link_local && !self.address.iter().any(|a| a.contains(*gateway)) {
                return fail(
                    "gateway",
                    format!("the gateway {gateway} lies in the network of no address"),
                );
            }
        }
        Ok(())
    }

    /// The file that replaces systemd's own; none where that one does.
    #[must_use]
    pub fn render(&self) -> Option<String> {
        let nothing_else =
            self.address.is_empty() && self.dns.is_empty() && self.domains.is_empty();
        if self.uses_dhcp() && nothing_else {
            return None;
        }
        let mut text =
            String::from("[Match]\nKind=veth\nName=host0\nVirtualization=container\n\n[Network]\n");
        let mut set = |key: &str, value: String| {
            text.push_str(key);
            text.push('=');
            text.push_str(&value);
            text.push('\n');
        };
        if self.uses_dhcp() {
            set("DHCP", "yes".into());
        }
        set("LinkLocalAddressing", "yes".into());
        set("LLDP", "yes".into());
        set("EmitLLDP", "customer-bridge".into());
        for address in self.address.iter() {
            set("Address", address.to_string());
        }
        for gateway in self.gateway.iter() {
            set("Gateway", gateway.to_string());
        }
        for server in self.dns.iter() {
            set("DNS", server.to_string());
        }
        if !self.domains.is_empty() {
            set("Domains", join(self.domains.iter()));
        }
        if self.uses_dhcp() {
            text.push_str("\n[DHCP]\nUseTimezone=yes\n");
        }
        Some(text)
    }
}

/// Words of a list in systemd's files.
pub(super) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|i| i.to_string()).collect();
    words.join(" ")
}

/// An address with the length of its network's prefix, such as `10.0.0.2/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPrefix {
    address: IpAddr,
    length: u8,
}

impl IpPrefix {
    /// The address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// The length of the network's prefix, in bits.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether a machine can have this address: not that of the network
    /// itself or of everybody in it, where there are such, and none that is
    /// loopback, multicast or unspecified.
    #[must_use]
    pub fn is_host(self) -> bool {
        let address = self.address;
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
            return false;
        }
        match address {
            // RFC 3021: in a /31 both are hosts'.
            IpAddr::V4(a) => {
                let hosts = u32::MAX.checked_shr(self.length.into()).unwrap_or(0);
                let own = a.to_bits() & hosts;
                a != Ipv4Addr::BROADCAST && (self.length > 30 || (own != 0 && own != hosts))
            }
            // RFC 4291, 2.6.1: that of all zeros is any router's.
            IpAddr::V6(a) => {
                let hosts = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
                self.length > 126 || a.to_bits() & hosts != 0
            }
        }
    }

    /// Whether `other` lies in the same network.
    #[must_use]
    pub fn contains(self, other: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(a) => (u128::from(a.to_bits()) << 96, 32),
            IpAddr::V6(a) => (a.to_bits(), 128),
        };
        let ((own, own_width), (theirs, width)) = (bits(self.address), bits(other));
        let mask = match self.length {
            0 => 0,
            length => u128::MAX << (128 - u32::from(length)),
        };
        own_width == width && own & mask == theirs & mask
    }
}

impl FromStr for IpPrefix {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = |why| InvalidText::new("an address with a prefix length", text, why);
        let (address, length) = text
            .split_once('/')
            .ok_or_else(|| fail("the prefix length is missing, as in 172.23.0.2/24"))?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| fail("what is before '/' is no IPv4 or IPv6 address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length
            .parse()
            .ok()
            .filter(|n| *n <= most && !length.starts_with('+'))
            .ok_or_else(|| fail("the prefix length goes up to 32 for IPv4 and 128 for IPv6"))?;
        Ok(Self { address, length })
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for IpPrefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IpPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::text::deserialize(deserializer, "an address such as \"172.23.0.2/24\"")
    }
}

impl JsonSchema for IpPrefix {
    fn schema_name() -> Cow<'static, str> {
        "IpPrefix".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$" })
    }
}

/// A list that may be written as a single value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its values, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(values: Vec<T>) -> Self {
        Self(values)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text))
                    .map(|value| OneOrMany(vec![value]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host0(json: &str) -> Host0 {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn plain_dhcp_leaves_it_to_systemd() {
        assert_eq!(Host0::default().render(), None);
        assert_eq!(host0(r#"{"dhcp": true}"#).render(), None);
    }

    #[test]
    fn the_bridge_lab() {
        let lab = host0(
            r#"{"address": "172.23.0.2/24", "gateway": "172.23.0.1", "dns": ["9.9.9.9", "2620:fe::fe"],
                "domains": ["example.org", "~corp"]}"#,
        );
        lab.check().unwrap();
        assert_eq!(
            lab.render().unwrap(),
            "[Match]\nKind=veth\nName=host0\nVirtualization=container\n\n\
             [Network]\nLinkLocalAddressing=yes\nLLDP=yes\nEmitLLDP=customer-bridge\n\
             Address=172.23.0.2/24\nGateway=172.23.0.1\nDNS=9.9.9.9\nDNS=2620:fe::fe\n\
             Domains=example.org ~corp\n"
        );
    }

    #[test]
    fn dhcp_with_more_keeps_what_systemd_has() {
        let text = host0(r#"{"dns": "9.9.9.9"}"#).render().unwrap();
        assert!(
            text.contains("DHCP=yes\n") && text.contains("UseTimezone=yes\n"),
            "{text}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_its_key() {
        for (json, key) in [
            (r#"{"dhcp": false}"#, "dhcp"),
            (r#"{"gateway": "10.0.0.1"}"#, "gateway"),
            (
                r#"{"address": "10.0.0.2/24", "gateway": "10.0.1.1"}"#,
                "gateway",
            ),
            (
                r#"{"address": "10.0.0.2/24", "gateway": ["10.0.0.1", "10.0.0.3"]}"#,
                "gateway",
            ),
            (
                r#"{"address": "10.0.0.2/24", "gateway": "fd00::1"}"#,
                "gateway",
            ),
        ] {
            assert_eq!(host0(json).check().unwrap_err().key, key, "{json}");
        }
        host0(r#"{"address": ["10.0.0.2/24", "fd00::2/64"], "gateway": ["10.0.0.1", "fe80::1"]}"#)
            .check()
            .unwrap();
    }

    #[test]
    fn addresses_that_no_machine_can_have() {
        let is_host = |text: &str| text.parse::<IpPrefix>().unwrap().is_host();
        for good in [
            "10.0.0.2/24",
            "10.0.0.0/31",
            "10.0.0.1/32",
            "fd00::2/64",
            "fd00::/127",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "10.0.0.0/24",
            "10.0.0.255/24",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "127.0.0.1/8",
            "224.0.0.5/4",
            "fd00::/64",
            "::1/128",
            "ff02::1/64",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn prefixes() {
        assert!(
            "0.0.0.0/0"
                .parse::<IpPrefix>()
                .unwrap()
                .contains("1.2.3.4".parse().unwrap())
        );
        for bad in [
            "10.0.0.1",
            "10.0.0.1/33",
            "fd00::1/129",
            "10.0.0.1/+8",
            "10.0.0/8",
            "/8",
        ] {
            assert!(bad.parse::<IpPrefix>().is_err(), "{bad}");
        }
    }
}
