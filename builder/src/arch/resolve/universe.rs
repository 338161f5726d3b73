//! All packages of all repositories, and which satisfy what.

use super::Request;
use super::error::ResolveError;
use crate::arch::database::{Database, Package};
use crate::arch::dependency::Dependency;
use crate::arch::pattern;
use std::cell::Cell;
use std::collections::HashMap;

/// Most comparisons of what is asked for with what is offered: a database made
/// to take for ever is refused. All of Arch's core at once takes 2,000.
const WORK_MAX: u64 = 10_000_000;

/// Position of a package. The order is that of repositories, then of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) repository: usize,
    pub(super) package: usize,
}

/// All packages.
pub(super) struct Universe<'u> {
    pub(super) repositories: &'u [(&'u str, &'u Database)],
    request: &'u Request,
    by_name: HashMap<&'u str, Vec<Id>>,
    by_provision: HashMap<&'u str, Vec<Id>>,
    /// Comparisons so far.
    work: Cell<u64>,
}

impl<'u> Universe<'u> {
    pub(super) fn new(repositories: &'u [(&'u str, &'u Database)], request: &'u Request) -> Self {
        let mut by_name: HashMap<&str, Vec<Id>> = HashMap::new();
        let mut by_provision: HashMap<&str, Vec<Id>> = HashMap::new();
        for (repository, (_, database)) in repositories.iter().enumerate() {
            for (package, found) in database.packages.iter().enumerate() {
                let id = Id {
                    repository,
                    package,
                };
                by_name.entry(found.name.as_str()).or_default().push(id);
                for provision in &found.provides {
                    let ids = by_provision.entry(&provision.name).or_default();
                    if ids.last() != Some(&id) {
                        ids.push(id);
                    }
                }
            }
        }
        Self {
            repositories,
            request,
            by_name,
            by_provision,
            work: Cell::new(0),
        }
    }

    /// To be asked in every loop over dependencies.
    pub(super) fn check(&self) -> Result<(), ResolveError> {
        match self.work.get() {
            0..=WORK_MAX => Ok(()),
            _ => Err(ResolveError::TooMuch { most: WORK_MAX }),
        }
    }

    pub(super) fn package(&self, id: Id) -> &'u Package {
        let (_, database) = self.repositories[id.repository];
        &database.packages[id.package]
    }

    /// `repository/name version`, for people.
    pub(super) fn show(&self, id: Id) -> String {
        let (repository, _) = self.repositories[id.repository];
        let Package { name, version, .. } = self.package(id);
        format!("{repository}/{name} {version}")
    }

    /// All packages of a name, in the order of the repositories.
    pub(super) fn named(&self, name: &str) -> &[Id] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// All packages that provide a name, of whatever version, and have another
    /// one themselves.
    pub(super) fn providers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Id> + 'a {
        let all = self.by_provision.get(name).into_iter().flatten().copied();
        all.filter(move |id| self.package(*id).name.as_str() != name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'u str> {
        let databases = self.repositories.iter().map(|(_, database)| database);
        databases.flat_map(|d| d.packages.iter().map(|p| p.name.as_str()))
    }

    /// All packages that satisfy a dependency, the one that pacman takes
    /// first: packages of that name, then others that provide it.
    pub(super) fn satisfying<'a>(
        &'a self,
        dependency: &'a Dependency,
    ) -> impl Iterator<Item = Id> + 'a {
        let named = self.named(&dependency.name).iter().copied();
        let literal = named.filter(|id| is_met_literally(dependency, self.package(*id)));
        let providers = self.providers(&dependency.name);
        let provide = |id: &Id| self.provides(*id, dependency);
        literal.chain(providers.filter(provide))
    }

    /// Whether a package is, or provides, what is asked for.
    pub(super) fn satisfies(&self, id: Id, dependency: &Dependency) -> bool {
        is_met_literally(dependency, self.package(id)) || self.provides(id, dependency)
    }

    fn provides(&self, id: Id, dependency: &Dependency) -> bool {
        let provisions = &self.package(id).provides;
        self.work.set(self.work.get() + provisions.len() as u64 + 1);
        dependency.is_provided(provisions)
    }

    /// Whether a package is not to be taken unless it is asked for.
    pub(super) fn is_ignored(&self, id: Id) -> bool {
        let Request {
            ignore,
            ignore_groups,
            ..
        } = self.request;
        let package = self.package(id);
        let in_group = |group: &String| pattern::any_matches(ignore_groups, group);
        pattern::any_matches(ignore, package.name.as_str()) || package.groups.iter().any(in_group)
    }

    /// Whether something is taken to be there already.
    pub(super) fn is_assumed(&self, dependency: &Dependency) -> bool {
        dependency.is_provided(&self.request.assume_installed)
    }
}

fn is_met_literally(dependency: &Dependency, package: &Package) -> bool {
    dependency.is_met_literally(package.name.as_str(), package.version.as_str())
}
