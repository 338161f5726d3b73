//! A repository as a host sees it: its newest catalog, fetched from the first
//! mirror that has an acceptable one, verified, and remembered.
//!
//! A catalog is remembered as soon as it was verified, and what was learnt of
//! keys only after that. [`crate::trust`] says whose word counts.

use crate::contact;
use crate::record::Records;
use crate::seen::{State, StateError};
use crate::trust::{self, Mirror, Opened};
use hatchery_image::catalog::{CATALOG_MAX, Catalog, CatalogError, SeenError, Stale};
use hatchery_image::keyring::{Certificate, KeyringError};
use hatchery_image::progress::{Progress, Stage, Unit};
use hatchery_image::succession::SuccessionError;
use hatchery_image::{Fingerprint, Keyring, Sha256, Verified, layout};
use hatchery_transfer::{Attempt, Client, Failure, Location, Request, TransferError};
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

/// Another process has seen something newer meanwhile.
fn too_late(error: Refused) -> RepositoryError {
    match error {
        Refused::State(error) => RepositoryError::State(error),
        source => RepositoryError::Refused {
            address: layout::CATALOG.to_owned(),
            source: Box::new(source),
            others: Vec::new(),
        },
    }
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
