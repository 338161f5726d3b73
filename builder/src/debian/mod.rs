//! Debian and its family: from a recipe to a plan, and from that to a tree.
//!
//! No apt, dpkg or gpg is needed. A suite's `InRelease` is verified in
//! process, indexes are fetched by the digests that it lists, and packages
//! are chosen as apt would, so that an image holds what mmdebstrap's would.

mod bootstrap;
mod choose;
pub mod control;
mod database;
pub mod deb;
mod dependency;
pub mod diversions;
mod index;
pub mod install;
mod keyring;
mod mirrors;
mod order;
pub mod relation;
mod release;
mod repository;
mod request;
mod resolve;
mod solve;
mod universe;
pub mod unpack;
mod variant;

pub use bootstrap::{BootstrapError, bootstrap};
pub use index::IndexError;
pub use keyring::{keyring, keyring_digest};
pub use mirrors::Mirrors;
pub use release::ReleaseError;
pub use repository::{RepositoryError, Unbelieved};
pub use resolve::ResolveError;
pub use variant::Variant;

use crate::parallel::each_at_once;
use crate::plan::{Plan, PlannedPackage, PlannedRepository, Wanted, WantedRepository};
use hatchery_image::progress::{Interrupted, Stage, Unit};
use hatchery_image::{Architecture, Keyring, Progress};
use hatchery_transfer::{Cache, Client, Location};
use index::{Column, Store};
use jiff::Timestamp;
use repository::{Fetched, Fetching};
use resolve::Resolution;
use universe::{Id, Part, Universe};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// `ID` of the distribution, such as `debian`.
    pub distribution: String,
    /// Release, such as `trixie`.
    pub release: String,
    /// Architecture.
    pub architecture: Architecture,
    /// The base set.
    pub variant: Variant,
    /// Packages besides: `NAME`, `NAME=VERSION` or `NAME/SUITE`.
    pub packages: Vec<String>,
    /// Whether recommended packages are taken, too.
    pub recommends: bool,
    /// Where packages come from.
    pub repositories: Vec<Repository>,
    /// Accept a release whose `Valid-Until` has passed.
    pub accept_expired: bool,
}

/// A suite somewhere.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Suite or code name, such as `trixie-security`; one that ends in `/` is
    /// the path of a flat repository.
    pub suite: String,
    /// Components, such as `main`; none for a flat repository.
    pub components: Vec<String>,
    /// Where it lies; `dists/` is beneath each.
    pub locations: Vec<Location>,
    /// Whose signature counts.
    pub keyring: Keyring,
    /// What it is for.
    pub role: Role,
}

/// What a repository is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The release itself: says what is essential and of which priority.
    Base,
    /// Anything on top of it: updates, security, a third party's.
    Additional,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A repository cannot be used.
    #[error("cannot use the repository {suite}")]
    Repository {
        /// Its suite.
        suite: String,
        /// Why.
        #[source]
        source: Box<RepositoryError>,
    },
    /// The packages cannot be chosen.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// There is no repository to take anything from.
    #[error("the recipe names no repository")]
    NoRepository,
}

impl Request {
    /// What decides which packages are taken, for a lock.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut packages = self.packages.clone();
        packages.sort();
        packages.dedup();
        Wanted {
            distribution: self.distribution.clone(),
            release: self.release.clone(),
            architecture: self.architecture,
            variant: self.variant.to_string(),
            recommends: self.recommends,
            packages,
            ignored: Vec::new(),
            repositories: self
                .repositories
                .iter()
                .map(|r| WantedRepository {
                    suite: r.suite.clone(),
                    components: r.components.clone(),
                })
                .collect(),
        }
    }
}

/// Fetches and verifies indexes and chooses packages. `now` is what time is
/// compared with.
///
/// # Errors
/// A repository that cannot be fetched or trusted; packages that do not exist
/// or do not go together.
pub fn plan(
    request: &Request,
    client: &Client,
    cache: &Cache,
    now: Timestamp,
    progress: &Progress,
) -> Result<Plan, PlanError> {
    if request.repositories.is_empty() {
        return Err(PlanError::NoRepository);
    }
    let steps = request.repositories.len() as u64 + 1;
    let running = progress.begin(Stage::Resolve, Some(steps), Unit::Items);
    let fetching = Fetching {
        client,
        cache,
        store: Store::open(cache.root()),
        architecture: request.architecture,
        accept_expired: request.accept_expired,
        now,
        progress,
    };
    let fetched = fetch_all(request, &fetching, &|| running.advance(1))?;
    progress.check()?;
    let (planned, parts) = parted(fetched);
    let mut universe = Universe::new(&parts, request.architecture.debian());
    let suites: Vec<_> = planned.iter().map(|r| r.suite.clone()).collect();
    let base = |repository: usize| request.repositories[repository].role == Role::Base;
    let resolution = resolve::resolve(&mut universe, request, &suites, &base)?;
    running.advance(1);
    Ok(Plan {
        wanted: request.wanted(),
        source_date_epoch: planned
            .iter()
            .map(|r| r.date.as_second())
            .max()
            .unwrap_or_default(),
        packages: packages(&universe, &resolution),
        repositories: planned,
    })
}

/// Fetches all repositories at a time.
fn fetch_all(
    request: &Request,
    fetching: &Fetching<'_>,
    done: &(dyn Fn() + Sync),
) -> Result<Vec<Fetched>, PlanError> {
    let results = each_at_once(&request.repositories, |repository| {
        let fetched = fetching.fetch(repository);
        done();
        fetched.map_err(|source| match source {
            RepositoryError::Interrupted(stop) => PlanError::Interrupted(stop),
            source => PlanError::Repository {
                suite: repository.suite.clone(),
                source: Box::new(source),
            },
        })
    });
    results.into_iter().collect()
}

/// Separates what goes into the plan from what is resolved in.
fn parted(fetched: Vec<Fetched>) -> (Vec<PlannedRepository>, Vec<Part>) {
    let mut planned = Vec::new();
    let mut parts = Vec::new();
    for (repository, fetched) in fetched.into_iter().enumerate() {
        planned.push(fetched.planned);
        parts.extend(fetched.indexes.into_iter().map(|index| Part {
            index,
            repository,
            priority: fetched.priority,
        }));
    }
    (planned, parts)
}

fn packages(universe: &Universe<'_>, resolution: &Resolution) -> Vec<PlannedPackage> {
    resolution
        .order
        .iter()
        .map(|id| {
            let named = resolution.named.contains(id);
            package(universe, *id, named)
        })
        .collect()
}

/// A package as a plan says it.
fn package(universe: &Universe<'_>, id: Id, named: bool) -> PlannedPackage {
    let columns = universe.columns(id);
    let get = |column: Column| columns[column as usize];
    let kibibytes: u64 = get(Column::InstalledSize).parse().unwrap_or(0);
    let source = get(Column::Source).split(' ').next().unwrap_or("");
    let whole = "only whole packages are in an index";
    PlannedPackage {
        name: get(Column::Name).parse().expect(whole),
        version: get(Column::Version).to_owned(),
        architecture: get(Column::Architecture).to_owned(),
        source: Some(source).filter(|s| !s.is_empty()).map(str::to_owned),
        size: get(Column::Size).parse().expect(whole),
        installed_size: kibibytes.saturating_mul(1024),
        sha256: get(Column::Sha256).parse().expect(whole),
        path: index::path(get(Column::Path)).expect(whole),
        repository: universe.part(id).repository,
        named,
        essential: get(Column::Flags).contains('e'),
        licenses: Vec::new(),
        signature: None,
    }
}
