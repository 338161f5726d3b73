//! Why a catalog is not used.

use super::CATALOG_MAX;
use crate::Fingerprint;
use crate::keyring::KeyringError;
use jiff::Timestamp;

/// Why a catalog is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// No good signature by a trusted key.
    #[error("the catalog is not signed by a trusted key")]
    Untrusted(#[source] KeyringError),
    /// The payload is longer than [`CATALOG_MAX`].
    #[error("the catalog has {0} bytes; at most {CATALOG_MAX} are read")]
    TooLarge(usize),
    /// The signed payload is not a catalog.
    #[error("the catalog is signed, but cannot be read; a newer hatchery may be needed")]
    Json(#[source] serde_json::Error),
    /// The id of the repository could not name a file.
    #[error("the catalog's repository id {0:?} is not one (letters, digits and '-')")]
    Repository(String),
    /// The key that signed may not sign for this repository.
    #[error(
        "the catalog is signed by {signer}, which it does not list among its own keys ({})",
        list(.keys)
    )]
    SignerNotListed {
        /// Primary fingerprint of the key.
        signer: Fingerprint,
        /// The keys that it lists.
        keys: Vec<Fingerprint>,
    },
    /// This host's clock is behind.
    #[error(
        "the catalog was signed at {created}, and the clock of this host says {now}; check the \
         clock (`timedatectl`)"
    )]
    ClockBefore {
        /// When it was made.
        created: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
    /// It expires before it was made.
    #[error("the catalog was made at {created} and expired at {expires}, before it was good")]
    NeverGood {
        /// When it was made.
        created: Timestamp,
        /// When it expired.
        expires: Timestamp,
    },
    /// It has expired.
    #[error(
        "the catalog expired at {expires} (it is {now}); its publisher has to run `hatchery \
         catalog refresh`, or the mirror holds back a newer one. A site without a network can \
         take it with --allow-stale"
    )]
    Expired {
        /// When it expired.
        expires: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
}

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<_> = keys.iter().map(Fingerprint::as_str).collect();
    keys.join(", ")
}
