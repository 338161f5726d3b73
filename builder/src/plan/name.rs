//! Names of packages, as a type: they become file names.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Longest name that is accepted, in bytes. Debian's longest has 74.
const NAME_MAX: usize = 200;

/// The name of a package: letters, digits, `+`, `-`, `.`, `_` and `@`, not
/// beginning with `-` or `.`. That takes in the names of Debian, Arch and RPM.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

/// A text that is not the name of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a package")]
pub struct InvalidPackageName(String);

impl PackageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageName {
    type Err = InvalidPackageName;
    fn from_str(text: &str) -> Result<Self, InvalidPackageName> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"+-._@".contains(&b);
        if text.is_empty()
            || text.len() > NAME_MAX
            || text.starts_with(['-', '.'])
            || !text.bytes().all(known)
        {
            return Err(InvalidPackageName(text.chars().take(100).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PackageName {
    type Error = InvalidPackageName;
    fn try_from(text: String) -> Result<Self, InvalidPackageName> {
        text.parse()
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.0
    }
}

impl Deref for PackageName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_as_a_file_name_passes() {
        for text in ["g++", "libc6", "0ad", "libstdc++6", "lib32-x_y", "a.b"] {
            assert!(text.parse::<PackageName>().is_ok(), "{text}");
        }
        for text in [
            "", ".", "..", ".a", "-a", "a/b", "a b", "a\0", "a:amd64", "ä",
        ] {
            assert!(text.parse::<PackageName>().is_err(), "{text:?}");
        }
    }
}
