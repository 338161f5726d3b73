//! Packages that were chosen, in the order of choosing, and what of them
//! satisfies what.

use super::universe::{Id, Universe};
use crate::arch::dependency::Dependency;
use std::collections::HashMap;

/// Some packages, no two of one name.
pub(super) struct Set<'u> {
    ids: Vec<Id>,
    /// Where each name is in `ids`.
    named: HashMap<&'u str, usize>,
    provided: HashMap<&'u str, Vec<usize>>,
}

impl<'u> Set<'u> {
    pub(super) fn new() -> Self {
        Self {
            ids: Vec::new(),
            named: HashMap::new(),
            provided: HashMap::new(),
        }
    }

    pub(super) fn of(universe: &Universe<'u>, ids: &[Id]) -> Self {
        let mut set = Self::new();
        for id in ids {
            set.add(universe, *id);
        }
        set
    }

    /// In the order of choosing.
    pub(super) fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// The package of this name.
    pub(super) fn named(&self, name: &str) -> Option<Id> {
        self.named.get(name).map(|at| self.ids[*at])
    }

    /// Adds a package; one of a name that is there is left out.
    pub(super) fn add(&mut self, universe: &Universe<'u>, id: Id) {
        let package = universe.package(id);
        if self.named.contains_key(package.name.as_str()) {
            return;
        }
        let at = self.ids.len();
        self.ids.push(id);
        self.named.insert(package.name.as_str(), at);
        for provision in &package.provides {
            let positions = self.provided.entry(&provision.name).or_default();
            if positions.last() != Some(&at) {
                positions.push(at);
            }
        }
    }

    /// Positions of what satisfies a dependency, ascending.
    pub(super) fn satisfying(&self, universe: &Universe<'u>, asked: &Dependency) -> Vec<usize> {
        let named = self.named.get(asked.name.as_str());
        let provided = self.provided.get(asked.name.as_str()).into_iter().flatten();
        let mut found: Vec<usize> = named.into_iter().chain(provided).copied().collect();
        found.retain(|at| universe.satisfies(self.ids[*at], asked));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The first one that satisfies a dependency.
    pub(super) fn satisfier(&self, universe: &Universe<'u>, asked: &Dependency) -> Option<Id> {
        let first = self.satisfying(universe, asked).first().copied();
        first.map(|at| self.ids[at])
    }
}
