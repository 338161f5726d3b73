//! Relations between packages: `a (>= 1) | b, c:any`, as deb822's fields say
//! them (Debian policy, chapter 7). Borrowed from the index.

use debversion::Version;
use std::cmp::Ordering;
use std::fmt;

/// Most alternatives and groups that one field may hold. The longest field of
/// Debian 13 has 950 groups.
const RELATIONS_MAX: usize = 100_000;

/// How a version must relate to the one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// One package that is asked for, or asked away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Relation<'a> {
    pub(crate) name: &'a str,
    /// What follows the name's colon: `any`, `native` or an architecture.
    pub(crate) qualifier: Option<&'a str>,
    pub(crate) version: Option<(Operator, &'a str)>,
}

/// Alternatives, any one of which will do.
pub(crate) type Group<'a> = Vec<Relation<'a>>;

/// A field that is not such a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a relation between packages")]
pub(crate) struct InvalidRelation(String);

/// Reads a field.
pub(crate) fn parse(field: &str) -> Result<Vec<Group<'_>>, InvalidRelation> {
    let mut groups = Vec::new();
    let mut count = 0;
    for group in field.split(',') {
        let group = group.trim();
        // apt and dpkg both take an empty one for nothing.
        if group.is_empty() {
            continue;
        }
        let alternatives: Group<'_> = group.split('|').map(relation).collect::<Result<_, _>>()?;
        count += alternatives.len();
        if count > RELATIONS_MAX {
            return Err(invalid(field));
        }
        groups.push(alternatives);
    }
    Ok(groups)
}

fn invalid(text: &str) -> InvalidRelation {
    InvalidRelation(text.chars().take(100).collect())
}

fn relation(text: &str) -> Result<Relation<'_>, InvalidRelation> {
    let text = text.trim();
    let (target, version) = match text.split_once('(') {
        None => (text, None),
        Some((target, rest)) => {
            let inner = rest.strip_suffix(')').ok_or_else(|| invalid(text))?.trim();
            (target.trim(), Some(constraint(inner)?))
        }
    };
    let (name, qualifier) = match target.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (target, None),
    };
    let word = |s: &str| {
        !s.is_empty()
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    if word(name) && qualifier.is_none_or(word) {
        Ok(Relation {
            name,
            qualifier,
            version,
        })
    } else {
        Err(invalid(text))
    }
}

fn constraint(text: &str) -> Result<(Operator, &str), InvalidRelation> {
    let end = text
        .find(|c| !matches!(c, '<' | '=' | '>'))
        .ok_or_else(|| invalid(text))?;
    let (operator, version) = text.split_at(end);
    let operator = match operator {
        "<<" => Operator::Less,
        // A single `<` or `>` is old and means this.
        "<=" | "<" => Operator::LessOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::GreaterOrEqual,
        ">>" => Operator::Greater,
        _ => return Err(invalid(text)),
    };
    Ok((operator, version.trim()))
}

impl Operator {
    /// Whether `found` relates to `wanted` like this.
    pub(crate) fn holds(self, found: &str, wanted: &str) -> bool {
        let ordering = compare(found, wanted);
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Greater => ordering.is_gt(),
        }
    }
}

/// Compares versions as dpkg does. One that is not a version is older than
/// any that is.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let read = |text| Version::parse_lenient(text).ok();
    match (read(a), read(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">>",
        })
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        match self.version {
            Some((operator, version)) => write!(f, " ({operator} {version})"),
            None => Ok(()),
        }
    }
}

/// Alternatives as a field shows them.
pub(crate) fn show(group: &[Relation<'_>]) -> String {
    let shown: Vec<_> = group.iter().map(ToString::to_string).collect();
    shown.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let groups =
            parse("base-passwd (>= 3.6.1) | adduser, libc6(>=2.38),python3:any , ").unwrap();
        let shown: Vec<_> = groups.iter().map(|g| show(g)).collect();
        assert_eq!(
            shown,
            [
                "base-passwd (>= 3.6.1) | adduser",
                "libc6 (>= 2.38)",
                "python3:any"
            ]
        );
        assert_eq!(parse("").unwrap(), Vec::<Group<'_>>::new());
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in [
            "a (1)", "a (>= 1", "a (~ 1)", "a b", "a |", "a (>=)", "$x", "a:b:c",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn versions_compare_as_dpkg_does() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("1.0", "1.0", Equal),
            ("1.0", "1.0-0", Equal),
            ("0:1.0", "1.0", Equal),
            ("1.0~rc1", "1.0", Less),
            ("1.0~~", "1.0~", Less),
            ("1.0", "1.0+b1", Less),
            ("1:0.1", "9.9", Greater),
            ("1.10", "1.9", Greater),
            ("1.0-1", "1.0-1.1", Less),
            ("1.0-1+deb13u1", "1.0-1+deb13u2", Less),
            ("2.0a", "2.0", Greater),
            ("2.0a", "2.0+", Less),
            ("1.002", "1.2", Equal),
            ("3.0-rc1-1", "3.0-1", Greater),
            ("20240203", "7.88.1", Greater),
            ("not a version", "0", Less),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        }
    }
}
