//! What may differ between two trees, and why: the words of the tables.

use super::difference::{Difference, What};

/// What may differ at paths that match (`*` stands for any letters).
pub(super) struct Allowed {
    pub(super) because: &'static str,
    pub(super) what: &'static [What],
    pub(super) paths: &'static [&'static str],
    /// Which lines of a file may differ; none: all.
    pub(super) lines: Option<&'static str>,
}

/// Whether a difference is one of those.
pub(super) fn is_allowed(table: &[Allowed], difference: &Difference) -> bool {
    let path = difference.path.to_string_lossy();
    table.iter().any(|allowed| {
        allowed.what.contains(&difference.what)
            && allowed.paths.iter().any(|p| matches(p, &path))
            && difference.detail.iter().all(|line| {
                let pattern = allowed.lines.unwrap_or("*");
                matches(pattern, line.trim_start_matches(['+', '-']))
            })
    })
}

/// What may differ, for people.
pub(super) fn listed(table: &[Allowed]) -> String {
    let lines = table.iter().map(|allowed| {
        let paths = allowed.paths.join(", ");
        format!(
            "{paths}: {:?}, because: {}\n",
            allowed.what, allowed.because
        )
    });
    lines.collect()
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    text.strip_prefix(head).is_some_and(|rest| {
        let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        ends.any(|at| matches(tail, &rest[at..]))
    })
}
