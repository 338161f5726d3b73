//! Settings of systemd-resolved, as a drop-in of resolved.conf(5).

use super::host0::{OneOrMany, join};
use super::text::{Domain, InvalidText, deserialize};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Where resolved looks for the drop-in, relative to the root.
pub const FILE: &str = "etc/systemd/resolved.conf.d/50-image.conf";

/// Settings of systemd-resolved; what is not set keeps systemd's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// Servers to ask besides those of the links, such as `9.9.9.9`,
    /// `9.9.9.9:5353` or `9.9.9.9#dns.quad9.net`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub dns: OneOrMany<DnsServer>,
    /// Servers to ask when there are no others. An empty list leaves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_dns: Option<OneOrMany<DnsServer>>,
    /// Domains to search, or with a leading `~` to route to these servers.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub domains: OneOrMany<Domain>,
    /// Whether signatures are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<Dnssec>,
    /// Whether servers are asked over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_over_tls: Option<DnsOverTls>,
    /// Link-Local Multicast Name Resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llmnr: Option<Multicast>,
    /// Multicast DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multicast_dns: Option<Multicast>,
}

/// Whether DNSSEC is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dnssec {
    /// Always; answers that fail are refused.
    Yes,
    /// Never.
    No,
    /// Unless the server cannot.
    AllowDowngrade,
}

/// Whether servers are asked over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsOverTls {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Where the server can.
    Opportunistic,
}

/// How a multicast protocol is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Multicast {
    /// Ask and answer.
    Yes,
    /// Neither.
    No,
    /// Ask only.
    Resolve,
}

impl Resolved {
    /// The drop-in; none if nothing is set.
    #[must_use]
    pub fn render(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let mut text = String::from("[Resolve]\n");
        let mut set = |key: &str, value: &str| {
            text.push_str(key);
            text.push('=');
            text.push_str(value);
            text.push('\n');
        };
        if !self.dns.is_empty() {
            set("DNS", &join(self.dns.iter()));
        }
        if let Some(servers) = &self.fallback_dns {
            // An empty value clears the list that was compiled in.
            set("FallbackDNS", &join(servers.iter()));
        }
        if !self.domains.is_empty() {
            set("Domains", &join(self.domains.iter()));
        }
        if let Some(dnssec) = self.dnssec {
            let value = match dnssec {
                Dnssec::Yes => "yes",
                Dnssec::No => "no",
                Dnssec::AllowDowngrade => "allow-downgrade",
            };
            set("DNSSEC", value);
        }
        if let Some(tls) = self.dns_over_tls {
            let value = match tls {
                DnsOverTls::Yes => "yes",
                DnsOverTls::No => "no",
                DnsOverTls::Opportunistic => "opportunistic",
            };
            set("DNSOverTLS", value);
        }
        if let Some(llmnr) = self.llmnr {
            set("LLMNR", llmnr.value());
        }
        if let Some(mdns) = self.multicast_dns {
            set("MulticastDNS", mdns.value());
        }
        Some(text)
    }
}

impl Multicast {
    const fn value(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Resolve => "resolve",
        }
    }
}

/// A DNS server: an address, and where given a port and the name that its
/// certificate must bear (`9.9.9.9:853#dns.quad9.net`, `[2620:fe::fe]:53`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsServer {
    address: IpAddr,
    port: Option<u16>,
    name: Option<super::HostName>,
}

impl FromStr for DnsServer {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = |why| InvalidText::new("a DNS server", text, why);
        let (place, name) = match text.split_once('#') {
            Some((place, name)) => {
                let name = name
                    .parse()
                    .map_err(|_| fail("what follows '#' is no host name"))?;
                (place, Some(name))
            }
            None => (text, None),
        };
        if let Ok(address) = place.parse() {
            return Ok(Self {
                address,
                port: None,
                name,
            });
        }
        let socket: SocketAddr = place.parse().map_err(|_| {
            fail("allowed are an address (9.9.9.9), one with a port (9.9.9.9:53, [2620:fe::fe]:53), and '#' with a name after either")
        })?;
        if socket.port() == 0 {
            return Err(fail("there is no port 0"));
        }
        Ok(Self {
            address: socket.ip(),
            port: Some(socket.port()),
            name,
        })
    }
}

impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port))?,
            None => write!(f, "{}", self.address)?,
        }
        match &self.name {
            Some(name) => write!(f, "#{name}"),
            None => Ok(()),
        }
    }
}

impl Serialize for DnsServer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DnsServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "a DNS server such as \"9.9.9.9\"")
    }
}

impl JsonSchema for DnsServer {
    fn schema_name() -> Cow<'static, str> {
        "DnsServer".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:\\[\\]]+(#.+)?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_to_systemd() {
        assert_eq!(Resolved::default().render(), None);
        let resolved: Resolved = serde_json::from_str(r#"{"llmnr": "no"}"#).unwrap();
        assert_eq!(resolved.render().unwrap(), "[Resolve]\nLLMNR=no\n");
    }

    #[test]
    fn every_setting_is_rendered() {
        let resolved: Resolved = serde_json::from_str(
            r#"{"dns": ["9.9.9.9#dns.quad9.net", "[2620:fe::fe]:5353", "1.1.1.1:53"], "fallback_dns": [],
                "domains": "~.", "dnssec": "allow-downgrade", "dns_over_tls": "opportunistic",
                "llmnr": "resolve", "multicast_dns": "yes"}"#,
        )
        .unwrap();
        assert_eq!(
            resolved.render().unwrap(),
            "[Resolve]\nDNS=9.9.9.9#dns.quad9.net [2620:fe::fe]:5353 1.1.1.1:53\nFallbackDNS=\n\
             Domains=~.\nDNSSEC=allow-downgrade\nDNSOverTLS=opportunistic\nLLMNR=resolve\nMulticastDNS=yes\n"
        );
    }

    #[test]
    fn servers_that_systemd_would_ignore_are_refused() {
        for bad in [
            "",
            "dns.example",
            "9.9.9.9 1.1.1.1",
            "9.9.9.9:0",
            "9.9.9.9#",
            "9.9.9.9#a b",
            "2620:fe::fe]:5",
        ] {
            assert!(bad.parse::<DnsServer>().is_err(), "{bad}");
        }
    }
}
