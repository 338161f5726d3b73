//! Reads a recipe and what it includes. The only part of the recipe that
//! touches a disk, together with [`super::source`].
//!
//! A file that is included twice counts once, where it came first. A cycle is
//! an error.

use super::document::{Documents, Table, parse, position_in};
use super::error::{INCLUDE_MAX, RECIPE_MAX, RecipeError};
use super::name::SourcePath;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeValue;

/// The key that names further files.
pub(super) const KEY: &str = "include";

/// The texts of the recipe at `path`: what it includes first, itself last.
pub(super) fn read(path: &Path) -> Result<Documents, RecipeError> {
    let text = read_text(path).map_err(|failure| failure.of(path))?;
    let mut reading = Reading {
        documents: Documents::default(),
        seen: vec![identity(path)],
        stack: vec![identity(path)],
    };
    reading.take(path, text)?;
    Ok(reading.documents)
}

struct Reading {
    documents: Documents,
    /// What was begun, by its real path.
    seen: Vec<PathBuf>,
    /// What is not finished yet.
    stack: Vec<PathBuf>,
}

impl Reading {
    fn take(&mut self, file: &Path, text: String) -> Result<(), RecipeError> {
        for (offset, included) in includes(file, &text)? {
            let wrong = |message: String| RecipeError::Wrong {
                at: position_in(file, &text, offset),
                message,
            };
            let path = file
                .parent()
                .unwrap_or(Path::new(""))
                .join(included.as_path());
            let real = identity(&path);
            if self.stack.contains(&real) {
                return Err(wrong(format!("{} includes itself", path.display())));
            }
            if self.seen.contains(&real) {
                continue;
            }
            if self.seen.len() > INCLUDE_MAX {
                return Err(wrong(format!("more than {INCLUDE_MAX} files are included")));
            }
            let content = read_text(&path).map_err(|failure| match failure {
                Failure::Io(source) => RecipeError::Source {
                    at: position_in(file, &text, offset),
                    path: path.clone(),
                    source,
                },
                Failure::NotText(why) => wrong(format!("{} is no recipe: {why}", path.display())),
            })?;
            self.seen.push(real.clone());
            self.stack.push(real);
            self.take(&path, content)?;
            self.stack.pop();
        }
        self.documents.add(file, text);
        Ok(())
    }
}

/// What a text includes, each with the offset where it says so.
fn includes(file: &Path, text: &str) -> Result<Vec<(usize, SourcePath)>, RecipeError> {
    let table = parse(file, text)?;
    let Some(value) = listed(&table) else {
        return Ok(Vec::new());
    };
    let wrong = |offset, message: String| RecipeError::Wrong {
        at: position_in(file, text, offset),
        message,
    };
    let not_a_list = "include is a list of files, such as [\"base.toml\"]";
    let DeValue::Array(list) = value.get_ref() else {
        return Err(wrong(value.span().start, not_a_list.to_owned()));
    };
    let mut found = Vec::new();
    for item in list.iter() {
        let offset = item.span().start;
        let DeValue::String(name) = item.get_ref() else {
            return Err(wrong(offset, not_a_list.to_owned()));
        };
        let path = name
            .parse()
            .map_err(|error| wrong(offset, format!("{error}")))?;
        found.push((offset, path));
    }
    Ok(found)
}

/// The value of `include`, if there is one.
pub(super) fn listed<'a, 't>(table: &'a Spanned<Table<'t>>) -> Option<&'a Spanned<DeValue<'t>>> {
    table.get_ref().get(KEY)
}

enum Failure {
    Io(io::Error),
    NotText(&'static str),
}

impl Failure {
    fn of(self, path: &Path) -> RecipeError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => RecipeError::Read { path, source },
            Self::NotText(why) => RecipeError::NotARecipe { path, why },
        }
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(RECIPE_MAX + 1).read_to_end(&mut bytes))
        .map_err(Failure::Io)?;
    if bytes.len() as u64 > RECIPE_MAX {
        return Err(Failure::NotText("it is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| Failure::NotText("it is not UTF-8 text"))
}

/// What tells two files apart: the real path, or if there is none the path.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
