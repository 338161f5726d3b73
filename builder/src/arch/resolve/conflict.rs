//! Packages that cannot be installed together.
//!
//! As pacman without a question does: of two that are in conflict, one that
//! the other one provides is left out, whoever needs it; if neither provides
//! the other one, that is the end.

use super::error::ResolveError;
use super::set::Set;
use super::universe::{Id, Universe};
use crate::arch::dependency::Dependency;
use std::collections::HashSet;

/// The packages that stay, in their order.
pub(super) fn settle(
    universe: &Universe<'_>,
    ids: &[Id],
    warnings: &mut Vec<String>,
) -> Result<Vec<Id>, ResolveError> {
    let mut gone: HashSet<Id> = HashSet::new();
    for (first, second, reason) in conflicts(universe, ids)? {
        if gone.contains(&first) || gone.contains(&second) {
            continue;
        }
        let [a, b] = [first, second].map(|id| universe.package(id).name.as_str());
        let (out, stays) = if universe.satisfies(first, &Dependency::parse(b)) {
            (second, first)
        } else if universe.satisfies(second, &Dependency::parse(a)) {
            (first, second)
        } else {
            return Err(ResolveError::Conflict {
                first: universe.show(first),
                second: universe.show(second),
                reason: reason.to_string(),
            });
        };
        warnings.push(format!(
            "leaving out {}, which is in conflict with {} and provided by it",
            universe.show(out),
            universe.show(stays)
        ));
        gone.insert(out);
    }
    let stays = |id: &&Id| !gone.contains(id);
    Ok(ids.iter().filter(stays).copied().collect())
}

/// Two packages that are in conflict, and what the first one says.
type Pair<'u> = (Id, Id, &'u Dependency);

/// Each pair that is in conflict, in the order of what says so, then of what
/// it says, then of the others.
fn conflicts<'u>(universe: &Universe<'u>, ids: &[Id]) -> Result<Vec<Pair<'u>>, ResolveError> {
    let all = Set::of(universe, ids);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for first in ids {
        for reason in &universe.package(*first).conflicts {
            universe.check()?;
            for at in all.satisfying(universe, reason) {
                let second = all.ids()[at];
                if second != *first && seen.insert((*first, second)) {
                    found.push((*first, second, reason));
                }
            }
        }
    }
    Ok(found)
}
