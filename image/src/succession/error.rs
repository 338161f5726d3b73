//! Why a key is not taken for the heir of another.

use super::{STEPS_MAX, SUCCESSIONS_MAX};
use crate::Fingerprint;
use crate::keyring::KeyringError;
use jiff::Timestamp;

/// Why a key is not taken for the heir of another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// The file is longer than [`SUCCESSIONS_MAX`].
    #[error("the list of keys has {0} bytes; at most {SUCCESSIONS_MAX} are read")]
    TooLarge(usize),
    /// The file is not a list of envelopes.
    #[error("the list of keys cannot be read; a newer hatchery may be needed")]
    Json(#[source] serde_json::Error),
    /// More statements than are followed.
    #[error("the list of keys has {0} statements; at most {STEPS_MAX} are followed")]
    TooMany(usize),
    /// A statement without the signature of one of the two.
    #[error(
        "the statement that key {from} hands over to {to} is not signed as it must be by {missing}; \
         both have to sign it"
    )]
    Unsigned {
        /// The key that hands over.
        from: Fingerprint,
        /// The key that takes over.
        to: Fingerprint,
        /// Whose good signature is missing.
        missing: Fingerprint,
        /// What is wrong with it.
        #[source]
        source: Box<KeyringError>,
    },
    /// What is signed is not a statement.
    #[error("statement {number} of the list of keys cannot be read")]
    Payload {
        /// Its place in the list, from one.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Something else than a statement stands in the list.
    #[error("statement {number} of the list of keys is none")]
    Envelope {
        /// Its place in the list, from one.
        number: usize,
        /// What it is instead.
        #[source]
        source: Box<KeyringError>,
    },
    /// The numbers do not grow.
    #[error("the list of keys has statement {number} after statement {before}")]
    Order {
        /// The number.
        number: u64,
        /// The one before.
        before: u64,
    },
    /// A statement for another repository.
    #[error(
        "the statement that key {from} hands over to {to} is for repository {found}, not {wanted}"
    )]
    OtherRepository {
        /// The key that hands over.
        from: Fingerprint,
        /// The key that takes over.
        to: Fingerprint,
        /// The repository of the statement.
        found: String,
        /// That of the catalog.
        wanted: String,
    },
    /// A statement of the future.
    #[error(
        "the statement that key {from} hands over was made at {created}, and the clock of this \
         host says {now}; check the clock (`timedatectl`)"
    )]
    ClockBefore {
        /// The key that hands over.
        from: Fingerprint,
        /// When it was made.
        created: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// The key that hands over has expired.
    #[error(
        "key {from} has expired (at {expires}), and a key that has expired hands over to no other; \
         ask the publisher for the fingerprint of the new key, and say --trust FINGERPRINT"
    )]
    Expired {
        /// The key that hands over.
        from: Fingerprint,
        /// When it expired.
        expires: Timestamp,
    },
    /// An older list than one that was seen.
    #[error(
        "the mirror's list of keys ends with statement {offered}, and this host has followed \
         statement {seen} already; the mirror is behind, or somebody replays an old list"
    )]
    RolledBack {
        /// Highest number that was followed.
        seen: u64,
        /// Highest number there.
        offered: u64,
    },
    /// A key that has handed over to one key is said to hand over to another.
    #[error(
        "key {from} has handed over to {to} already, and cannot hand over to {offered} as well"
    )]
    Forked {
        /// The key that handed over.
        from: Fingerprint,
        /// To which key.
        to: Fingerprint,
        /// The key that the list has instead.
        offered: Fingerprint,
    },
    /// The list leads to a key that did not sign the catalog.
    #[error("the list of keys leads to {to}, and the catalog is not signed by it")]
    Elsewhere {
        /// Where it leads.
        to: Fingerprint,
    },
}
