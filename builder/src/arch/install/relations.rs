//! Whether packages go together by what they say themselves.
//!
//! They were chosen by what a database says of them, which is mostly not
//! signed: who can change it could leave out what a package needs or is in
//! conflict with. pacman since 6.1 compares both and refuses a package of
//! which they differ; a lock does not hold what the database said, so the
//! packages themselves are asked here. One more package than needed is
//! signed like all others, and does no harm.

use super::InstallError;
use crate::arch::dependency::{Dependency, Provision};
use crate::arch::package::Staged;
use std::collections::HashMap;
use std::sync::Arc;

/// What packages offer.
#[derive(Default)]
struct Offers<'p> {
    /// Packages and their versions by name.
    named: HashMap<&'p str, &'p str>,
    /// What packages provide, each with its package, by name.
    provided: HashMap<String, Vec<(&'p str, Provision)>>,
}

/// Checks that everything is there that packages need, and nothing that they
/// are in conflict with.
pub(super) fn check(packages: &[Arc<Staged>]) -> Result<(), InstallError> {
    let mut offers = Offers::default();
    for info in packages.iter().map(|package| &package.info) {
        offers.named.insert(&info.name, &info.version);
        for provision in info.provides.iter().map(|text| Provision::parse(text)) {
            let all = offers.provided.entry(provision.name.clone()).or_default();
            all.push((&info.name, provision));
        }
    }
    for info in packages.iter().map(|package| &package.info) {
        for text in &info.depends {
            if offers.who(&Dependency::parse(text)).next().is_none() {
                return Err(InstallError::Unmet {
                    package: info.name.clone(),
                    dependency: text.clone(),
                });
            }
        }
        for text in &info.conflicts {
            let asked = Dependency::parse(text);
            let mut others = offers.who(&asked).filter(|name| *name != info.name);
            if let Some(other) = others.next() {
                return Err(InstallError::Incompatible {
                    first: info.name.clone(),
                    second: other.to_owned(),
                    reason: text.clone(),
                });
            }
        }
    }
    Ok(())
}

impl Offers<'_> {
    /// The names of the packages that are, or provide, what is asked for.
    fn who<'s>(&'s self, asked: &'s Dependency) -> impl Iterator<Item = &'s str> {
        let named = self.named.get_key_value(asked.name.as_str());
        let named = named.filter(|(name, version)| asked.is_met_literally(name, version));
        let provided = self.provided.get(&asked.name).into_iter().flatten();
        let provided = provided
            .filter(|(_, provision)| asked.is_provided(std::slice::from_ref(provision)))
            .map(|(name, _)| *name);
        named.map(|(name, _)| *name).into_iter().chain(provided)
    }
}
