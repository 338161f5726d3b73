//! Names that somebody who typed a wrong one may have meant.

use std::cmp::Reverse;

/// Most names that are suggested.
const SUGGESTED_MAX: usize = 3;

/// Least likeness (of Jaro and Winkler, 0 to 1) of a suggestion.
const LIKENESS_MIN: f64 = 0.85;

/// The nearest of `known` names, the nearest first.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(u64, &str)> = known
        .filter_map(|other| {
            let likeness = strsim::jaro_winkler(name, other);
            // A name with the wrong case, or with a part left out.
            let contains = other.len() < 3 * name.len() && other.contains(name);
            let likeness = if contains {
                likeness.max(0.9)
            } else {
                likeness
            };
            // Edits tell apart what is alike otherwise.
            let edits = strsim::osa_distance(name, other) as f64;
            let score = (likeness >= LIKENESS_MIN).then_some(likeness - edits / 100.0)?;
            // Positive, and so ordered as integers of a fixed scale.
            Some(((score.max(0.0) * 1e6) as u64, other))
        })
        .collect();
    scored.sort_by_key(|(score, other)| (Reverse(*score), *other));
    scored.dedup();
    let names = scored.into_iter().map(|(_, other)| other.to_owned());
    names.take(SUGGESTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_seen_through() {
        let known = [
            "openssh-server",
            "openssh-client",
            "nginx",
            "systemd",
            "systemd-sysv",
        ];
        let first = |name| nearest(name, known.into_iter()).into_iter().next();
        assert_eq!(first("opensh-server").as_deref(), Some("openssh-server"));
        assert_eq!(first("ngnix").as_deref(), Some("nginx"));
        assert_eq!(first("systemd-sysvinit").as_deref(), Some("systemd-sysv"));
        assert_eq!(first("zzzzzz"), None);
    }
}
