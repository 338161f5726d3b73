//! What targets need, and what that needs: depth first, each dependency in
//! the order of its package.
//!
//! A dependency is met by what was chosen already, else by a target, else by
//! the first package of that name in the order of the repositories, else by
//! the first one that provides it.

use super::error::{LISTED_MAX, Link, ResolveError};
use super::set::Set;
use super::universe::{Id, Universe};
use crate::arch::dependency::Dependency;

/// A package whose dependencies are being gone through.
struct Step {
    id: Id,
    /// The next of its dependencies.
    next: usize,
}

/// The targets with everything that they need, in the order of choosing.
pub(super) fn close<'u>(
    universe: &Universe<'u>,
    targets: &Set<'u>,
    warnings: &mut Vec<String>,
) -> Result<Set<'u>, ResolveError> {
    let mut chosen = Set::new();
    for target in targets.ids() {
        // A stack of our own: chains may be long.
        let mut steps = Vec::new();
        enter(universe, &mut chosen, &mut steps, *target);
        while let Some(step) = steps.last_mut() {
            let Some(asked) = universe.package(step.id).depends.get(step.next) else {
                steps.pop();
                continue;
            };
            step.next += 1;
            universe.check()?;
            if universe.is_assumed(asked) || chosen.satisfier(universe, asked).is_some() {
                continue;
            }
            let found = match targets.satisfier(universe, asked) {
                Some(id) => id,
                None => satisfier(universe, &chosen, asked, warnings)
                    .map_err(|ignored| unsatisfied(universe, &steps, asked, &ignored))?,
            };
            enter(universe, &mut chosen, &mut steps, found);
        }
    }
    Ok(chosen)
}

/// Chooses a package, unless another one of its name was: then the target's
/// version was passed over, and [`check`] says whether that will do.
fn enter<'u>(universe: &Universe<'u>, chosen: &mut Set<'u>, steps: &mut Vec<Step>, id: Id) {
    if chosen.named(universe.package(id).name.as_str()).is_none() {
        chosen.add(universe, id);
        steps.push(Step { id, next: 0 });
    }
}

/// The package that is taken for a dependency; if there is none, those that
/// would do and are ignored.
fn satisfier(
    universe: &Universe<'_>,
    chosen: &Set<'_>,
    asked: &Dependency,
    warnings: &mut Vec<String>,
) -> Result<Id, Vec<Id>> {
    let mut ignored = Vec::new();
    for id in universe.satisfying(asked) {
        if chosen.named(universe.package(id).name.as_str()).is_some() {
            continue;
        }
        if !universe.is_ignored(id) {
            for id in ignored {
                let warning = format!("ignoring the package {}", universe.show(id));
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            return Ok(id);
        }
        ignored.push(id);
    }
    Err(ignored)
}

/// Whether everything that the packages need is among them.
pub(super) fn check(universe: &Universe<'_>, kept: &Set<'_>) -> Result<(), ResolveError> {
    for id in kept.ids() {
        for asked in &universe.package(*id).depends {
            universe.check()?;
            if !universe.is_assumed(asked) && kept.satisfier(universe, asked).is_none() {
                return Err(ResolveError::KeptOut {
                    package: universe.show(*id),
                    dependency: asked.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// Says who needs what cannot be had, and what there is of it.
fn unsatisfied(
    universe: &Universe<'_>,
    steps: &[Step],
    asked: &Dependency,
    ignored: &[Id],
) -> ResolveError {
    let links = steps.iter().map(|step| {
        let package = universe.package(step.id);
        let needs = step.next.checked_sub(1).map(|at| &package.depends[at]);
        Link {
            package: universe.show(step.id),
            needs: needs.map(ToString::to_string).unwrap_or_default(),
        }
    });
    let chain = links.collect();
    let show = |ids: &mut dyn Iterator<Item = Id>| -> Vec<String> {
        ids.take(LISTED_MAX).map(|id| universe.show(id)).collect()
    };
    if !ignored.is_empty() {
        return ResolveError::Ignored {
            chain,
            ignored: show(&mut ignored.iter().copied()),
        };
    }
    let named = universe.named(&asked.name).iter().copied();
    ResolveError::Unsatisfied {
        chain,
        found: show(&mut named.chain(universe.providers(&asked.name))),
    }
}
