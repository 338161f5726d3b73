//! Relative paths that cannot leave the folder they are joined to.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest path that is accepted, in bytes (the kernel's `PATH_MAX`, less one).
pub const PATH_MAX: usize = 4095;

/// A UTF-8 path without a leading `/`, `.`, `..`, empty parts or NUL.
///
/// Symbolic links are another matter: what is resolved beneath a root goes
/// through [`crate::place`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A text that is not such a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a relative path without '.', '..' and empty parts")]
pub struct InvalidPath(String);

impl RelativePath {
    /// The path as text, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path beneath `root`, lexically.
    #[must_use]
    pub fn beneath(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

impl FromStr for RelativePath {
    type Err = InvalidPath;
    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let bad = text.is_empty()
            || text.len() > PATH_MAX
            || text.contains('\0')
            || text
                .split('/')
                .any(|part| part.is_empty() || part == "." || part == "..");
        if bad {
            return Err(InvalidPath(text.chars().take(200).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RelativePath {
    type Error = InvalidPath;
    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> Self {
        path.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl schemars::JsonSchema for RelativePath {
    fn schema_name() -> Cow<'static, str> {
        "RelativePath".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": PATH_MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_inside_pass() {
        assert!(
            "pool/main/a/apt/apt_2.6.1_amd64.deb"
                .parse::<RelativePath>()
                .is_ok()
        );
        for text in ["", "/etc", "a//b", "a/../b", "..", "./a", "a/", "a\0b"] {
            assert!(text.parse::<RelativePath>().is_err(), "{text:?}");
        }
    }
}
