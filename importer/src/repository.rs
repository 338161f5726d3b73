//! A repository as a host sees it: its newest catalog, fetched from the first
//! mirror that has an acceptable one, verified, and remembered.

use crate::seen::{State, StateError};
use hatchery_image::catalog::{CATALOG_MAX, Catalog, CatalogError, SeenError, Stale};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_image::{Keyring, Sha256, Verified, layout};
use hatchery_transfer::{Attempt, Client, Failure, Location, Request, TransferError};
use jiff::Timestamp;
use std::path::Path;

/// Largest `catalog.json` that is read: base64 takes a third more than the
/// payload, signatures a little.
const ENVELOPE_MAX: u64 = CATALOG_MAX * 4 / 3 + (1 << 20);

/// Where a repository is and whom to believe about it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its mirrors, tried in turn.
    pub locations: Vec<Location>,
    /// Keys whose signatures count.
    pub keyring: Keyring,
    /// Its id, if it must be this one.
    pub id: Option<String>,
    /// What to do with an expired catalog.
    pub stale: Stale,
}

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
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// No mirror is known.
    #[error("no mirror is configured")]
    NoMirror,
    /// No key is trusted.
    #[error("no key is trusted, so no catalog can be verified")]
    NoKey,
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

fn listed(others: &[String]) -> String {
    others.iter().map(|o| format!("; {o}")).collect()
}

/// Fetches the catalog from the first mirror that has an acceptable one, and
/// remembers it beneath `state` (`/var/lib/hatchery`).
///
/// # Errors
/// No mirror has one; the reason of the first that had a bad one.
pub fn fetch(
    repository: &Repository,
    state: &Path,
    client: &Client,
    now: Timestamp,
    progress: &Progress,
) -> Result<Verified<Catalog>, RepositoryError> {
    if repository.locations.is_empty() {
        return Err(RepositoryError::NoMirror);
    }
    if repository.keyring.is_empty() {
        return Err(RepositoryError::NoKey);
    }
    let _running = progress.begin(Stage::Verify, None, Unit::Items);
    let state = State::beneath(state);
    let request = Request {
        locations: repository.locations.clone(),
        path: layout::CATALOG.to_owned(),
        sha256: None,
        size: None,
        limit: ENVELOPE_MAX,
    };
    let check = |_: &Location, bytes: Vec<u8>| accept(repository, &state, &bytes, now);
    let (catalog, digest) = client
        .get_checked(&request, progress, check)
        .map_err(refused)?;
    state.remember(&catalog, digest).map_err(|e| match e {
        // Another process has seen a newer one meanwhile.
        Refused::State(error) => RepositoryError::State(error),
        source => RepositoryError::Refused {
            address: layout::CATALOG.to_owned(),
            source: Box::new(source),
            others: Vec::new(),
        },
    })?;
    if catalog.expires <= now {
        let text = format!(
            "the catalog expired at {}; it is taken all the same, as was asked for",
            catalog.expires
        );
        progress.warn(text);
    }
    Ok(catalog)
}

/// Opens a mirror's `catalog.json` and compares it with what was seen.
fn accept(
    repository: &Repository,
    state: &State,
    bytes: &[u8],
    now: Timestamp,
) -> Result<(Verified<Catalog>, Sha256), Refused> {
    let catalog = Catalog::open(bytes, &repository.keyring, now, repository.stale)
        .map_err(Refused::Catalog)?;
    if let Some(wanted) = &repository.id
        && *wanted != catalog.repository
    {
        return Err(Refused::Other {
            found: catalog.repository.clone(),
            wanted: wanted.clone(),
        });
    }
    let digest = Sha256::of(bytes);
    if let Some(seen) = state.seen(&catalog.repository).map_err(Refused::State)? {
        seen.check(&catalog, digest).map_err(Refused::Seen)?;
    }
    Ok((catalog, digest))
}

/// Brings the reason of a refusal to the front: it matters more than that
/// another mirror was down.
fn refused(error: TransferError) -> RepositoryError {
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
