//! What a recipe asks of Debian, with the mirrors that are tried before its own.

use super::{Mirrors, Repository, Request, Role, keyring};
use crate::family::{RepositoryKeyError, keys};
use crate::host::Source;
use crate::recipe::{self, Debian, Recipe};
use hatchery_transfer::Location;

/// What a suite of security updates ends with.
const SECURITY: &str = "-security";

impl Request {
    /// What `recipe` asks for. Mirrors `named` by the user come first, then
    /// those of the `host`'s own sources, then the recipe's.
    ///
    /// # Errors
    /// A key that cannot be read.
    pub fn of(
        recipe: &Recipe,
        debian: &Debian,
        named: &[Location],
        host: &[Source],
    ) -> Result<Self, RepositoryKeyError> {
        let of_suites = |security: bool| {
            let suites = recipe.repositories.iter();
            let suites = suites.filter(move |r| is_security(r) == security);
            suites
                .filter(|r| security || r.shares_mirrors)
                .flat_map(locations)
                .collect()
        };
        let own = Mirrors {
            archive: of_suites(false),
            security: of_suites(true),
        };
        let mirrors = Mirrors::gather(named, host, &own);
        let repositories: Result<_, _> = recipe
            .repositories
            .iter()
            .map(|r| repository(r, debian, &mirrors))
            .collect();
        Ok(Self {
            distribution: recipe.distribution.id().to_owned(),
            release: debian.release.as_str().to_owned(),
            architecture: recipe.architecture,
            variant: debian.variant,
            packages: recipe
                .effective_packages()
                .iter()
                .map(ToString::to_string)
                .collect(),
            recommends: debian.recommends,
            repositories: repositories?,
            accept_expired: recipe.accept_expired,
        })
    }

    /// Where a suite lies.
    #[must_use]
    pub fn locations(&self, suite: &str) -> Vec<Location> {
        let repository = self.repositories.iter().find(|r| r.suite == suite);
        repository.map_or_else(Vec::new, |r| r.locations.clone())
    }
}

fn repository(
    written: &recipe::Repository,
    debian: &Debian,
    mirrors: &Mirrors,
) -> Result<Repository, RepositoryKeyError> {
    let suite = written.suite.as_str().to_owned();
    let locations = match () {
        () if is_security(written) => mirrors.security.clone(),
        () if written.shares_mirrors => mirrors.archive.clone(),
        () => locations(written),
    };
    Ok(Repository {
        components: written.components.iter().map(ToString::to_string).collect(),
        locations,
        keyring: keys(written, "keys/debian.pgp", keyring)?,
        role: if written.suite == debian.release {
            Role::Base
        } else {
            Role::Additional
        },
        suite,
    })
}

/// A suite of Debian's own security updates, which lie on mirrors of their own.
fn is_security(repository: &recipe::Repository) -> bool {
    repository.key.is_none() && repository.suite.as_str().ends_with(SECURITY)
}

/// An address that cannot be fetched from is passed over, as when a host's
/// sources name one: others may do, and without any the suite is named.
fn locations(repository: &recipe::Repository) -> Vec<Location> {
    repository
        .mirrors
        .iter()
        .filter_map(|m| Location::parse(m.as_str()).ok())
        .collect()
}
