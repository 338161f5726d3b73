//! Where the families of distributions part on the line of a build: what a
//! recipe asks of its own one, and the two steps that each does in its own
//! way. Everything else lives once.

use crate::build::BuildRequest;
use crate::confine::Confinement;
use crate::plan::{Plan, Wanted};
use crate::recipe::{self, Family};
use crate::{arch, debian};
use hatchery_image::keyring::{Keyring, KeyringError};
use hatchery_image::{Progress, Sha256};
use hatchery_transfer::{Cache, Client, Location};
use jiff::Timestamp;
use jiff::civil::Date;
use std::path::Path;

/// What a recipe asks for, in its family's own terms.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Of Arch Linux.
    Arch(arch::Request),
    /// Of Debian.
    Debian(debian::Request),
}

/// A key of the recipe that is missing or is none.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryKeyError {
    /// A file that holds no key.
    #[error("cannot read {name}, the key of the repository {repository}")]
    Unreadable {
        /// The repository.
        repository: String,
        /// The key's file, or what else it is called.
        name: String,
        /// Why.
        #[source]
        source: KeyringError,
    },
    /// No key comes with this program.
    #[error(
        "no key is known for the repository {repository} of {of}: put the public key that signs \
         it beside the recipe, and name the file there with key = \"FILE\""
    )]
    Missing {
        /// The repository.
        repository: String,
        /// Whose it is.
        of: &'static str,
    },
}

/// Why packages were not planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Arch Linux's.
    #[error(transparent)]
    Arch(#[from] arch::PlanError),
    /// Debian's.
    #[error(transparent)]
    Debian(#[from] debian::PlanError),
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Arch Linux's.
    #[error(transparent)]
    Arch(#[from] arch::BootstrapError),
    /// Debian's.
    #[error(transparent)]
    Debian(#[from] debian::BootstrapError),
}

/// With what, and where, to bootstrap.
#[derive(Clone, Copy)]
pub struct BootstrapOptions<'a> {
    /// A folder for work, on the tree's file system, that is not there yet.
    pub work: &'a Path,
    /// Fetches.
    pub client: &'a Client,
    /// Downloads, and unpacked packages.
    pub cache: &'a Cache,
    /// Where scripts run; its root is the empty folder that becomes the tree.
    pub confinement: &'a Confinement,
    /// How many packages are unpacked at once.
    pub threads: usize,
    /// Called once nearly all files are in the tree, and what is left is
    /// running scripts.
    pub unpacked: &'a (dyn Fn() + Sync),
    /// The time, for signatures.
    pub now: Timestamp,
}

impl Wish {
    /// What the request's recipe asks for, with the mirrors that are tried
    /// before its own.
    ///
    /// # Errors
    /// A key that is missing or cannot be read.
    pub fn of(request: &BuildRequest) -> Result<Self, RepositoryKeyError> {
        let recipe = &request.recipe;
        match &recipe.family {
            Family::Arch(family) => {
                let mirrors = arch::Mirrors {
                    named: &request.mirrors,
                    host: &request.host_sources,
                    snapshot: snapshot(request),
                    is_locked: request.lock.is_some(),
                };
                arch::Request::of(recipe, family, &mirrors).map(Self::Arch)
            }
            Family::Debian(family) => {
                let mut wanted =
                    debian::Request::of(recipe, family, &request.mirrors, &request.host_sources)?;
                wanted.accept_expired |= request.accept_expired;
                Ok(Self::Debian(wanted))
            }
        }
    }

    /// What decides which packages are taken, for a lock.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        match self {
            Self::Arch(request) => request.wanted(),
            Self::Debian(request) => request.wanted(),
        }
    }

    /// The digest of the keys that come with this program: a tree whose
    /// packages other keys have signed is not taken for one of these.
    #[must_use]
    pub fn keys(&self) -> Sha256 {
        match self {
            Self::Arch(_) => arch::keyring::digest(),
            Self::Debian(_) => debian::keyring_digest(),
        }
    }

    /// Where the packages of a repository whose index has this date lie.
    #[must_use]
    pub fn locations(&self, repository: &str, date: Timestamp) -> Vec<Location> {
        match self {
            Self::Arch(request) => request.locations(repository, date),
            Self::Debian(request) => request.locations(repository),
        }
    }

    /// Fetches and verifies indexes and chooses packages.
    ///
    /// # Errors
    /// A repository that cannot be fetched or trusted; packages that do not
    /// exist or do not go together.
    pub fn plan(
        &self,
        client: &Client,
        cache: &Cache,
        now: Timestamp,
        progress: &Progress,
    ) -> Result<Plan, PlanError> {
        Ok(match self {
            Self::Arch(request) => arch::plan(request, client, now, progress)?,
            Self::Debian(request) => debian::plan(request, client, cache, now, progress)?,
        })
    }

    /// Installs a plan's packages.
    ///
    /// # Errors
    /// What could not be fetched, unpacked or configured.
    pub fn bootstrap(
        &self,
        plan: &Plan,
        options: &BootstrapOptions<'_>,
        progress: &Progress,
    ) -> Result<(), BootstrapError> {
        match self {
            Self::Arch(request) => arch::bootstrap(plan, request, options, progress)?,
            Self::Debian(_) => debian::bootstrap(plan, options, progress)?,
        }
        Ok(())
    }
}

/// The day whose state is wanted: as asked, or as the lock has it.
fn snapshot(request: &BuildRequest) -> Option<Date> {
    let locked = request.lock.as_ref().map(|lock| &lock.wanted().release);
    request.snapshot.or_else(|| locked?.parse().ok())
}

/// The keys that sign a repository; those of its recipe, or else those that
/// come with this program as `own`, the file called `name`.
pub(crate) fn keys(
    repository: &recipe::Repository,
    name: &str,
    own: impl FnOnce() -> Result<Keyring, KeyringError>,
) -> Result<Keyring, RepositoryKeyError> {
    let (name, keyring) = match &repository.key {
        Some(key) => (key.name.as_str(), Keyring::parse(key.content.bytes())),
        None => (name, own()),
    };
    keyring.map_err(|source| RepositoryKeyError::Unreadable {
        repository: repository.suite.to_string(),
        name: name.to_owned(),
        source,
    })
}
