//! Any set of packages that is whole and without conflicts, for when going
//! about it as apt does leads nowhere; and if there is none, why.
//!
//! The solver is resolvo. A relation becomes a union of what satisfies it,
//! real packages before those that provide it, the preferred version of each
//! first; a conflict becomes a constraint. All versions of all repositories
//! are open here, not only candidates.

use super::choose::Wish;
use super::dependency::{self, Relation};
use super::universe::{Id, Universe};
use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, SolvableId, Solver,
    SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Most rounds of the solver. A wish that apt's way fails at takes hundreds.
const ROUNDS_MAX: u64 = 2_000_000;

/// Some versions of one name, and in which words they were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Versions {
    allowed: Vec<Id>,
    said: String,
}

/// One version, with how it is shown.
#[derive(Clone, Debug)]
struct Shown {
    id: Id,
    text: String,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl VersionSet for Versions {
    type V = Shown;
}

/// The universe as resolvo asks for it.
struct Provider<'a, 'u> {
    universe: &'a Universe<'u>,
    recommends: bool,
    pool: Pool<Versions>,
    known: RefCell<HashMap<Id, SolvableId>>,
    rounds: Cell<u64>,
}

/// A whole set of packages, or why there is none.
pub(crate) fn solve(
    universe: &Universe<'_>,
    recommends: bool,
    wishes: &[Wish],
) -> Result<Vec<Id>, String> {
    let provider = Provider {
        universe,
        recommends,
        pool: Pool::new(),
        known: RefCell::default(),
        rounds: Cell::new(0),
    };
    let mut requirements: Vec<ConditionalRequirement> = Vec::new();
    for id in wishes.iter().flat_map(|wish| &wish.ids) {
        let name = universe.package(*id).name;
        let versions = if universe.is_picked(*id) {
            vec![*id]
        } else {
            universe.versions(name).as_ref().clone()
        };
        let set = provider.versions(name, versions, "that was asked for".to_owned());
        requirements.push(set.into());
    }
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(solvables) => Ok(solvables
            .into_iter()
            .map(|s| solver.provider().pool.resolve_solvable(s).record.id)
            .collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            Err(conflict.display_user_friendly(&solver).to_string())
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            Err("the search for another choice took too long".to_owned())
        }
    }
}

impl Provider<'_, '_> {
    fn versions(&self, name: &str, mut allowed: Vec<Id>, said: String) -> VersionSetId {
        allowed.sort_unstable();
        let name = self.pool.intern_package_name(name);
        self.pool
            .intern_version_set(name, Versions { allowed, said })
    }

    fn solvable(&self, id: Id) -> SolvableId {
        if let Some(known) = self.known.borrow().get(&id) {
            return *known;
        }
        let package = self.universe.package(id);
        let name = self.pool.intern_package_name(package.name);
        let text = package.version.to_owned();
        let solvable = self.pool.intern_solvable(name, Shown { id, text });
        self.known.borrow_mut().insert(id, solvable);
        solvable
    }

    /// By name, in the order of preference: what satisfies a group.
    fn options(&self, group: &[Relation<'_>]) -> Vec<VersionSetId> {
        let mut sets = Vec::new();
        for relation in group {
            let mut by_name: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
            for id in self.universe.satisfying(relation) {
                let name = self.universe.package(id).name;
                by_name.entry(name).or_default().push(id);
            }
            let mut names: Vec<_> = by_name.into_iter().collect();
            names.sort_by_key(|(name, _)| *name != relation.name);
            for (name, ids) in names {
                sets.push(self.versions(name, ids, dependency::show(group)));
            }
        }
        sets
    }

    fn requirement(&self, group: &[Relation<'_>]) -> ConditionalRequirement {
        let sets = self.options(group);
        match sets.as_slice() {
            // Nothing satisfies it: a set that allows nothing says so.
            [] => {
                let name = group.first().map_or("", |r| r.name);
                self.versions(name, Vec::new(), dependency::show(group))
                    .into()
            }
            [one] => (*one).into(),
            [first, rest @ ..] => self
                .pool
                .intern_version_set_union(*first, rest.iter().copied())
                .into(),
        }
    }

    /// What may be installed beside a package that conflicts.
    fn constraints(&self, id: Id, relation: &Relation<'_>) -> Vec<VersionSetId> {
        let mut names: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
        for other in self.universe.satisfying(relation) {
            if other != id {
                let name = self.universe.package(other).name;
                names.entry(name).or_default().push(other);
            }
        }
        names
            .into_iter()
            .map(|(name, hit)| {
                let mut others = self.universe.versions(name).as_ref().clone();
                others.retain(|other| !hit.contains(other));
                self.versions(
                    name,
                    others,
                    format!("outside its conflict with {relation}"),
                )
            })
            .collect()
    }
}

impl Interner for Provider<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl fmt::Display + '_ {
        let solvable = self.pool.resolve_solvable(solvable);
        let name = self.pool.resolve_package_name(solvable.name);
        format!("{name} {}", solvable.record)
    }
    fn display_name(&self, name: NameId) -> impl fmt::Display + '_ {
        self.pool.resolve_package_name(name).clone()
    }
    fn display_version_set(&self, set: VersionSetId) -> impl fmt::Display + '_ {
        let said = self.pool.resolve_version_set(set).to_string();
        format!("({said})")
    }
    fn display_string(&self, string: StringId) -> impl fmt::Display + '_ {
        self.pool.resolve_string(string).to_owned()
    }
    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(set)
    }
    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }
    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }
    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Provider<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let allowed = &self.pool.resolve_version_set(set).allowed;
        let keep = |s: &&SolvableId| {
            let id = self.pool.resolve_solvable(**s).record.id;
            allowed.binary_search(&id).is_ok() != inverse
        };
        candidates.iter().filter(keep).copied().collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let name = self.pool.resolve_package_name(name);
        let ids = self.universe.versions(name);
        Some(Candidates {
            candidates: ids.iter().map(|id| self.solvable(*id)).collect(),
            hint_dependencies_available: HintDependenciesAvailable::All,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_cached_key(|s| {
            let id = self.pool.resolve_solvable(*s).record.id;
            let name = self.universe.package(id).name;
            let versions = self.universe.versions(name);
            versions.iter().position(|other| *other == id)
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = self.pool.resolve_solvable(solvable).record.id;
        let package = self.universe.package(id);
        if let Some(broken) = &package.broken {
            return Dependencies::Unknown(self.pool.intern_string(broken.clone()));
        }
        let mut requirements: Vec<_> = package
            .depends
            .iter()
            .map(|g| self.requirement(g))
            .collect();
        if self.recommends {
            // Those that something satisfies; a conflict does without them
            // only in apt's way.
            let open = package
                .recommends
                .iter()
                .filter(|g| !self.options(g).is_empty());
            requirements.extend(open.map(|g| self.requirement(g)));
        }
        let constrains = package
            .conflicts
            .iter()
            .flat_map(|r| self.constraints(id, r))
            .collect();
        Dependencies::Known(KnownDependencies {
            requirements,
            constrains,
        })
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn std::any::Any>> {
        self.rounds.set(self.rounds.get() + 1);
        (self.rounds.get() > ROUNDS_MAX).then(|| Box::new(()) as Box<dyn std::any::Any>)
    }
}
