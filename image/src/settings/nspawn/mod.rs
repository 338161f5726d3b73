//! `.nspawn` files: settings for systemd-nspawn, as systemd.nspawn(5) has
//! them. A recipe describes them, a build publishes them beside the image,
//! and an importer shows and installs them.
//!
//! Covered are the settings that make sense in a published image. Left out on
//! purpose are those that belong to one host or one start (MachineID,
//! CPUAffinity, PivotRoot, Parameters, BindUser, …).

mod parse;
mod render;
mod value;

pub use parse::{NSPAWN_MAX, NspawnError};
pub use value::{
    Bind, BindOption, Capability, EnvironmentName, EnvironmentValue, Interface, LinkJournal,
    Ownership, Port, PrivateUsers, Protocol, ResolvConf, SystemCalls, TimezoneMode, Zone,
};

use super::text::AbsolutePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings for systemd-nspawn; what is not set keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nspawn {
    /// Start the image's init. `systemd-nspawn@.service` does so anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<bool>,
    /// Run on a temporary snapshot that is removed afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    /// Environment variables of the main process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<EnvironmentName, EnvironmentValue>,
    /// Capabilities beyond the default ones, such as `CAP_NET_ADMIN`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Capabilities to take away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop_capabilities: Vec<Capability>,
    /// Forbid gaining privileges by executing programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privileges: Option<bool>,
    /// User namespace: true, false, `pick`, `identity`, or the first user id
    /// with or without a count (`524288:65536`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_users: Option<PrivateUsers>,
    /// How the tree's ownership follows the user namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_users_ownership: Option<Ownership>,
    /// Wait for the machine's init to say that it is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_ready: Option<bool>,
    /// System calls and groups (`@keyring`) to permit, or with `~` to forbid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_calls: Vec<SystemCalls>,
    /// How the machine's `/etc/resolv.conf` is treated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolv_conf: Option<ResolvConf>,
    /// How the machine's `/etc/localtime` is treated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<TimezoneMode>,
    /// Whether the host sees the machine's journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_journal: Option<LinkJournal>,
    /// Let the machine's fsync do nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_sync: Option<bool>,
    /// Mount the tree read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Files and folders of the host to mount into the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// Where to mount an empty tmpfs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub temporary_file_systems: Vec<AbsolutePath>,
    /// Paths to hide from the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inaccessible: Vec<AbsolutePath>,
    /// A network namespace of its own. False shares the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_network: Option<bool>,
    /// A virtual Ethernet link to the host. `systemd-nspawn@.service` makes
    /// one anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_ethernet: Option<bool>,
    /// The host's bridge to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Interface>,
    /// The zone (a bridge that systemd makes) to join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Interfaces of the host on which to make a MACVLAN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub macvlan: Vec<Interface>,
    /// Interfaces of the host on which to make an IPVLAN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipvlan: Vec<Interface>,
    /// Interfaces of the host to move into the machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Ports of the host that lead into the machine, such as `tcp:8080:80`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// Why settings do not go together, and at which key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Contradiction {
    /// The key.
    pub key: &'static str,
    /// What is wrong.
    pub why: String,
}

impl Nspawn {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the settings go together.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn check(&self) -> Result<(), Contradiction> {
        let fail = |key, why: String| Err(Contradiction { key, why });
        if self.bridge.is_some() && self.zone.is_some() {
            return fail(
                "zone",
                "a machine joins a bridge or a zone, not both".into(),
            );
        }
        if self.private_network == Some(false) {
            let needs = [
                ("bridge", self.bridge.is_some()),
                ("zone", self.zone.is_some()),
                ("virtual_ethernet", self.virtual_ethernet == Some(true)),
                ("macvlan", !self.macvlan.is_empty()),
                ("ipvlan", !self.ipvlan.is_empty()),
                ("interfaces", !self.interfaces.is_empty()),
                ("ports", !self.ports.is_empty()),
            ];
            if let Some((key, _)) = needs.into_iter().find(|(_, set)| *set) {
                return fail(
                    key,
                    format!("{key} needs a network of its own, and private_network is false"),
                );
            }
        }
        if self.virtual_ethernet == Some(false) {
            let joins = [
                ("bridge", self.bridge.is_some()),
                ("zone", self.zone.is_some()),
            ];
            if let Some((key, _)) = joins.into_iter().find(|(_, set)| *set) {
                return fail(
                    key,
                    format!(
                        "joining a {key} needs the link that virtual_ethernet = false takes away"
                    ),
                );
            }
        }
        for (n, port) in self.ports.iter().enumerate() {
            let same = |p: &&Port| p.protocol == port.protocol && p.host == port.host;
            if self.ports[..n].iter().find(same).is_some() {
                return fail(
                    "ports",
                    format!(
                        "the host's port {}:{} is given twice",
                        port.protocol, port.host
                    ),
                );
            }
        }
        for (n, bind) in self.binds.iter().enumerate() {
            if self.binds[..n].iter().any(|b| b.target() == bind.target()) {
                return fail("binds", format!("{} is mounted over twice", bind.target()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_found() {
        for (json, key) in [
            (r#"{"bridge": "br0", "zone": "lan"}"#, "zone"),
            (r#"{"private_network": false, "ports": ["80"]}"#, "ports"),
            (r#"{"virtual_ethernet": false, "bridge": "br0"}"#, "bridge"),
            (r#"{"ports": ["tcp:80:80", "80:8080"]}"#, "ports"),
            (
                r#"{"binds": [{"source": "/a"}, {"source": "/b", "target": "/a"}]}"#,
                "binds",
            ),
        ] {
            let nspawn: Nspawn = serde_json::from_str(json).unwrap();
            assert_eq!(nspawn.check().unwrap_err().key, key, "{json}");
        }
        let fine: Nspawn =
            serde_json::from_str(r#"{"bridge": "br0", "ports": ["tcp:53", "udp:53"]}"#).unwrap();
        fine.check().unwrap();
    }
}
