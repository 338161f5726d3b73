//! Why packages cannot be chosen, told by who needs what.

/// Most packages that an error lists.
pub(super) const LISTED_MAX: usize = 8;

/// Most links of a chain that an error shows: the last ones.
const CHAIN_SHOWN_MAX: usize = 30;

/// Why what was asked for cannot be installed. Packages are called
/// `repository/name version`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No package or group is called that, and no package provides it.
    #[error("there is no package or group {target} in {repositories}{}", hint(.found, .nearest))]
    NotFound {
        /// What was asked for.
        target: String,
        /// Where it was looked for.
        repositories: String,
        /// What there is of that name in other versions or repositories.
        found: Vec<String>,
        /// Names that are near, the nearest first.
        nearest: Vec<String>,
    },
    /// A target names a repository that there is not.
    #[error("{target} names the repository {name}; there are {repositories}")]
    NoRepository {
        /// The repository.
        name: String,
        /// What was asked for.
        target: String,
        /// Those that there are.
        repositories: String,
    },
    /// Two targets are different packages of one name.
    #[error("{first} and {second} are both asked for, and only one {name} can be installed")]
    TwoOfOneName {
        /// The name.
        name: String,
        /// The package that was asked for first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A dependency that nothing satisfies.
    #[error("a dependency cannot be satisfied:\n{}, {}", shown(.chain), there_is(.found))]
    Unsatisfied {
        /// Who needs it: from a target to the package whose dependency it is.
        chain: Vec<Link>,
        /// What there is of that name in other versions.
        found: Vec<String>,
    },
    /// A dependency that only packages satisfy that are ignored.
    #[error(
        "a package that is to be ignored is needed:\n{}, and {} is to be ignored",
        shown(.chain), .ignored.join(", ")
    )]
    Ignored {
        /// Who needs it: from a target to the package whose dependency it is.
        chain: Vec<Link>,
        /// What would satisfy it.
        ignored: Vec<String>,
    },
    /// A dependency that would be satisfied by something that a target or a
    /// conflict keeps out.
    #[error(
        "{package} needs {dependency}, which cannot be installed beside what else was asked for"
    )]
    KeptOut {
        /// Who needs it.
        package: String,
        /// What.
        dependency: String,
    },
    /// Two packages that cannot be installed together.
    #[error("{first} and {second} are in conflict ({reason})")]
    Conflict {
        /// The one that says so.
        first: String,
        /// The other one.
        second: String,
        /// What the first one says, such as `name<2`.
        reason: String,
    },
    /// The databases make choosing endless.
    #[error("choosing packages takes more than {most} comparisons; no sane repository needs them")]
    TooMuch {
        /// The limit.
        most: u64,
    },
    /// Two packages are said to be in the same file.
    #[error("the packages {first} and {second} are both said to be the file {file}")]
    SameFile {
        /// One of them.
        first: String,
        /// The other one.
        second: String,
        /// The file.
        file: String,
    },
}

/// A package, and which of its dependencies leads further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The package.
    pub package: String,
    /// The dependency.
    pub needs: String,
}

fn hint(found: &[String], nearest: &[String]) -> String {
    match (found, nearest) {
        ([], []) => String::new(),
        ([], [one]) => format!("; did you mean {one}?"),
        ([], [most @ .., last]) => format!("; did you mean {} or {last}?", most.join(", ")),
        (found, _) => format!("; there is {}", found.join(", ")),
    }
}

/// The chain, a line a link.
fn shown(chain: &[Link]) -> String {
    let skipped = chain.len().saturating_sub(CHAIN_SHOWN_MAX);
    let lines = chain[skipped..].iter().enumerate().map(|(depth, link)| {
        let indent = "  ".repeat(depth + 1);
        format!("{indent}{} needs {}", link.package, link.needs)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn there_is(found: &[String]) -> String {
    match found {
        [] => "which is in no repository".to_owned(),
        found => format!("but there is only {}", found.join(", ")),
    }
}
