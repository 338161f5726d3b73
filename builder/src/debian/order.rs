//! The order in which packages are unpacked and configured: what is needed
//! before what needs it, essential packages first, names deciding the rest.
//!
//! The same set gives the same order, wherever its packages came from.

use super::universe::{Id, Universe};
use std::collections::{HashMap, HashSet};

/// Sorts the packages of a plan.
pub(crate) fn installation_order(universe: &Universe<'_>, ids: &[Id]) -> Vec<Id> {
    let mut roots = ids.to_vec();
    roots.sort_by_cached_key(|id| {
        let package = universe.package(*id);
        (!package.essential, package.name.to_owned())
    });
    let needs = needs(universe, &roots);
    let mut done = HashSet::new();
    let mut order = Vec::with_capacity(ids.len());
    for root in roots {
        // Depth first, with a stack of our own: chains may be long.
        let mut stack = vec![(root, 0)];
        if !done.insert(root) {
            continue;
        }
        while let Some((id, position)) = stack.last_mut() {
            let next = needs[id].get(*position).copied();
            *position += 1;
            match next {
                Some(needed) => {
                    if done.insert(needed) {
                        stack.push((needed, 0));
                    }
                }
                None => {
                    order.push(*id);
                    stack.pop();
                }
            }
        }
    }
    order
}

/// For each package, those of the set that its dependencies mean.
fn needs(universe: &Universe<'_>, ids: &[Id]) -> HashMap<Id, Vec<Id>> {
    let mut by_name: HashMap<&str, Vec<Id>> = HashMap::new();
    for id in ids {
        let package = universe.package(*id);
        by_name.entry(package.name).or_default().push(*id);
        for provided in &package.provides {
            by_name.entry(provided.name).or_default().push(*id);
        }
    }
    ids.iter()
        .map(|id| {
            let package = universe.package(*id);
            let mut found = Vec::new();
            for relation in package.depends.iter().flatten() {
                for other in by_name.get(relation.name).into_iter().flatten() {
                    if universe.satisfies(*other, relation) && !found.contains(other) {
                        found.push(*other);
                    }
                }
            }
            (*id, found)
        })
        .collect()
}
