//! What packages ask for and offer: `name`, `name>=1`, `libx.so=1-64`, with
//! `: why` behind an optional one.
//!
//! Read as libalpm reads them, which takes any text: the first `<`, else `>`,
//! else `=`, ends the name. A name may be that of a package, of a library or
//! anything else that some package provides. Tested against pacman's own
//! choices by the tests of the resolver.

use super::version;
use std::fmt;

/// How a version must relate to the one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// What is asked for, or asked away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// Of a package, or of what packages provide.
    pub name: String,
    /// Which versions will do; none if all.
    pub version: Option<(Comparison, String)>,
    /// Why an optional dependency may be wanted.
    pub description: Option<String>,
}

/// What a package offers besides itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provision {
    /// What it is called.
    pub name: String,
    /// Which version of it. One that is given by another comparison than `=`
    /// counts as none, as with pacman.
    pub version: Option<String>,
}

impl Comparison {
    /// Whether `found` relates to `wanted` like this.
    #[must_use]
    pub fn holds(self, found: &str, wanted: &str) -> bool {
        let ordering = version::compare(found, wanted);
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Greater => ordering.is_gt(),
        }
    }
}

impl Dependency {
    /// Reads one; every text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // A colon alone is that of an epoch.
        let (text, description) = match text.split_once(": ") {
            Some((text, description)) => (text, Some(description.to_owned())),
            None => (text, None),
        };
        let at = ['<', '>', '='].into_iter().find_map(|c| text.find(c));
        let Some(at) = at else {
            return Self {
                name: text.to_owned(),
                version: None,
                description,
            };
        };
        let (name, rest) = text.split_at(at);
        let (comparison, length) = match rest.as_bytes() {
            [b'<', b'=', ..] => (Comparison::LessOrEqual, 2),
            [b'<', ..] => (Comparison::Less, 1),
            [b'>', b'=', ..] => (Comparison::GreaterOrEqual, 2),
            [b'>', ..] => (Comparison::Greater, 1),
            _ => (Comparison::Equal, 1),
        };
        Self {
            name: name.to_owned(),
            version: Some((comparison, rest[length..].to_owned())),
            description,
        }
    }

    /// Whether the package itself is what is asked for.
    #[must_use]
    pub fn is_met_literally(&self, name: &str, version: &str) -> bool {
        self.name == name
            && self
                .version
                .as_ref()
                .is_none_or(|(comparison, wanted)| comparison.holds(version, wanted))
    }

    /// Whether one of these offers is what is asked for. One without a version
    /// only is where none is asked for.
    #[must_use]
    pub fn is_provided(&self, provisions: &[Provision]) -> bool {
        provisions.iter().any(|provision| {
            self.name == provision.name
                && match (&self.version, &provision.version) {
                    (None, _) => true,
                    (Some((comparison, wanted)), Some(found)) => comparison.holds(found, wanted),
                    (Some(_), None) => false,
                }
        })
    }
}

impl Provision {
    /// Reads one; every text is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Dependency { name, version, .. } = Dependency::parse(text);
        Self {
            name,
            version: match version {
                Some((Comparison::Equal, version)) => Some(version),
                _ => None,
            },
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        })
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some((comparison, version)) = &self.version {
            write!(f, "{comparison}{version}")?;
        }
        match &self.description {
            Some(description) => write!(f, ": {description}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Provision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}={version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_and_shown() {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
        for (text, name, version, description) in [
            ("glibc", "glibc", None, None),
            ("a=1:2-3", "a", Some((Equal, "1:2-3")), None),
            ("a<2", "a", Some((Less, "2")), None),
            ("a<=2", "a", Some((LessOrEqual, "2")), None),
            ("a>2", "a", Some((Greater, "2")), None),
            ("a>=2", "a", Some((GreaterOrEqual, "2")), None),
            ("libx.so=1-64", "libx.so", Some((Equal, "1-64")), None),
            ("a=", "a", Some((Equal, "")), None),
            (
                "a>=1:2: for b",
                "a",
                Some((GreaterOrEqual, "1:2")),
                Some("for b"),
            ),
            ("a: <b> = c", "a", None, Some("<b> = c")),
            // `<` is looked for first, wherever it stands.
            ("a=1<2", "a=1", Some((Less, "2")), None),
            ("", "", None, None),
        ] {
            let read = Dependency::parse(text);
            let found = read.version.as_ref().map(|(c, v)| (*c, v.as_str()));
            assert_eq!((read.name.as_str(), found), (name, version), "{text}");
            assert_eq!(read.description.as_deref(), description, "{text}");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn provisions_only_have_the_versions_that_they_equal() {
        let provisions: Vec<_> = ["a=2-1", "b", "c>=1"].map(Provision::parse).into();
        assert_eq!(provisions[0].to_string(), "a=2-1");
        assert_eq!(provisions[1].to_string(), "b");
        for (dependency, expected) in [
            ("a", true),
            ("a=2", true),
            ("a>=2-2", false),
            ("a<3", true),
            ("b", true),
            ("b=1", false),
            ("b>=0", false),
            ("c", true),
            ("c>=1", false),
            ("d", false),
        ] {
            let met = Dependency::parse(dependency).is_provided(&provisions);
            assert_eq!(met, expected, "{dependency}");
        }
        let asked = Dependency::parse("x>1");
        assert!(asked.is_met_literally("x", "1.1-1"));
        assert!(!asked.is_met_literally("x", "1-2"));
        assert!(!asked.is_met_literally("y", "2"));
    }
}
