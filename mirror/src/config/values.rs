//! Values of a configuration that can only be made valid, so that the parser
//! names the line of one that is not.

use crate::{Address, HEAD_LIMIT, HEAD_MAX};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What the name of a socket is written after.
const SYSTEMD: &str = "systemd:";
/// Longest time, in seconds: a day.
const SECONDS_MAX: u32 = 86_400;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Place {
    /// At an address.
    Address(Address),
    /// At a socket that systemd hands over, by its `FileDescriptorName=`.
    Handed(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(SYSTEMD) {
            Some("") => Err(format!("{text:?} names no socket")),
            Some(name) => Ok(Self::Handed(name.to_owned())),
            None => {
                let address = text.parse().map(Self::Address);
                address.map_err(|error: crate::InvalidAddress| error.to_string())
            }
        }
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Handed(name) => write!(f, "{SYSTEMD}{name}"),
        }
    }
}

/// A time of 1 to 86400 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Seconds(u32);

impl TryFrom<u32> for Seconds {
    type Error = String;

    fn try_from(seconds: u32) -> Result<Self, String> {
        match seconds {
            1..=SECONDS_MAX => Ok(Self(seconds)),
            _ => Err(format!(
                "{seconds} is not a time; write 1 to {SECONDS_MAX} seconds"
            )),
        }
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds: u32 = text.parse().unwrap_or(0);
        Self::try_from(seconds)
            .map_err(|_| format!("{text:?} is not a time; write 1 to {SECONDS_MAX} seconds"))
    }
}

impl From<Seconds> for Duration {
    fn from(seconds: Seconds) -> Self {
        Self::from_secs(seconds.0.into())
    }
}

/// The longest head of a request, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct HeadBytes(usize);

impl TryFrom<usize> for HeadBytes {
    type Error = String;

    fn try_from(bytes: usize) -> Result<Self, String> {
        match bytes {
            HEAD_MAX..=HEAD_LIMIT => Ok(Self(bytes)),
            _ => Err(format!(
                "{bytes} is no limit of a head; write {HEAD_MAX} to {HEAD_LIMIT} bytes"
            )),
        }
    }
}

impl FromStr for HeadBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: usize = text.parse().unwrap_or(0);
        Self::try_from(bytes).map_err(|_| {
            format!("{text:?} is no limit of a head; write {HEAD_MAX} to {HEAD_LIMIT} bytes")
        })
    }
}

impl From<HeadBytes> for usize {
    fn from(bytes: HeadBytes) -> Self {
        bytes.0
    }
}
