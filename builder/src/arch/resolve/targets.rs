//! What was asked for, found: a package of the name in the first repository
//! that has one, else the first package that provides it, else a group.
//!
//! What is ignored counts as well here: who names it, wants it.

use super::error::{LISTED_MAX, ResolveError};
use super::set::Set;
use super::universe::{Id, Universe};
use crate::arch::dependency::Dependency;
use crate::nearest::nearest;

/// The packages that targets mean, in their order.
pub(super) fn find<'u>(
    universe: &Universe<'u>,
    targets: &[String],
) -> Result<Set<'u>, ResolveError> {
    let mut found = Set::new();
    for target in targets {
        for id in one(universe, target)? {
            let name = universe.package(id).name.as_str();
            match found.named(name) {
                Some(other) if other != id => {
                    return Err(ResolveError::TwoOfOneName {
                        name: name.to_owned(),
                        first: universe.show(other),
                        second: universe.show(id),
                    });
                }
                Some(_) => {}
                None => found.add(universe, id),
            }
        }
    }
    Ok(found)
}

fn one(universe: &Universe<'_>, target: &str) -> Result<Vec<Id>, ResolveError> {
    let (repository, name) = match target.split_once('/') {
        Some((repository, name)) if !repository.is_empty() => {
            let mut names = universe.repositories.iter().map(|(name, _)| *name);
            let found = names.position(|known| known == repository);
            let found = found.ok_or_else(|| ResolveError::NoRepository {
                name: shown(repository),
                target: shown(target),
                repositories: names_of(universe),
            })?;
            (Some(found), name)
        }
        _ => (None, target),
    };
    let wanted = |id: &Id| repository.is_none_or(|r| r == id.repository);
    let asked = Dependency::parse(name);
    if let Some(id) = universe.satisfying(&asked).find(wanted) {
        return Ok(vec![id]);
    }
    let members = group(universe, name, wanted);
    if members.is_empty() {
        return Err(not_found(universe, target, &asked));
    }
    Ok(members)
}

/// The packages of a group; of one name, that of the first repository.
fn group(universe: &Universe<'_>, name: &str, wanted: impl Fn(&Id) -> bool) -> Vec<Id> {
    let mut members = Set::new();
    if name.is_empty() {
        return Vec::new();
    }
    for (repository, (_, database)) in universe.repositories.iter().enumerate() {
        for (package, found) in database.packages.iter().enumerate() {
            let id = Id {
                repository,
                package,
            };
            if wanted(&id) && found.groups.iter().any(|group| group == name) {
                members.add(universe, id);
            }
        }
    }
    members.ids().to_vec()
}

fn not_found(universe: &Universe<'_>, target: &str, asked: &Dependency) -> ResolveError {
    let versions = universe.named(&asked.name).iter().copied();
    let versions = versions.chain(universe.providers(&asked.name));
    let found: Vec<String> = versions
        .take(LISTED_MAX)
        .map(|id| universe.show(id))
        .collect();
    let nearest = match found.is_empty() {
        true => nearest(&shown(&asked.name), universe.names()),
        false => Vec::new(),
    };
    ResolveError::NotFound {
        target: shown(target),
        repositories: names_of(universe),
        found,
        nearest,
    }
}

fn names_of(universe: &Universe<'_>) -> String {
    let names = universe.repositories.iter().map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(", ")
}

/// What of a name an error shows, and what is compared with others.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
