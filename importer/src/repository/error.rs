//! Why a mirror's catalog is refused, and why there is none.
//!
//! The reason of a refusal matters more than that another mirror was down, so
//! it comes first, and what the others answered after it.

use crate::seen::StateError;
use hatchery_image::catalog::{CatalogError, SeenError};
use hatchery_image::keyring::{Certificate, KeyringError};
use hatchery_image::succession::SuccessionError;
use hatchery_image::{Fingerprint, layout};
use hatchery_transfer::{Attempt, Failure, TransferError};

/// Why a mirror's catalog is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not signed as it should be, or has expired.
    #[error(transparent)]
    Catalog(CatalogError),
    /// It is older than, or differs from, one that was seen.
    #[error(transparent)]
    Seen(SeenError),
    /// It is that of another repository.
    #[error("its repository is {found}, and this host is configured for {wanted}")]
    Other {
        /// The id in it.
        found: String,
        /// The id that was asked for.
        wanted: String,
    },
    /// What was seen before cannot be read.
    #[error(transparent)]
    State(StateError),
    /// A statement that a trusted key handed over is not to be believed.
    #[error(transparent)]
    Succession(SuccessionError),
    /// The key that signed has handed over to another.
    #[error(
        "the catalog is signed by {signer}, which has handed over to {heir}: its signature counts \
         no more for this repository"
    )]
    Replaced {
        /// The key that signed.
        signer: Fingerprint,
        /// Its heir.
        heir: Fingerprint,
    },
    /// The mirror has no certificates.
    #[error("the mirror does not say whose key signed its catalog")]
    NoCertificates(#[source] Box<TransferError>),
    /// The mirror's certificates cannot be read.
    #[error("the mirror's certificates cannot be read")]
    Certificates(#[source] KeyringError),
    /// A revocation of a trusted key cannot be kept.
    #[error("a trusted key was revoked, and that cannot be kept")]
    Revocation(#[source] KeyringError),
    /// The mirror has the certificates of other keys.
    #[error(
        "the mirror has no key {}, but {}: it is not the repository that you were told of, or \
         the fingerprint was mistyped",
        list(.wanted), list(.found)
    )]
    OtherKeys {
        /// The fingerprints that the user was told.
        wanted: Vec<Fingerprint>,
        /// Those of the mirror.
        found: Vec<Fingerprint>,
    },
}

impl Refused {
    /// Whether it is only that the mirror publishes no certificates.
    pub(crate) fn says_no_certificates(&self) -> bool {
        matches!(self, Self::NoCertificates(_))
    }
}

fn list(keys: &[Fingerprint]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .take(LISTED_MAX)
        .map(Fingerprint::as_str)
        .collect();
    keys.join(", ")
}

/// Most fingerprints that an error lists.
const LISTED_MAX: usize = 5;

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// No mirror is known.
    #[error("no mirror is configured")]
    NoMirror,
    /// No key is trusted.
    #[error("no key is trusted, so no catalog can be verified")]
    NoKey,
    /// No key is trusted, and these signed the catalog of a mirror.
    #[error(
        "no key is trusted, so the catalog cannot be verified. {address} is signed by {}. Compare \
         the fingerprint with one that came by another way than this mirror; only if they are \
         the same, trust it: --trust {}",
        described(.candidates),
        .candidates.first().map_or("FINGERPRINT", |c| c.fingerprint.as_str())
    )]
    FirstContact {
        /// The mirror's catalog.
        address: String,
        /// The keys that signed it, as they say themselves.
        candidates: Vec<Certificate>,
    },
    /// What was learnt of a key cannot be kept.
    #[error("cannot keep what was learnt of the key that signed the catalog")]
    Keys(#[source] KeyringError),
    /// No mirror has an acceptable one, and at least one has a bad one.
    #[error("the catalog of {address} is refused{}", listed(.others))]
    Refused {
        /// The mirror.
        address: String,
        /// Why.
        #[source]
        source: Box<Refused>,
        /// What the other mirrors answered.
        others: Vec<String>,
    },
    /// No mirror answered.
    #[error("cannot fetch the catalog")]
    Fetch(#[source] TransferError),
    /// What was seen cannot be written.
    #[error(transparent)]
    State(StateError),
}

fn described(candidates: &[Certificate]) -> String {
    let described: Vec<_> = candidates
        .iter()
        .map(|c| match c.user_ids.first() {
            Some(user_id) => format!("{} ({user_id})", c.fingerprint),
            None => c.fingerprint.to_string(),
        })
        .collect();
    described.join(", ")
}

fn listed(others: &[String]) -> String {
    others.iter().map(|o| format!("; {o}")).collect()
}

/// Another process has seen something newer meanwhile.
pub(super) fn too_late(error: Refused) -> RepositoryError {
    match error {
        Refused::State(error) => RepositoryError::State(error),
        source => RepositoryError::Refused {
            address: layout::CATALOG.to_owned(),
            source: Box::new(source),
            others: Vec::new(),
        },
    }
}

/// Brings the reason of a refusal to the front: it matters more than that
/// another mirror was down.
pub(crate) fn refused(error: TransferError) -> RepositoryError {
    let TransferError::Everywhere { path, attempts } = error else {
        return RepositoryError::Fetch(error);
    };
    let mut others = Vec::new();
    let mut refusal = None;
    for attempt in attempts {
        let Attempt { address, failure } = attempt;
        match (failure, &refusal) {
            (Failure::Refused(source), None) if source.is::<Refused>() => {
                refusal = source.downcast().ok().map(|source| (address, source));
            }
            (failure, _) => others.push(Attempt { address, failure }),
        }
    }
    match refusal {
        Some((address, source)) => RepositoryError::Refused {
            address,
            source,
            others: others
                .iter()
                .map(|a| format!("{}: {}", a.address, a.failure))
                .collect(),
        },
        None => RepositoryError::Fetch(TransferError::Everywhere {
            path,
            attempts: others,
        }),
    }
}
