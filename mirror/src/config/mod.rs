//! `/etc/hatchery/mirror.toml`: what a server is told, unless a flag says
//! otherwise.
//!
//! Data types alone: [`Config::parse`] takes the text, and `cli/` reads the
//! file. Unknown keys are errors, and every error names file and line. What is
//! left out has the default that the type's key documents. [`Config::options`]
//! makes [`Options`] of it, which know nothing of TOML.

mod error;
mod sockets;
mod values;

pub use error::ConfigError;
pub use sockets::{Handed, HandedError};
pub use values::{HeadBytes, Place, Seconds};

use crate::{Options, PerClient, PublicUrl, Rate, TlsError, TlsFiles};
use jiff::Timestamp;
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the configuration is by default.
pub const CONFIG: &str = "/etc/hatchery/mirror.toml";
/// Largest configuration that is read, in bytes.
pub const CONFIG_MAX: u64 = 1 << 20;
/// Most listeners.
const LISTENERS_MAX: usize = 64;

/// The configuration. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The store, an absolute path.
    pub store: Option<PathBuf>,
    /// Where clients find the server, for its pages (as each request says).
    pub public_url: Option<PublicUrl>,
    /// How long answers under way have when the server stops (30).
    pub drain_seconds: Option<Seconds>,
    /// Where to listen (`127.0.0.1:8080`, or all sockets handed over).
    pub listen: Vec<Listen>,
    /// Limits for everybody together.
    pub limits: Limits,
    /// Limits for each client.
    pub per_client: Client,
    /// The access log.
    pub log: Log,
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenListen")]
pub struct Listen {
    /// Where.
    pub address: Place,
    /// The files of TLS; none for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether `/metrics` is answered there.
    pub metrics: Option<bool>,
}

/// The same, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenListen {
    /// `0.0.0.0:80`, `[::]:443`, `unix:/run/hatchery/serve.sock`, or
    /// `systemd:NAME` for a socket that systemd hands over by that name.
    address: Place,
    /// Certificate chain, PEM, an absolute path.
    certificate: Option<PathBuf>,
    /// The certificate's key, PEM, an absolute path.
    key: Option<PathBuf>,
    /// Whether `/metrics` is answered (where only this host comes in).
    metrics: Option<bool>,
}

impl TryFrom<WrittenListen> for Listen {
    type Error = String;

    fn try_from(written: WrittenListen) -> Result<Self, String> {
        let tls = match (written.certificate, written.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                absolute("certificate", &certificate)?;
                absolute("key", &key)?;
                Some(TlsFiles { certificate, key })
            }
            (Some(_), None) => return Err(missing("key", "certificate")),
            (None, Some(_)) => return Err(missing("certificate", "key")),
        };
        Ok(Self {
            address: written.address,
            tls,
            metrics: written.metrics,
        })
    }
}

fn missing(what: &str, there: &str) -> String {
    format!("there is a {there} and no {what}; TLS needs both, plain HTTP neither")
}

fn absolute(key: &str, path: &Path) -> Result<(), String> {
    if path.is_absolute() {
        return Ok(());
    }
    let path = path.display();
    Err(format!(
        "{key}: {path} is not an absolute path; write it from / on"
    ))
}

/// Limits for everybody together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once; further ones wait (16384).
    pub connections: Option<NonZeroU32>,
    /// Longest head of a request, 8192 to 1048576 (8192).
    pub head_bytes: Option<HeadBytes>,
    /// Time for a request's head (30).
    pub head_seconds: Option<Seconds>,
    /// The same, while more than a quarter of all connections are taken (5).
    pub head_seconds_crowded: Option<Seconds>,
    /// Time for a client that takes nothing of an answer (60).
    pub stalled_seconds: Option<Seconds>,
    /// The same, while that many are taken (10).
    pub stalled_seconds_crowded: Option<Seconds>,
    /// Time for a TLS handshake (10).
    pub handshake_seconds: Option<Seconds>,
    /// Ranges of one request that are answered one by one (16).
    pub ranges: Option<NonZeroU32>,
}

/// Limits for each client: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// Connections at once (no limit).
    pub connections: Option<NonZeroU32>,
    /// Requests a second in the long run (no limit).
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests at once after a pause (ten seconds' worth).
    pub burst: Option<NonZeroU32>,
    /// Whether all this holds for clients on this host, too (false).
    pub local: bool,
}

/// The access log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `off`, `plain` or `json` (`plain`).
    pub access: Option<AccessFormat>,
    /// A file to append to, an absolute path (stderr).
    pub file: Option<PathBuf>,
}

impl FromStr for AccessFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither off, plain nor json")),
        }
    }
}

/// How accesses are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessFormat {
    /// Not at all.
    Off,
    /// In words.
    Plain,
    /// As JSON objects.
    Json,
}

impl Config {
    /// Reads the text of a configuration; `path` is for messages only.
    ///
    /// # Errors
    /// A line that is not TOML, an unknown key, a value out of its limits, a
    /// relative path.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        if config.listen.len() > LISTENERS_MAX {
            return Err(ConfigError::Listeners {
                path: path.to_owned(),
            });
        }
        let paths = [("store", &config.store), ("log.file", &config.log.file)];
        for (key, value) in paths {
            let checked = value.as_ref().map_or(Ok(()), |value| absolute(key, value));
            checked.map_err(|message| ConfigError::Relative {
                path: path.to_owned(),
                message,
            })?;
        }
        Ok(config)
    }

    /// Reads the files of TLS, as a server would.
    ///
    /// # Errors
    /// The first pair that cannot be used.
    pub fn check_files(&self) -> Result<(), TlsError> {
        let files = self.listen.iter().filter_map(|listen| listen.tls.as_ref());
        files.into_iter().try_for_each(TlsFiles::check)
    }

    /// How the server behaves, but for the access log. `handed` are the
    /// sockets that somebody else made.
    ///
    /// # Errors
    /// A socket that the configuration names was not handed over, or one that
    /// was can be no listener.
    pub fn options(
        &self,
        handed: &[Handed],
        now: fn() -> Timestamp,
    ) -> Result<Options, HandedError> {
        let mut options = Options::new(sockets::DEFAULT, now);
        options.listeners = sockets::listeners(&self.listen, handed)?;
        options.per_client = self.per_client.limits();
        options.public_url = self.public_url.clone();
        self.limits.apply(&mut options);
        if let Some(drain) = self.drain_seconds {
            options.drain = drain.into();
        }
        Ok(options)
    }
}

impl Limits {
    fn apply(&self, options: &mut Options) {
        let set = |to: &mut std::time::Duration, value: Option<Seconds>| {
            if let Some(value) = value {
                *to = value.into();
            }
        };
        let patience = &mut options.patience;
        set(&mut patience.head, self.head_seconds);
        set(&mut patience.stalled, self.stalled_seconds);
        // A crowd is no reason for more patience.
        patience.head_when_crowded = patience.head_when_crowded.min(patience.head);
        patience.stalled_when_crowded = patience.stalled_when_crowded.min(patience.stalled);
        set(&mut patience.head_when_crowded, self.head_seconds_crowded);
        set(
            &mut patience.stalled_when_crowded,
            self.stalled_seconds_crowded,
        );
        set(&mut options.handshake, self.handshake_seconds);
        if let Some(connections) = self.connections {
            options.connections = connections.get() as usize;
        }
        if let Some(head) = self.head_bytes {
            options.head = head.into();
        }
        let ranges = self.ranges.and_then(|n| NonZeroUsize::try_from(n).ok());
        options.ranges = ranges.unwrap_or(options.ranges);
    }
}

impl Client {
    fn limits(&self) -> PerClient {
        let rate = self.requests_per_second.map(|per_second| Rate {
            per_second,
            // A page, a catalog and the files of an image ask for a dozen at once.
            burst: self
                .burst
                .unwrap_or(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(9))),
        });
        PerClient {
            connections: self.connections,
            rate,
            local: self.local,
        }
    }
}

#[cfg(test)]
mod tests;
