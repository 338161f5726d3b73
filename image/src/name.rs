//! Names that come from outside: of images, machines, versions and channels.
//!
//! Base names are limited to `[a-z0-9.-]`, because systemd 252 refuses `_` in
//! the local name of a pulled image and machine names must be host names.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Longest name that is accepted, in bytes: that of a host name label.
pub const NAME_MAX: usize = 63;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: {why}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    why: &'static str,
}

fn check(what: &'static str, text: &str) -> Result<(), InvalidName> {
    let fail = |why| {
        Err(InvalidName {
            what,
            text: text.chars().take(80).collect(),
            why,
        })
    };
    if text.is_empty() {
        return fail("it is empty");
    }
    if text.len() > NAME_MAX {
        return fail("it is longer than 63 characters");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
    {
        return fail("only a-z, 0-9, '.' and '-' are allowed");
    }
    if text.starts_with(['.', '-']) || text.ends_with(['.', '-']) || text.contains("..") {
        return fail("it starts or ends with '.' or '-', or contains '..'");
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                check($what, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
                    "maxLength": NAME_MAX
                })
            }
        }
    };
}

name!(
    /// The name of an image, such as `debian`.
    ImageName,
    "image name"
);
name!(
    /// An immutable version of an image, such as `20261122.3fa9c1`.
    Version,
    "version"
);
name!(
    /// An alias that points at a version, such as `latest`.
    Channel,
    "channel"
);
name!(
    /// The name of a machine on a host: a host name label, as systemd asks.
    MachineName,
    "machine name"
);

impl Channel {
    /// The channel that every publication moves: `latest`.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }
}

impl From<&ImageName> for MachineName {
    fn from(name: &ImageName) -> Self {
        Self(name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for text in ["debian", "debian-13", "a", "20261122.3fa9c1"] {
            assert!(text.parse::<ImageName>().is_ok(), "{text}");
        }
    }

    #[test]
    fn names_that_could_leave_a_folder_or_break_a_client_do_not() {
        let long = "x".repeat(64);
        for text in [
            "", ".", "..", "a..b", "-a", "a-", ".#a", "a/b", "a_b", "A", "a\0", "a\n", &long,
        ] {
            assert!(text.parse::<ImageName>().is_err(), "{text:?}");
        }
    }
}
