//! A repository as a host sees it: its newest catalog, fetched from the first
//! mirror that has an acceptable one, verified, and remembered.
//!
//! A catalog is remembered as soon as it was verified, and what was learnt of
//! keys only after that. [`crate::trust`] says whose word counts.

mod error;

pub(crate) use error::refused;
pub use error::{Refused, RepositoryError};

use crate::contact;
use crate::record::Records;
use crate::seen::State;
use crate::trust::{self, Mirror, Opened};
use error::too_late;
use hatchery_image::catalog::{CATALOG_MAX, Catalog, Stale};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_image::{Fingerprint, Keyring, Sha256, Verified, layout};
use hatchery_transfer::{Client, Location, Request};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// Largest `catalog.json` that is read: base64 takes a third more than the
/// payload, signatures a little.
pub(crate) const ENVELOPE_MAX: u64 = CATALOG_MAX * 4 / 3 + (1 << 20);

/// Where a repository is and whom to believe about it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its mirrors, tried in turn.
    pub locations: Vec<Location>,
    /// Keys whose signatures count.
    pub keyring: Keyring,
    /// Fingerprints of primary keys that the user was told. If there are any,
    /// no other key counts, and their certificates are taken from the mirror.
    pub trust: Vec<Fingerprint>,
    /// The folder of trusted keys, where what is learnt of them is kept:
    /// certificates of `trust`, newer subkeys, heirs. None: it counts once.
    pub keys: Option<PathBuf>,
    /// Its id, if it must be this one.
    pub id: Option<String>,
    /// What to do with an expired catalog.
    pub stale: Stale,
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
    let _running = progress.begin(Stage::Verify, None, Unit::Items);
    if repository.keyring.is_empty() && repository.trust.is_empty() {
        return Err(contact::look(repository, client, now, progress));
    }
    let records = Records::beneath(state);
    let state = State::beneath(state);
    let request = Request {
        locations: repository.locations.clone(),
        path: layout::CATALOG.to_owned(),
        sha256: None,
        size: None,
        limit: ENVELOPE_MAX,
    };
    // A revocation that one mirror has counts for the next ones too.
    let mut asked = repository.clone();
    let check = |location: &Location, bytes: Vec<u8>| {
        let mirror = Mirror {
            location,
            client,
            progress,
        };
        accept(&mut asked, &state, &bytes, &mirror, now)
    };
    let (opened, digest) = client
        .get_checked(&request, progress, check)
        .map_err(refused)?;
    warn_of_lost_memory(&state, &records, &opened.catalog, progress);
    state.remember(&opened.catalog, digest).map_err(too_late)?;
    state
        .follow(&opened.catalog.repository, &opened.steps)
        .map_err(too_late)?;
    keep(repository, &opened, progress)?;
    warn_of_age(&opened.catalog, now, progress);
    Ok(opened.catalog)
}

/// Keeps what was learnt of the key that signed, and says so.
fn keep(
    repository: &Repository,
    opened: &Opened,
    progress: &Progress,
) -> Result<(), RepositoryError> {
    let (id, signer) = (&opened.catalog.repository, opened.catalog.signer());
    for step in &opened.steps {
        let (from, to) = (&step.from, &step.to);
        tracing::warn!(repository = %id, %from, %to, number = step.number, "a key has handed over");
        progress.warn(format!(
            "key {from} has handed over to {to}, with the signatures of both of {}",
            step.created
        ));
    }
    if opened.learnt.is_empty() {
        return Ok(());
    }
    let Some(folder) = &repository.keys else {
        return Ok(());
    };
    let paths = opened
        .learnt
        .save_to_directory(folder)
        .map_err(RepositoryError::Keys)?;
    for path in paths {
        tracing::info!(repository = %id, %signer, path = %path.display(), "the key is kept");
        let known = repository.keyring.fingerprints().contains(signer);
        let what = if known {
            "has news of itself, kept"
        } else {
            "is trusted from now on,"
        };
        let text = format!("key {signer} {what} in {}", path.display());
        if opened.steps.is_empty() {
            progress.message(Stage::Verify, text);
        } else {
            progress.warn(text);
        }
    }
    Ok(())
}

/// A host that has machines of a repository has seen its catalog. When the
/// memory of it is gone, an old catalog would not be noticed this once; the
/// records of machines do not tell how old is too old, so it is only said.
fn warn_of_lost_memory(state: &State, records: &Records, catalog: &Catalog, progress: &Progress) {
    let id = &catalog.repository;
    if !matches!(state.seen(id), Ok(None)) {
        return;
    }
    let names = records.names().unwrap_or_default();
    let of_it = |name| matches!(records.find(name), Ok(Some(record)) if record.repository == *id);
    if let Some(machine) = names.iter().find(|name| of_it(name)) {
        tracing::warn!(repository = %id, %machine, "what was seen of the repository is gone");
        progress.warn(format!(
            "{machine} came from repository {id}, but which of its catalogs was seen is not known \
             any more; version {} of {} is taken for the newest",
            catalog.version, catalog.created
        ));
    }
}

fn warn_of_age(catalog: &Catalog, now: Timestamp, progress: &Progress) {
    let Catalog {
        repository,
        version,
        expires,
        ..
    } = catalog;
    if *expires <= now {
        tracing::warn!(%repository, version, %expires, "an expired catalog is accepted");
        progress.warn(format!(
            "the catalog expired at {expires}; it is taken all the same, as was asked for"
        ));
    }
}

/// Opens a mirror's `catalog.json` and compares it with what was seen.
fn accept(
    repository: &mut Repository,
    state: &State,
    bytes: &[u8],
    mirror: &Mirror<'_>,
    now: Timestamp,
) -> Result<(Opened, Sha256), Refused> {
    let opened = trust::open(repository, bytes, mirror, now)?;
    let catalog = &opened.catalog;
    if let Some(wanted) = &repository.id
        && *wanted != catalog.repository
    {
        return Err(Refused::Other {
            found: catalog.repository.clone(),
            wanted: wanted.clone(),
        });
    }
    let followed = state
        .followed(&catalog.repository)
        .map_err(Refused::State)?;
    if let Some(heir) = followed.heir(catalog.signer()) {
        return Err(Refused::Replaced {
            signer: catalog.signer().clone(),
            heir: heir.clone(),
        });
    }
    if !opened.steps.is_empty() {
        followed.and(&opened.steps).map_err(Refused::Succession)?;
    }
    let digest = Sha256::of(bytes);
    if let Some(seen) = state.seen(&catalog.repository).map_err(Refused::State)? {
        seen.check(catalog, digest).map_err(Refused::Seen)?;
    }
    Ok((opened, digest))
}
