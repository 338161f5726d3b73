//! Fields such as `Depends` and `Replaces`, as far as unpacking reads them:
//! deb-control(5).

use debversion::Version;

/// The alternatives of each part: `a | b, c` has `[a, b]` and `[c]`.
pub fn alternatives(field: &str) -> impl Iterator<Item = Vec<&str>> {
    field
        .split(',')
        .map(|part| {
            part.split('|')
                .map(name)
                .filter(|n| !n.is_empty())
                .collect()
        })
        .filter(|part: &Vec<&str>| !part.is_empty())
}

/// The package's name in `name:any (>= 1) [amd64]`.
fn name(relation: &str) -> &str {
    let relation = relation.trim_start();
    let end = relation.find(|c: char| c.is_whitespace() || "(:[<".contains(c));
    &relation[..end.unwrap_or(relation.len())]
}

/// Whether a field names this version of this package.
#[must_use]
pub fn names(field: &str, package: &str, version: &str) -> bool {
    field
        .split([',', '|'])
        .any(|relation| name(relation) == package && holds(relation, version))
}

/// Whether the version that a relation asks for, if any, is this one. What
/// cannot be read does not hold.
fn holds(relation: &str, version: &str) -> bool {
    let Some((_, constraint)) = relation.split_once('(') else {
        return true;
    };
    let constraint = constraint.split(')').next().unwrap_or_default().trim();
    let digits = constraint.trim_start_matches(['<', '>', '=']);
    let operator = &constraint[..constraint.len() - digits.len()];
    let (Ok(wanted), Ok(has)) = (digits.trim().parse::<Version>(), version.parse::<Version>())
    else {
        return false;
    };
    match operator {
        "<<" => has < wanted,
        "<=" | "<" => has <= wanted,
        "=" => has == wanted,
        ">=" | ">" => has >= wanted,
        ">>" => has > wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        let field = "libc6 (>= 2.38), debconf:any (>= 0.5) | debconf-2.0, a [amd64], b<!nocheck>";
        let all: Vec<_> = alternatives(field).collect();
        assert_eq!(
            all,
            [
                vec!["libc6"],
                vec!["debconf", "debconf-2.0"],
                vec!["a"],
                vec!["b"]
            ]
        );
        assert_eq!(alternatives(" ").count(), 0);
    }

    #[test]
    fn versions_are_compared_as_dpkg_does() {
        let field = "a (<< 2.0), b, c (>= 1:1~)";
        assert!(names(field, "a", "2.0~rc1"));
        assert!(!names(field, "a", "2.0"));
        assert!(names(field, "b", "anything"));
        assert!(!names(field, "c", "2"));
        assert!(names(field, "c", "1:1"));
        assert!(!names(field, "d", "1"));
    }
}
