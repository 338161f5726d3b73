//! A repository as it is found: its database fetched and read, and the
//! signatures that are not in it.
//!
//! As pacman, a database is `NAME.db` beside the packages, and its signature,
//! which few repositories have, `NAME.db.sig`. Signatures of packages are in
//! the database or beside the package as `FILE.sig`; they are fetched here
//! and not while building, so that a lock pins them.

use super::database::{Database, DatabaseError, Package};
use super::request::Repository;
use crate::plan::{
    DOWNLOADS, InvalidSignature, PlannedIndex, PlannedRepository, SIGNATURE_MAX, Signature,
};
use crate::recipe::SigLevel;
use hatchery_image::keyring::KeyringError;
use hatchery_image::progress::Interrupted;
use hatchery_image::{Fingerprint, Progress, RelativePath, Sha256};
use hatchery_transfer::{Client, Location, Request, TransferError};
use jiff::Timestamp;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Longest compressed database that is fetched, in bytes. Arch's extra has 8 MB.
const COMPRESSED_MAX: u64 = 128 << 20;

/// What everything is fetched with.
#[derive(Clone, Copy)]
pub(super) struct Fetching<'a> {
    pub(super) client: &'a Client,
    pub(super) now: Timestamp,
    pub(super) progress: &'a Progress,
}

/// What was found.
pub(super) struct Fetched {
    pub(super) planned: PlannedRepository,
    pub(super) database: Database,
}

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Its name does not make a path.
    #[error("{0:?} is not the name of a repository")]
    Name(String),
    /// No database that can be used.
    #[error("no mirror has a database that can be used")]
    Database(#[source] TransferError),
    /// A package's signature cannot be fetched.
    #[error("there is no signature of the package {package}, and its repository must have one")]
    Unsigned {
        /// Which.
        package: String,
        /// Why not.
        #[source]
        source: TransferError,
    },
}

/// Why one mirror's database is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unbelieved {
    /// It cannot be read.
    #[error(transparent)]
    Content(#[from] DatabaseError),
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] KeyringError),
    /// It is not signed though it must be.
    #[error("the database must be signed, and its signature cannot be fetched")]
    Unsigned(#[source] TransferError),
}

impl Fetching<'_> {
    pub(super) fn fetch(&self, repository: &Repository) -> Result<Fetched, RepositoryError> {
        let name = &repository.name;
        let path = format!("{name}.db");
        let path: RelativePath = path
            .parse()
            .map_err(|_| RepositoryError::Name(name.clone()))?;
        let request = Request {
            locations: repository.locations.clone(),
            path: path.to_string(),
            sha256: None,
            size: None,
            limit: COMPRESSED_MAX,
        };
        let check = |location: &Location, bytes: Vec<u8>| {
            let signer = self.signer(repository, location, &bytes)?;
            let database = Database::parse(&bytes)?;
            let digest = Sha256::of(&bytes);
            Ok::<_, Unbelieved>((database, digest, signer, location.clone()))
        };
        let found = self.client.get_checked(&request, self.progress, check);
        let (database, sha256, signer, mirror) = found.map_err(|error| match error {
            TransferError::Interrupted(stop) => stop.into(),
            error => RepositoryError::Database(error),
        })?;
        // The mirror whose database was taken is asked first.
        let mut locations = repository.locations.clone();
        locations.sort_by_key(|location| *location != mirror);
        Ok(Fetched {
            planned: PlannedRepository {
                suite: name.clone(),
                components: Vec::new(),
                locations,
                date: Timestamp::from_second(database.newest).unwrap_or(Timestamp::UNIX_EPOCH),
                signer,
                indexes: vec![PlannedIndex { path, sha256 }],
            },
            database,
        })
    }

    /// Who signed a database, if it is signed.
    fn signer(
        &self,
        repository: &Repository,
        location: &Location,
        database: &[u8],
    ) -> Result<Option<Fingerprint>, Unbelieved> {
        if repository.sig_level == SigLevel::Never {
            return Ok(None);
        }
        let request = Request {
            locations: vec![location.clone()],
            path: format!("{}.db.sig", repository.name),
            sha256: None,
            size: None,
            limit: SIGNATURE_MAX as u64,
        };
        match self.client.get(&request, self.progress) {
            Ok(signature) => {
                let verified = repository.keyring.verify_detached(
                    database,
                    &signature,
                    repository.policy,
                    self.now,
                )?;
                Ok(Some(verified.signer().clone()))
            }
            // Most databases have none, and who could take it away could also
            // hold back a newer one.
            Err(error) if repository.sig_level == SigLevel::DatabaseRequired => {
                Err(Unbelieved::Unsigned(error))
            }
            Err(_) => Ok(None),
        }
    }

    /// The signature of each package; none where none is needed and none is
    /// there. An error is told with the name of the repository.
    pub(super) fn signatures(
        &self,
        packages: &[(&Repository, &[Location], &Package)],
    ) -> Result<Vec<Option<Signature>>, (String, RepositoryError)> {
        let found: Vec<Mutex<Option<Signature>>> =
            packages.iter().map(|_| Mutex::new(None)).collect();
        let missing: Vec<usize> = (0..packages.len())
            .filter(|&n| {
                let (repository, _, package) = packages[n];
                if repository.sig_level == SigLevel::Never {
                    return false;
                }
                let known = package.signature.clone();
                let known = known.and_then(|bytes| Signature::try_from(bytes).ok());
                let is_missing = known.is_none();
                *lock(&found[n]) = known;
                is_missing
            })
            .collect();
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..DOWNLOADS.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(&n) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.beside(packages[n]) {
                            Ok(signature) => *lock(&found[n]) = signature,
                            Err(error) => {
                                let (repository, ..) = packages[n];
                                let error = (repository.name.clone(), error);
                                lock(&failed).get_or_insert(error);
                                next.store(missing.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        Ok(found.iter().map(|one| lock(one).take()).collect())
    }

    /// The signature in a file of its own.
    fn beside(
        &self,
        (repository, locations, package): (&Repository, &[Location], &Package),
    ) -> Result<Option<Signature>, RepositoryError> {
        let request = Request {
            locations: locations.to_vec(),
            path: format!("{}.sig", package.file_name),
            sha256: None,
            size: None,
            limit: SIGNATURE_MAX as u64,
        };
        let check = |_: &Location, bytes: Vec<u8>| -> Result<Signature, InvalidSignature> {
            bytes.try_into()
        };
        match self.client.get_checked(&request, self.progress, check) {
            Ok(signature) => Ok(Some(signature)),
            Err(TransferError::Interrupted(stop)) => Err(stop.into()),
            Err(_) if repository.sig_level == SigLevel::Optional => Ok(None),
            Err(source) => Err(RepositoryError::Unsigned {
                package: package.name.to_string(),
                source,
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
