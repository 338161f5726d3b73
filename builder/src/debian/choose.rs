//! Choosing packages as apt does: what was asked for first, then each
//! dependency in the order of its field, depth first, taking the first
//! alternative that can be installed.
//!
//! Follows `pkgDepCache::MarkInstall` of apt 2.6 in what decides the outcome
//! of an installation from nothing: the order of going through dependencies,
//! the preference between providers, and that what a package that must be
//! installed conflicts with is out of the question from then on. Like apt's it
//! never takes a choice back except within a failed alternative; where that
//! does not lead to an answer, [`super::solve`] is asked.

use super::dependency::{self, Relation};
use super::universe::{Id, Package, Universe};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Longest chain of dependencies that is followed here. The longest of
/// Debian 13 has some 200 links.
const DEPTH_MAX: usize = 2_000;

/// What must be installed, as one step: all of it is chosen before any of its
/// dependencies is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) ids: Vec<Id>,
}

/// Why a package could not be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Obstacle {
    /// Who wanted it: from the package that was asked for to the last one.
    pub(crate) chain: Vec<Id>,
    pub(crate) problem: Problem,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing satisfies this.
    Unsatisfiable(String),
    /// Something does, but cannot be installed itself.
    Conflict(String),
    /// A field cannot be read.
    Broken(String),
    /// The chain is too long.
    Depth,
}

/// The packages chosen so far.
pub(crate) struct Choice<'a, 'u> {
    universe: &'a Universe<'u>,
    recommends: bool,
    /// In the order of choosing.
    order: Vec<Id>,
    chosen: HashMap<&'u str, Rc<Package<'u>>>,
    /// Chosen packages by what they provide.
    provided: HashMap<&'u str, Vec<Id>>,
    /// Chosen packages by what they conflict with.
    conflicted: HashMap<&'u str, Vec<Id>>,
    /// Chosen in an earlier step: preferred as providers.
    settled: HashSet<Id>,
    /// Must stay.
    protected: HashSet<Id>,
    /// Cannot be installed.
    refused: HashSet<Id>,
    chain: Vec<Id>,
    obstacle: Option<Obstacle>,
}

impl<'a, 'u> Choice<'a, 'u> {
    pub(crate) fn new(universe: &'a Universe<'u>, recommends: bool) -> Self {
        Self {
            universe,
            recommends,
            order: Vec::new(),
            chosen: HashMap::new(),
            provided: HashMap::new(),
            conflicted: HashMap::new(),
            settled: HashSet::new(),
            protected: HashSet::new(),
            refused: HashSet::new(),
            chain: Vec::new(),
            obstacle: None,
        }
    }

    /// Chooses what is wished for and everything that it needs.
    pub(crate) fn grant(&mut self, wish: &Wish) -> Result<(), Obstacle> {
        for id in &wish.ids {
            if !self.has(*id) {
                self.fits(*id).map_err(|problem| Obstacle {
                    chain: vec![*id],
                    problem,
                })?;
                self.take(*id);
            }
            self.protected.insert(*id);
        }
        let mut ids = wish.ids.clone();
        ids.sort_unstable();
        for id in ids {
            self.chain = vec![id];
            if !self.complete(id) {
                return Err(self.obstacle.take().unwrap_or(Obstacle {
                    chain: vec![id],
                    problem: Problem::Depth,
                }));
            }
        }
        self.settled.extend(self.chosen.values().map(|p| p.id));
        Ok(())
    }

    /// What was chosen and is needed, in the order of choosing.
    pub(crate) fn into_needed(self, wishes: &[Wish]) -> Vec<Id> {
        let mut needed: HashSet<Id> = HashSet::new();
        let mut next: Vec<Id> = wishes.iter().flat_map(|w| w.ids.clone()).collect();
        while let Some(id) = next.pop() {
            if !needed.insert(id) {
                continue;
            }
            let package = self.universe.package(id);
            let recommended: &[_] = if self.recommends {
                &package.recommends
            } else {
                &[]
            };
            let relations = package.depends.iter().chain(recommended).flatten();
            for relation in relations {
                next.extend(self.chosen_for(relation));
            }
        }
        let mut order = self.order;
        order.retain(|id| needed.contains(id));
        order
    }

    fn has(&self, id: Id) -> bool {
        let name = self.universe.package(id).name;
        self.chosen.get(name).is_some_and(|p| p.id == id)
    }

    /// Whether a package can be added to those that were chosen.
    fn fits(&self, id: Id) -> Result<(), Problem> {
        let package = self.universe.package(id);
        let said = format!("{} {}", package.name, package.version);
        if let Some(broken) = &package.broken {
            return Err(Problem::Broken(format!("{said}: {broken}")));
        }
        if let Some(other) = self.chosen.get(package.name) {
            return Err(Problem::Conflict(format!(
                "{said} cannot be installed beside {} {}",
                other.name, other.version
            )));
        }
        for relation in &package.conflicts {
            if let Some(other) = self.chosen_for(relation).find(|other| *other != id) {
                let other = self.universe.package(other).name;
                return Err(Problem::Conflict(format!(
                    "{said} conflicts with {other} ({relation})"
                )));
            }
        }
        let names = package.provides.iter().map(|p| p.name);
        for name in names.chain([package.name]) {
            for other in self.conflicted.get(name).into_iter().flatten() {
                let other = self.universe.package(*other);
                let hit = |r: &&Relation<'_>| r.name == name && self.universe.satisfies(id, r);
                if let Some(relation) = other.conflicts.iter().find(hit) {
                    return Err(Problem::Conflict(format!(
                        "{} conflicts with {said} ({relation})",
                        other.name
                    )));
                }
            }
        }
        if self.refused.contains(&id) {
            return Err(Problem::Conflict(format!(
                "{said} is ruled out by a package that must be installed"
            )));
        }
        Ok(())
    }

    fn take(&mut self, id: Id) {
        let package = self.universe.package(id);
        for provided in &package.provides {
            self.provided.entry(provided.name).or_default().push(id);
        }
        for relation in &package.conflicts {
            self.conflicted.entry(relation.name).or_default().push(id);
        }
        self.chosen.insert(package.name, package);
        self.order.push(id);
    }

    fn drop_again(&mut self, id: Id) {
        let package = self.universe.package(id);
        for ids in self
            .provided
            .values_mut()
            .chain(self.conflicted.values_mut())
        {
            ids.retain(|other| *other != id);
        }
        self.chosen.remove(package.name);
        self.order.retain(|other| *other != id);
    }

    /// Chosen packages that satisfy a relation.
    fn chosen_for(&self, relation: &Relation<'_>) -> impl Iterator<Item = Id> {
        let real = self.chosen.get(relation.name).map(|p| p.id);
        let virtually = self.provided.get(relation.name).into_iter().flatten();
        real.into_iter()
            .chain(virtually.copied())
            .filter(|id| self.universe.satisfies(*id, relation))
    }

    fn is_satisfied(&self, group: &[Relation<'_>]) -> bool {
        group.iter().any(|r| self.chosen_for(r).next().is_some())
    }

    /// Installs a package that was not chosen yet, with all it needs.
    fn install(&mut self, id: Id) -> bool {
        if self.has(id) {
            return true;
        }
        if let Err(problem) = self.fits(id) {
            return self.fail(problem);
        }
        if self.chain.len() >= DEPTH_MAX {
            return self.fail(Problem::Depth);
        }
        self.take(id);
        self.chain.push(id);
        let done = self.complete(id);
        self.chain.pop();
        if !done && !self.protected.contains(&id) {
            // apt does not try it again either.
            self.drop_again(id);
            self.refused.insert(id);
        }
        done
    }

    /// Installs what a chosen package needs.
    fn complete(&mut self, id: Id) -> bool {
        let package = self.universe.package(id);
        let protected = self.protected.contains(&id);
        if protected {
            self.rule_out(&package);
        }
        // What is satisfied now is not looked at again, as with apt.
        let open: Vec<usize> = (0..package.depends.len())
            .filter(|i| protected || !self.is_satisfied(&package.depends[*i]))
            .collect();
        for i in open {
            if !self.provide(&package.depends[i], protected) {
                return false;
            }
        }
        if self.recommends {
            for group in &package.recommends {
                if !self.is_satisfied(group) {
                    let before = self.obstacle.take();
                    // One that cannot be installed is done without.
                    self.provide(group, false);
                    self.obstacle = before;
                }
            }
        }
        true
    }

    /// What a package that must stay conflicts with cannot be installed.
    fn rule_out(&mut self, package: &Package<'u>) {
        for relation in &package.conflicts {
            for other in self.universe.satisfying(relation) {
                if other != package.id && !self.has(other) {
                    self.refused.insert(other);
                }
            }
        }
    }

    /// Satisfies one group of alternatives.
    fn provide(&mut self, group: &[Relation<'u>], protected: bool) -> bool {
        let satisfied = self.is_satisfied(group);
        if satisfied && !protected {
            return true;
        }
        let solutions = self.solutions(group);
        // The only solution for something that must stay must stay itself.
        let only = match solutions.as_slice() {
            [only] if protected => Some(*only),
            _ => None,
        };
        if satisfied {
            return match only {
                Some(id) if self.has(id) && self.protected.insert(id) => self.complete_within(id),
                _ => true,
            };
        }
        if solutions.is_empty() {
            return self.fail(Problem::Unsatisfiable(dependency::show(group)));
        }
        for id in solutions {
            if only == Some(id) && !self.has(id) {
                if let Err(problem) = self.fits(id) {
                    return self.fail(problem);
                }
                self.take(id);
                self.protected.insert(id);
                if self.complete_within(id) {
                    return true;
                }
            } else if self.install(id) {
                return true;
            }
        }
        false
    }

    fn complete_within(&mut self, id: Id) -> bool {
        if self.chain.len() >= DEPTH_MAX {
            return self.fail(Problem::Depth);
        }
        self.chain.push(id);
        let done = self.complete(id);
        self.chain.pop();
        done
    }

    /// Candidates that satisfy a group, the preferred one first.
    fn solutions(&self, group: &[Relation<'u>]) -> Vec<Id> {
        let mut all: Vec<Id> = Vec::new();
        for relation in group {
            let mut ids = self.universe.satisfying(relation);
            ids.retain(|id| self.universe.is_candidate(*id) && !self.refused.contains(id));
            self.sort_by_preference(&mut ids, relation.name);
            all.extend(ids);
        }
        // What is there from an earlier step goes before what is new.
        all.sort_by_key(|id| !self.settled.contains(id));
        let mut seen = HashSet::new();
        all.retain(|id| seen.insert(*id));
        all
    }

    fn sort_by_preference(&self, ids: &mut [Id], target: &str) {
        if ids.len() < 2 {
            return;
        }
        ids.sort_by_cached_key(|id| {
            let package = self.universe.package(*id);
            (
                !self.protected.contains(id),
                !self.settled.contains(id),
                package.name != target,
                !package.essential,
                !package.important,
                rank(package.priority),
                Reverse(self.universe.first_mention(package.name)),
            )
        });
    }

    fn fail(&mut self, problem: Problem) -> bool {
        if self.obstacle.is_none() {
            self.obstacle = Some(Obstacle {
                chain: self.chain.clone(),
                problem,
            });
        }
        false
    }
}

/// apt's order of priorities.
fn rank(priority: &str) -> u8 {
    match priority {
        "required" => 1,
        "important" => 2,
        "standard" => 3,
        "optional" => 4,
        "extra" => 5,
        // None at all sorts first in apt: it is zero there.
        _ => 0,
    }
}
