//! What is wrong with a recipe, where, and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Largest recipe file that is read, in bytes.
pub const RECIPE_MAX: u64 = 1 << 20;

/// Most files that one recipe includes, directly or not.
pub const INCLUDE_MAX: usize = 64;

/// A place in a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The recipe itself cannot be read.
    #[error("cannot read the recipe {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The recipe itself is too large, or not text.
    #[error("{path} is no recipe: {why}")]
    NotARecipe {
        /// Which.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// Something in it is wrong.
    #[error("{at}: {message}")]
    Wrong {
        /// Where.
        at: Position,
        /// What, and what is allowed.
        message: String,
    },
    /// Something that it refers to cannot be read.
    #[error("{at}: cannot read {path}")]
    Source {
        /// Where it is referred to.
        at: Position,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What serde says of a value, as a user of recipes would put it.
pub(super) fn explain(message: &str, top_level: &[&str]) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field `") {
        let (key, allowed) = quoted.split_first().map_or(("", &[][..]), |(k, a)| (*k, a));
        return unknown_key(key, allowed, top_level);
    }
    if message.starts_with("unknown variant `") {
        let (word, allowed) = quoted.split_first().map_or(("", &[][..]), |(w, a)| (*w, a));
        let hint = match nearest(word, allowed) {
            Some(near) => format!("did you mean {near:?}? Allowed"),
            None => "allowed".to_owned(),
        };
        return format!("{word:?} is not known here; {hint} are {}", listed(allowed));
    }
    if message.starts_with("missing field `") {
        return format!("the key {:?} is missing", quoted.first().unwrap_or(&""));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        return format!("wrong kind of value: {}", rest.replace('`', ""));
    }
    // The crate's own messages go over several lines at times.
    message.trim().replace('\n', ", ")
}

fn unknown_key(key: &str, allowed: &[&str], top_level: &[&str]) -> String {
    // In TOML, what follows a [table] belongs to it.
    if top_level.contains(&key) {
        return format!(
            "unknown key {key:?} in this table; it belongs to the top level, above the first [table]"
        );
    }
    match nearest(key, allowed) {
        Some(near) => format!("unknown key {key:?}; did you mean {near:?}?"),
        None if allowed.is_empty() => format!("unknown key {key:?}; this table has none"),
        None => format!("unknown key {key:?}; allowed are {}", listed(allowed)),
    }
}

fn listed(words: &[&str]) -> String {
    words.join(", ")
}

/// The word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let scored = allowed.iter().map(|a| (strsim::jaro_winkler(word, a), *a));
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, a)| a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_serde_are_put_in_a_users_words() {
        for (message, wanted) in [
            (
                "unknown field `packges`, expected one of `name`, `packages`",
                "unknown key \"packges\"; did you mean \"packages\"?",
            ),
            (
                "unknown field `zzz`, expected `a` or `b`",
                "unknown key \"zzz\"; allowed are a, b",
            ),
            (
                "unknown field `hostname`, expected `ssh_keys`",
                "unknown key \"hostname\" in this table; it belongs to the top level, above the first [table]",
            ),
            (
                "unknown variant `minbas`, expected one of `essential`, `minbase`",
                "\"minbas\" is not known here; did you mean \"minbase\"? Allowed are essential, minbase",
            ),
            ("missing field `name`", "the key \"name\" is missing"),
            (
                "invalid type: integer `5`, expected a string",
                "wrong kind of value: integer 5, expected a string",
            ),
        ] {
            assert_eq!(explain(message, &["hostname"]), wanted);
        }
    }
}
