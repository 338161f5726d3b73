//! What can go wrong between us and GnuPG.

use super::HOME_MAX;
use crate::Fingerprint;
use crate::run::RunError;
use std::path::PathBuf;

/// Why there is no signature, or no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// GnuPG is not there or too old.
    #[error("GnuPG cannot be used; is gpg installed (Debian: gnupg)?")]
    NoGpg(#[source] gpgme::Error),
    /// The path of the home is so long that gpg-agent cannot make its sockets.
    #[error(
        "the GnuPG home {home} has a path of {length} bytes; gpg-agent's sockets inside it need \
         one of at most {HOME_MAX}",
        length = home.as_os_str().len()
    )]
    HomeTooLong {
        /// The home.
        home: PathBuf,
    },
    /// The home cannot be created or looked at.
    #[error("cannot use the GnuPG home {home}")]
    Home {
        /// The home.
        home: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A query or user id that cannot be passed on.
    #[error("{0:?} holds a NUL, or is empty")]
    Text(String),
    /// No secret key matches.
    #[error(
        "no secret key that can sign{query} in {home}; `hatchery key list` shows those there \
         are, `hatchery key new` makes one",
        query = query.as_ref().map(|q| format!(" matches {q:?}")).unwrap_or_default()
    )]
    NoKey {
        /// The home, in words.
        home: String,
        /// What was asked for.
        query: Option<String>,
    },
    /// Several secret keys match.
    #[error(
        "several secret keys in {home} can sign; say which by its fingerprint:{}",
        list(.keys)
    )]
    SeveralKeys {
        /// The home, in words.
        home: String,
        /// Fingerprints and user ids.
        keys: Vec<(Fingerprint, String)>,
    },
    /// GnuPG refused.
    #[error("GnuPG could not {doing} (home: {home})")]
    Gpg {
        /// What was being done.
        doing: &'static str,
        /// The home, in words.
        home: String,
        /// What it said.
        #[source]
        source: gpgme::Error,
    },
    /// GnuPG gave something that is not what was asked for.
    #[error(
        "GnuPG was asked to {doing}, and what it made is not usable; look for `local-user`, \
         `digest-algo` and `textmode` in its gpg.conf"
    )]
    Unexpected {
        /// What was being done.
        doing: &'static str,
        /// What is wrong.
        #[source]
        source: Box<crate::keyring::KeyringError>,
    },
    /// A key that was just there is not.
    #[error(
        "GnuPG was asked to {doing}, and {key:?} is not the one key that came out (home: {home})"
    )]
    OtherKey {
        /// What was being done.
        doing: &'static str,
        /// Fingerprint of the key.
        key: String,
        /// The home, in words.
        home: String,
    },
    /// The agent of a private home could not be stopped.
    #[error("cannot stop gpg-agent")]
    Agent(#[source] RunError),
}

fn list(keys: &[(Fingerprint, String)]) -> String {
    let lines = keys
        .iter()
        .map(|(fingerprint, user)| format!("\n  {fingerprint} {user}"));
    lines.collect()
}
