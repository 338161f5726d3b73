//! First contact: no key is trusted yet, so nothing can be verified. What can
//! be said is whose key signed the catalog of a mirror, so that a person can
//! compare its fingerprint with one that came by another way.
//!
//! Nothing is trusted or remembered here.

use crate::repository::{ENVELOPE_MAX, Refused, Repository, RepositoryError, refused};
use crate::trust::Mirror;
use hatchery_image::catalog::Catalog;
use hatchery_image::keyring::Certificate;
use hatchery_image::layout;
use hatchery_image::progress::Progress;
use hatchery_transfer::{Client, Location, Request};
use jiff::Timestamp;

/// Most published certificates that are tried on a catalog.
const CANDIDATES_MAX: usize = 16;

/// The keys that signed the catalog of the first mirror that has a good one.
pub(crate) fn look(
    repository: &Repository,
    client: &Client,
    now: Timestamp,
    progress: &Progress,
) -> RepositoryError {
    let request = Request {
        locations: repository.locations.clone(),
        path: layout::CATALOG.to_owned(),
        sha256: None,
        size: None,
        limit: ENVELOPE_MAX,
    };
    let look = |location: &Location, bytes: Vec<u8>| {
        let mirror = Mirror {
            location,
            client,
            progress,
        };
        signers(repository, &bytes, &mirror, now).map(|found| (shown(location), found))
    };
    match client.get_checked(&request, progress, look) {
        Ok((address, candidates)) => RepositoryError::FirstContact {
            address,
            candidates,
        },
        Err(error) => match refused(error) {
            RepositoryError::Refused { source, .. } if source.says_no_certificates() => {
                RepositoryError::NoKey
            }
            error => error,
        },
    }
}

fn shown(location: &Location) -> String {
    layout::CATALOG
        .parse()
        .map_or_else(|_| String::new(), |path| location.describe(&path))
}

fn signers(
    repository: &Repository,
    bytes: &[u8],
    mirror: &Mirror<'_>,
    now: Timestamp,
) -> Result<Vec<Certificate>, Refused> {
    let published = mirror.certificates()?;
    let mut found = Vec::new();
    let mut refusal = None;
    for fingerprint in published.fingerprints().into_iter().take(CANDIDATES_MAX) {
        let alone = published.only(&[fingerprint]);
        match Catalog::open(bytes, &alone, now, repository.stale) {
            Ok(catalog) => {
                if let Some(wanted) = &repository.id
                    && *wanted != catalog.repository
                {
                    return Err(Refused::Other {
                        found: catalog.repository.clone(),
                        wanted: wanted.clone(),
                    });
                }
                found.extend(alone.certificates(now));
            }
            Err(error) => refusal = Some(error),
        }
    }
    match refusal {
        Some(error) if found.is_empty() => Err(Refused::Catalog(error)),
        _ => Ok(found),
    }
}
