//! The order of installation: what is needed before what needs it.
//!
//! Depth first in the order of choosing, as pacman goes about it, so that
//! scriptlets run in the same order; what needs one another stays in that
//! order, and is warned about.

use super::error::ResolveError;
use super::set::Set;
use super::universe::{Id, Universe};
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the stack.
    Begun,
    Done,
}

/// Sorts packages.
pub(super) fn sorted(
    universe: &Universe<'_>,
    set: &Set<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Id>, ResolveError> {
    let ids = set.ids();
    let mut state = vec![State::New; ids.len()];
    let mut order = Vec::with_capacity(ids.len());
    for root in 0..ids.len() {
        if state[root] != State::New {
            continue;
        }
        // A stack of our own: chains may be long.
        state[root] = State::Begun;
        let mut stack = vec![(root, needs(universe, set, root)?.into_iter())];
        while let Some((at, rest)) = stack.last_mut() {
            let at = *at;
            let Some(needed) = rest.next() else {
                state[at] = State::Done;
                order.push(ids[at]);
                stack.pop();
                continue;
            };
            match state[needed] {
                State::New => {
                    state[needed] = State::Begun;
                    stack.push((needed, needs(universe, set, needed)?.into_iter()));
                }
                State::Begun if needed != at => {
                    let [one, other] = [at, needed].map(|at| &universe.package(ids[at]).name);
                    warnings.push(format!(
                        "{one} is installed before {other}, which it needs: they need one another"
                    ));
                }
                State::Begun | State::Done => {}
            }
        }
    }
    Ok(order)
}

/// Positions of all packages that satisfy a dependency of one, ascending.
fn needs(
    universe: &Universe<'_>,
    set: &Set<'_>,
    at: usize,
) -> Result<BTreeSet<usize>, ResolveError> {
    let mut found = BTreeSet::new();
    for asked in &universe.package(set.ids()[at]).depends {
        universe.check()?;
        found.extend(set.satisfying(universe, asked));
    }
    Ok(found)
}
