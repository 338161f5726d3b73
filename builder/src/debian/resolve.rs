//! From what a recipe asks for to the packages that are installed.
//!
//! In mmdebstrap's two steps: first the essential packages with what they
//! need, then the variant's priorities and the named packages, all at once.
//! [`super::choose`] goes about it as apt does; where that ends in an
//! obstacle, [`super::solve`] looks for any other answer, and explains why
//! there is none.

use super::Request;
use super::choose::{Choice, Obstacle, Problem, Wish};
use super::dependency;
use super::index::Column;
use super::order::installation_order;
use super::solve::solve;
use super::universe::{Id, Universe};
use crate::nearest::nearest;
use std::collections::BTreeSet;

/// Most providers that an error lists.
const LISTED_MAX: usize = 8;

/// Why a recipe cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No package is called that.
    #[error("there is no package {name} in {suites}{}", suggestion(.nearest))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        suites: String,
        /// Names that are near, the nearest first.
        nearest: Vec<String>,
    },
    /// A package has no such version.
    #[error("the package {name} has no version {wanted}; there is {}", .found.join(", "))]
    NoSuchVersion {
        /// Which package.
        name: String,
        /// Version or suite that was asked for.
        wanted: String,
        /// Versions that there are.
        found: Vec<String>,
    },
    /// Several packages provide what was asked for.
    #[error(
        "{name} is not a package, but several provide it; name one of {}", .providers.join(", ")
    )]
    Virtual {
        /// What was asked for.
        name: String,
        /// Packages that provide it.
        providers: Vec<String>,
    },
    /// A text that names no package.
    #[error("{0:?} does not name a package: expected NAME, NAME=VERSION or NAME/SUITE")]
    Syntax(String),
    /// No set of packages is whole and without conflicts.
    #[error("these packages cannot be installed together:\n{explanation}")]
    Unsatisfiable {
        /// Who wants what, and why it cannot be had. Several lines.
        explanation: String,
    },
}

fn suggestion(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [most @ .., last] => format!("; did you mean {} or {last}?", most.join(", ")),
    }
}

/// What is installed.
#[derive(Clone, Debug)]
pub(crate) struct Resolution {
    /// In the order of installation.
    pub(crate) order: Vec<Id>,
    /// Those that the recipe named.
    pub(crate) named: BTreeSet<Id>,
}

/// Chooses packages. `suites` names the suite of each repository; those in
/// `base` decide which packages are essential or of a priority.
pub(crate) fn resolve(
    universe: &mut Universe<'_>,
    request: &Request,
    suites: &[String],
    base: &dyn Fn(usize) -> bool,
) -> Result<Resolution, ResolveError> {
    let mut named = Vec::new();
    for text in &request.packages {
        let id = pick(universe, text, suites)?;
        if text.contains(['=', '/']) {
            universe.pick(id);
        }
        named.push(id);
    }
    let universe = &*universe;
    let mut by_name = Vec::new();
    for name in request.variant.names() {
        by_name.push(find(universe, name, suites)?);
    }
    let (essential, prior) = base_set(universe, request, base);
    let mut second = Wish::default();
    second
        .ids
        .extend(named.iter().chain(&by_name).chain(&prior));
    let wishes = [Wish { ids: essential }, second];
    let chosen = match choose(universe, request, &wishes) {
        Ok(chosen) => chosen,
        Err(obstacle) => solve(universe, request.recommends, &wishes).map_err(|conflict| {
            ResolveError::Unsatisfiable {
                explanation: explain(universe, &obstacle, &conflict),
            }
        })?,
    };
    Ok(Resolution {
        order: installation_order(universe, &chosen),
        named: named.into_iter().collect(),
    })
}

fn choose(
    universe: &Universe<'_>,
    request: &Request,
    wishes: &[Wish],
) -> Result<Vec<Id>, Obstacle> {
    let mut choice = Choice::new(universe, request.recommends);
    for wish in wishes {
        choice.grant(wish)?;
    }
    Ok(choice.into_needed(wishes))
}

/// The essential packages, and those of the variant's priorities.
fn base_set(
    universe: &Universe<'_>,
    request: &Request,
    base: &dyn Fn(usize) -> bool,
) -> (Vec<Id>, Vec<Id>) {
    let (mut essential, mut prior) = (BTreeSet::new(), BTreeSet::new());
    let priorities = request.variant.priorities();
    for id in universe.ids() {
        let part = universe.part(id);
        if !base(part.repository) {
            continue;
        }
        let [flags, priority] = part.index.rank(id.row);
        let found = if flags.contains('e') {
            &mut essential
        } else if priorities.contains(&priority) {
            &mut prior
        } else {
            continue;
        };
        found.extend(universe.candidate(part.index.name(id.row)));
    }
    (essential.into_iter().collect(), prior.into_iter().collect())
}

/// The package that a recipe's `NAME`, `NAME=VERSION` or `NAME/SUITE` means.
fn pick(universe: &Universe<'_>, text: &str, suites: &[String]) -> Result<Id, ResolveError> {
    let (name, wanted) = match text.find(['=', '/']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if name.parse::<crate::plan::PackageName>().is_err() || wanted == Some("") {
        return Err(ResolveError::Syntax(text.chars().take(100).collect()));
    }
    let Some(wanted) = wanted else {
        return find(universe, name, suites);
    };
    let by_version = text.as_bytes()[name.len()] == b'=';
    let version = |id: Id| universe.columns(id)[Column::Version as usize];
    let suite = |id: Id| suites[universe.part(id).repository].as_str();
    let versions = universe.versions(name);
    if versions.is_empty() {
        return find(universe, name, suites);
    }
    let fits = |id: &Id| {
        if by_version {
            dependency::compare(version(*id), wanted).is_eq()
        } else {
            suite(*id) == wanted
        }
    };
    versions
        .iter()
        .copied()
        .find(fits)
        .ok_or_else(|| ResolveError::NoSuchVersion {
            name: name.to_owned(),
            wanted: wanted.to_owned(),
            found: versions
                .iter()
                .take(LISTED_MAX)
                .map(|id| format!("{} in {}", version(*id), suite(*id)))
                .collect(),
        })
}

/// The candidate of a name, or the only package that provides it.
fn find(universe: &Universe<'_>, name: &str, suites: &[String]) -> Result<Id, ResolveError> {
    if let Some(id) = universe.candidate(name) {
        return Ok(id);
    }
    let mut providers = universe.providers(name);
    providers.retain(|id| universe.is_candidate(*id));
    providers.dedup();
    match providers.as_slice() {
        [only] => Ok(*only),
        [] => Err(ResolveError::Unknown {
            name: name.to_owned(),
            suites: suites.join(", "),
            nearest: nearest(name, universe.names()),
        }),
        several => Err(ResolveError::Virtual {
            name: name.to_owned(),
            providers: several
                .iter()
                .take(LISTED_MAX)
                .map(|id| universe.package(*id).name.to_owned())
                .collect(),
        }),
    }
}

/// Says who wants what. A missing package is told by the chain that leads to
/// it; a conflict by what the solver found, which has looked at every choice.
fn explain(universe: &Universe<'_>, obstacle: &Obstacle, conflict: &str) -> String {
    let mut text = String::new();
    let mut wants = "it was asked for".to_owned();
    for (depth, id) in obstacle.chain.iter().enumerate() {
        let package = universe.package(*id);
        let next = obstacle.chain.get(depth + 1);
        text.push_str(&format!(
            "{}{} {} ({wants})\n",
            "  ".repeat(depth + 1),
            package.name,
            package.version
        ));
        if let Some(next) = next {
            let group = package.depends.iter().find(|group| {
                let meant = |r| universe.satisfies(*next, r);
                group.iter().any(meant)
            });
            wants = match group {
                Some(group) => format!("for {}: {}", package.name, dependency::show(group)),
                None => format!("recommended by {}", package.name),
            };
        }
    }
    let indent = "  ".repeat(obstacle.chain.len() + 1);
    let problem = match &obstacle.problem {
        Problem::Unsatisfiable(group) => {
            let there = there_is(universe, group);
            format!("{indent}needs {group}, {there}\n")
        }
        Problem::Conflict(what) => format!("{indent}{what}\n"),
        Problem::Broken(what) => format!("{indent}cannot be read: {what}\n"),
        Problem::Depth => format!("{indent}the chain of dependencies is too long\n"),
    };
    text.push_str(&problem);
    if matches!(obstacle.problem, Problem::Conflict(_)) && !conflict.is_empty() {
        text.push_str("and no other choice works:\n");
        for line in conflict.lines() {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// What there is of the alternatives of a group that nothing satisfies.
fn there_is(universe: &Universe<'_>, group: &str) -> String {
    let mut found = Vec::new();
    for relation in dependency::parse(group).unwrap_or_default().concat() {
        for id in universe.versions(relation.name).iter().take(LISTED_MAX) {
            let package = universe.package(*id);
            found.push(format!("{} {}", package.name, package.version));
        }
        for id in universe.providers(relation.name).iter().take(LISTED_MAX) {
            let package = universe.package(*id);
            found.push(format!(
                "{} {}, which provides it",
                package.name, package.version
            ));
        }
    }
    if found.is_empty() {
        "which is in no repository".to_owned()
    } else {
        format!("but there is only {}", found.join(", "))
    }
}
