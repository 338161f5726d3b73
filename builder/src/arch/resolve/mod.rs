//! From what is asked for to the packages that are installed, and in which
//! order: what `pacman -S --noconfirm` chooses for an empty root.
//!
//! The steps are libalpm's, read in pacman 6.0.2 (`sync.c`, `deps.c`,
//! `conflict.c`) and compared with that program's own answers on generated
//! repositories: `targets` finds what was named, `closure` adds what that
//! needs, `conflict` looks for what cannot be together, `order` puts what
//! is needed before what needs it. Choices are never taken back, as with
//! pacman; where no answer is found this way, there is none.
//!
//! An architecture is not looked at (pacman refuses targets of another one),
//! and `%REPLACES%` concerns upgrades alone.

mod closure;
mod conflict;
mod error;
mod order;
mod set;
mod targets;
mod universe;

pub use error::{Link, ResolveError};

use super::database::Database;
use super::dependency::Provision;
use set::Set;
use std::collections::HashMap;
use universe::{Id, Universe};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `name`, `name>=1`, `repository/name`, the name of a group, or what a
    /// package provides.
    pub targets: Vec<String>,
    /// Patterns of names of packages that are not taken unless they are
    /// targets: IgnorePkg.
    pub ignore: Vec<String>,
    /// The same for all packages of groups: IgnoreGroup.
    pub ignore_groups: Vec<String>,
    /// What is taken to be there already.
    pub assume_installed: Vec<Provision>,
}

/// What is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// In the order of installation.
    pub packages: Vec<Chosen>,
    /// What pacman would warn about, for people.
    pub warnings: Vec<String>,
}

/// One package of a [`Resolution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Index into the repositories.
    pub repository: usize,
    /// Index into its packages.
    pub package: usize,
    /// Whether it was asked for, rather than needed by another one.
    pub explicit: bool,
}

/// Chooses packages. The order of the repositories, each with its name, is
/// that of a pacman.conf: of packages with the same name, that of the first
/// one is taken.
///
/// # Errors
/// A target that does not exist, what cannot be satisfied, conflicts.
pub fn resolve(
    repositories: &[(&str, &Database)],
    request: &Request,
) -> Result<Resolution, ResolveError> {
    let universe = Universe::new(repositories, request);
    let mut warnings = Vec::new();
    let targets = targets::find(&universe, &request.targets)?;
    let closure = closure::close(&universe, &targets, &mut warnings)?;
    refuse_same_files(&universe, closure.ids())?;
    let kept = conflict::settle(&universe, closure.ids(), &mut warnings)?;
    let kept = Set::of(&universe, &kept);
    closure::check(&universe, &kept)?;
    let packages = order::sorted(&universe, &kept, &mut warnings)?;
    let packages = packages.into_iter().map(|id| Chosen {
        repository: id.repository,
        package: id.package,
        explicit: targets.named(universe.package(id).name.as_str()).is_some(),
    });
    Ok(Resolution {
        packages: packages.collect(),
        warnings,
    })
}

/// Two packages cannot be in one file.
fn refuse_same_files(universe: &Universe<'_>, ids: &[Id]) -> Result<(), ResolveError> {
    let mut files = HashMap::new();
    for id in ids {
        let package = universe.package(*id);
        if let Some(other) = files.insert(&package.file_name, &package.name) {
            return Err(ResolveError::SameFile {
                first: other.to_string(),
                second: package.name.to_string(),
                file: package.file_name.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
