//! The values of single settings.

use crate::settings::text::{AbsolutePath, InvalidText, deserialize};
use crate::validated_text;
use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Longest name of a network interface, in bytes (the kernel's `IFNAMSIZ`,
/// less its final NUL).
const INTERFACE_MAX: usize = 15;

/// Every capability that Linux 6.18 knows (capabilities(7)).
const CAPABILITIES: &[&str] = &[
    "all",
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_KILL",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_RAW",
    "CAP_PERFMON",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
];

validated_text!(
    /// A capability, such as `CAP_NET_ADMIN`, or `all`.
    Capability,
    "a capability",
    |text| {
        CAPABILITIES
            .contains(&text)
            .then_some(())
            .ok_or("allowed are \"all\" and the names of capabilities(7), such as CAP_NET_ADMIN")
    },
    "^(all|CAP_[A-Z_]+)$"
);

validated_text!(
    /// The name of a network interface.
    Interface,
    "the name of a network interface",
    |text| match text.len() {
        0 => Err("it is empty"),
        n if n > INTERFACE_MAX => Err("it is longer than 15 characters"),
        _ if matches!(text, "." | ".." | "all" | "default") => Err("that name is reserved"),
        _ if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) =>
            Err("only letters, digits, '.', '_' and '-' are allowed"),
        _ => Ok(()),
    },
    "^[A-Za-z0-9._-]{1,15}$"
);

validated_text!(
    /// The name of a network zone: an interface name without its `vz-`.
    Zone,
    "the name of a zone",
    |text| match text.len() {
        0 => Err("it is empty"),
        n if n > INTERFACE_MAX - "vz-".len() => Err("it is longer than 12 characters"),
        _ if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) =>
            Err("only letters, digits, '_' and '-' are allowed"),
        _ => Ok(()),
    },
    "^[A-Za-z0-9_-]{1,12}$"
);

validated_text!(
    /// The name of an environment variable.
    EnvironmentName,
    "the name of an environment variable",
    |text| {
        let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (start && rest)
            .then_some(())
            .ok_or("allowed are letters, digits and '_', not beginning with a digit")
    },
    "^[A-Za-z_][A-Za-z0-9_]*$"
);

validated_text!(
    /// The value of an environment variable, without what systemd's file
    /// format would take for its own: quotes, backslashes, control characters.
    EnvironmentValue,
    "the value of an environment variable",
    |text| {
        let bad = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\');
        (!text.contains(bad))
            .then_some(())
            .ok_or("quotes, backslashes and control characters cannot be written in a .nspawn file")
    },
    "^[^\"'\\\\]*$"
);

validated_text!(
    /// A system call or a group of them: `name`, `@group`, with `~` before it
    /// to forbid.
    SystemCalls,
    "a system call",
    |text| {
        let name = text.strip_prefix('~').unwrap_or(text);
        let name = name.strip_prefix('@').unwrap_or(name);
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
        (!name.is_empty() && name.bytes().all(allowed))
            .then_some(())
            .ok_or("allowed are names such as bpf, groups such as @keyring, and '~' before either")
    },
    "^~?@?[a-z0-9_-]+$"
);

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }
        impl $type {
            /// systemd's word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
            pub(super) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(
    /// How a bind mount is made.
    BindOption {
        /// With the mounts beneath it (the default).
        Rbind = "rbind",
        /// Without the mounts beneath it.
        Norbind = "norbind",
        /// Owners are mapped with the machine's user namespace.
        Idmap = "idmap",
        /// Owners are not mapped (the default).
        Noidmap = "noidmap",
        /// The folder's owner is the machine's root.
        Rootidmap = "rootidmap",
        /// The folder's owner is the owner of what it is mounted over.
        Owneridmap = "owneridmap",
    }
);

words!(
    /// How the tree's ownership follows the user namespace.
    Ownership {
        /// `map` where the kernel can, else `chown`.
        Auto = "auto",
        /// Not at all.
        Off = "off",
        /// By changing every file's owner.
        Chown = "chown",
        /// By an id-mapped mount.
        Map = "map",
    }
);

words!(
    /// How the machine's `/etc/resolv.conf` is treated.
    ResolvConf {
        /// Left as it is.
        Off = "off",
        /// Replaced by the host's.
        CopyHost = "copy-host",
        /// Replaced by resolved's static one.
        CopyStatic = "copy-static",
        /// Replaced by the host's uplink servers.
        CopyUplink = "copy-uplink",
        /// Replaced by resolved's stub.
        CopyStub = "copy-stub",
        /// As `copy-host`, even if it is a link.
        ReplaceHost = "replace-host",
        /// As `copy-static`, even if it is a link.
        ReplaceStatic = "replace-static",
        /// As `copy-uplink`, even if it is a link.
        ReplaceUplink = "replace-uplink",
        /// As `copy-stub`, even if it is a link.
        ReplaceStub = "replace-stub",
        /// The host's is mounted over it.
        BindHost = "bind-host",
        /// resolved's static one is mounted over it.
        BindStatic = "bind-static",
        /// The host's uplink servers are mounted over it.
        BindUplink = "bind-uplink",
        /// resolved's stub is mounted over it.
        BindStub = "bind-stub",
        /// Removed.
        Delete = "delete",
        /// What fits the network settings.
        Auto = "auto",
    }
);

words!(
    /// How the machine's `/etc/localtime` is treated.
    TimezoneMode {
        /// Left as it is.
        Off = "off",
        /// Replaced by the host's.
        Copy = "copy",
        /// The host's is mounted over it.
        Bind = "bind",
        /// A link as the host's is made.
        Symlink = "symlink",
        /// Removed.
        Delete = "delete",
        /// What works best.
        Auto = "auto",
    }
);

words!(
    /// Whether the host sees the machine's journal.
    LinkJournal {
        /// No.
        No = "no",
        /// Stored on the host.
        Host = "host",
        /// The same, if the host keeps one.
        TryHost = "try-host",
        /// Stored in the machine, linked on the host.
        Guest = "guest",
        /// The same, if the host keeps one.
        TryGuest = "try-guest",
        /// As the host is set up.
        Auto = "auto",
    }
);

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of the host that leads to one of the machine: `tcp:8080:80`, `80`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Of the transport.
    pub protocol: Protocol,
    /// On the host.
    pub host: u16,
    /// In the machine.
    pub machine: u16,
}

impl FromStr for Port {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = || {
            InvalidText::new(
                "a port",
                text,
                "allowed are PORT, HOSTPORT:PORT, and tcp: or udp: before either, with ports from 1 to 65535",
            )
        };
        let (protocol, ports) = match text.split_once(':') {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            _ => (Protocol::Tcp, text),
        };
        let number = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            let port = digits.parse().ok().filter(|n| plain && *n != 0);
            port.ok_or_else(fail)
        };
        let (host, machine) = ports.split_once(':').unwrap_or((ports, ports));
        Ok(Self {
            protocol,
            host: number(host)?,
            machine: number(machine)?,
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.protocol, self.host, self.machine)
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, "a port such as \"tcp:8080:80\"")
    }
}

impl JsonSchema for Port {
    fn schema_name() -> Cow<'static, str> {
        "Port".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^((tcp|udp):)?([0-9]+:)?[0-9]+$" })
    }
}

/// A file or folder of the host that is mounted into the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// On the host.
    pub source: AbsolutePath,
    /// In the machine; the same path if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<AbsolutePath>,
    /// Whether the machine can only read it.
    #[serde(default)]
    pub read_only: bool,
    /// How it is mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<BindOption>,
}

impl Bind {
    /// Where it is mounted in the machine.
    #[must_use]
    pub fn target(&self) -> &AbsolutePath {
        self.target.as_ref().unwrap_or(&self.source)
    }
}

/// The user namespace of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateUsers {
    /// None: root in the machine is root on the host.
    No,
    /// One, at the ids that own the tree.
    Yes,
    /// One, at free ids that systemd picks.
    Pick,
    /// One that maps every id to itself.
    Identity,
    /// One at these ids.
    From {
        /// The host's id of the machine's root.
        first: u32,
        /// How many ids; 65536 if not given.
        count: Option<u32>,
    },
}

impl FromStr for PrivateUsers {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let fail = || {
            InvalidText::new(
                "a user namespace",
                text,
                "allowed are yes, no, pick, identity, and the first user id alone or with a count, such as 524288:65536",
            )
        };
        let number = |digits: &str| match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse::<u32>().map_err(|_| fail()),
            false => Err(fail()),
        };
        Ok(match text {
            "yes" => Self::Yes,
            "no" => Self::No,
            "pick" => Self::Pick,
            "identity" => Self::Identity,
            _ => match text.split_once(':') {
                Some((first, count)) => Self::From {
                    first: number(first)?,
                    count: Some(number(count)?),
                },
                None => Self::From {
                    first: number(text)?,
                    count: None,
                },
            },
        })
    }
}

impl fmt::Display for PrivateUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Yes => f.write_str("yes"),
            Self::Pick => f.write_str("pick"),
            Self::Identity => f.write_str("identity"),
            // "0" and "1" alone would be read as no and yes.
            Self::From { first, count: None } => write!(f, "{first}:65536"),
            Self::From {
                first,
                count: Some(count),
            } => write!(f, "{first}:{count}"),
        }
    }
}

impl Serialize for PrivateUsers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PrivateUsers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = PrivateUsers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, \"pick\", \"identity\" or the first user id")
            }
            fn visit_bool<E: Error>(self, yes: bool) -> Result<PrivateUsers, E> {
                Ok(if yes {
                    PrivateUsers::Yes
                } else {
                    PrivateUsers::No
                })
            }
            fn visit_i64<E: Error>(self, first: i64) -> Result<PrivateUsers, E> {
                self.visit_str(&first.to_string())
            }
            fn visit_u64<E: Error>(self, first: u64) -> Result<PrivateUsers, E> {
                self.visit_str(&first.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<PrivateUsers, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for PrivateUsers {
    fn schema_name() -> Cow<'static, str> {
        "PrivateUsers".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "anyOf": [
            { "type": "boolean" },
            { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            { "type": "string", "pattern": "^(yes|no|pick|identity|[0-9]+(:[0-9]+)?)$" }
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_every_form() {
        for (text, normal) in [
            ("80", "tcp:80:80"),
            ("8080:80", "tcp:8080:80"),
            ("udp:53", "udp:53:53"),
            ("tcp:8080:80", "tcp:8080:80"),
        ] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), normal);
        }
        for bad in [
            "", "0", "65536", "tcp", "tcp:", "sctp:1:2", "1:2:3", "+1", "80 ",
        ] {
            assert!(bad.parse::<Port>().is_err(), "{bad}");
        }
    }

    #[test]
    fn user_namespaces_in_every_form() {
        for (json, normal) in [
            ("true", "yes"),
            ("false", "no"),
            ("\"pick\"", "pick"),
            ("524288", "524288:65536"),
            ("\"524288:100\"", "524288:100"),
            ("1", "1:65536"),
        ] {
            let parsed: PrivateUsers = serde_json::from_str(json).unwrap();
            assert_eq!(parsed.to_string(), normal, "{json}");
            assert_eq!(normal.parse::<PrivateUsers>().unwrap().to_string(), normal);
        }
        assert!(serde_json::from_str::<PrivateUsers>("-1").is_err());
        assert!("maybe".parse::<PrivateUsers>().is_err());
    }

    #[test]
    fn what_could_start_another_setting_is_refused() {
        assert!("br0\nPort=tcp:22:22".parse::<Interface>().is_err());
        assert!("a\nBind=/".parse::<EnvironmentValue>().is_err());
        assert!("CAP_EVERYTHING".parse::<Capability>().is_err());
        assert!("averyveryverylongname".parse::<Interface>().is_err());
    }
}
