//! The TOML documents of a recipe, merged into one table whose values still
//! know where they were written.
//!
//! Each document takes a range of one large offset space, so that a span of
//! the merged table leads back to file, line and column.
//!
//! Merging: what a file includes comes first, in order, then the file itself.
//! Tables are merged key by key, lists are appended, and of any other two
//! values the later one wins.

use super::error::{Position, RecipeError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A table of a recipe.
pub(super) type Table<'t> = DeTable<'t>;

/// A step towards a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// Into a table.
    Key(&'a str),
    /// Into a list.
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

#[derive(Debug)]
struct Document {
    file: PathBuf,
    text: String,
    /// Where its offsets begin.
    base: usize,
}

/// The texts of a recipe, in the order in which they are merged.
#[derive(Debug, Default)]
pub(super) struct Documents {
    all: Vec<Document>,
}

impl Documents {
    /// Takes a text in, as the last one.
    pub(super) fn add(&mut self, file: &Path, text: String) {
        let base = self.all.last().map_or(0, |d| d.base + d.text.len() + 1);
        self.all.push(Document {
            file: file.to_owned(),
            text,
            base,
        });
    }

    /// Parses all and merges them.
    pub(super) fn merged(&self) -> Result<Spanned<Table<'_>>, RecipeError> {
        let mut merged = Table::new();
        let mut span = 0..0;
        for document in &self.all {
            let table = parse(&document.file, &document.text)?;
            // What the last one lacks is reported at its beginning.
            span = moved(&table, document.base);
            merge(&mut merged, moved_table(table.into_inner(), document.base));
        }
        Ok(Spanned::new(span, merged))
    }

    /// The file, line and column of an offset.
    pub(super) fn position(&self, offset: usize) -> Position {
        let document = self.document(offset);
        position_in(&document.file, &document.text, offset - document.base)
    }

    /// The folder of the file in which an offset lies.
    pub(super) fn folder(&self, offset: usize) -> &Path {
        self.document(offset).file.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn wrong(&self, offset: usize, message: impl Into<String>) -> RecipeError {
        RecipeError::Wrong {
            at: self.position(offset),
            message: message.into(),
        }
    }

    fn document(&self, offset: usize) -> &Document {
        let after = self.all.partition_point(|d| d.base <= offset);
        self.all
            .get(after.saturating_sub(1))
            .expect("a position is only asked for once a document was added")
    }
}

/// Where the value at `path` stands; if there is none, the nearest table
/// around it.
pub(super) fn offset(table: &Spanned<Table<'_>>, path: &[Step<'_>]) -> usize {
    let mut offset = table.span().start;
    let mut rest = path.iter();
    let Some(Step::Key(first)) = rest.next() else {
        return offset;
    };
    let Some(mut value) = table.get_ref().get(*first) else {
        return offset;
    };
    offset = value.span().start;
    for step in rest {
        let next = match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(*key),
            (Step::Index(index), DeValue::Array(list)) => list.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        value = next;
        offset = value.span().start;
    }
    offset
}

/// Parses one text.
pub(super) fn parse<'t>(file: &Path, text: &'t str) -> Result<Spanned<Table<'t>>, RecipeError> {
    DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        RecipeError::Wrong {
            at: position_in(file, text, offset),
            message: error.message().trim().replace('\n', ", "),
        }
    })
}

/// The line and column of an offset in a text.
pub(super) fn position_in(file: &Path, text: &str, offset: usize) -> Position {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |n| n + 1);
    let begins_character = |b: &&u8| (**b & 0xC0) != 0x80;
    Position {
        file: file.to_owned(),
        line: before.iter().filter(|b| **b == b'\n').count() + 1,
        column: before[line_start..].iter().filter(begins_character).count() + 1,
    }
}

/// Puts `later` over `earlier`.
fn merge<'t>(earlier: &mut Table<'t>, later: Table<'t>) {
    for (key, value) in later {
        match earlier.get_mut(key.get_ref().as_ref()) {
            Some(old) => merge_value(old, value),
            None => {
                earlier.insert(key, value);
            }
        }
    }
}

fn merge_value<'t>(earlier: &mut Spanned<DeValue<'t>>, later: Spanned<DeValue<'t>>) {
    let span = later.span();
    match (earlier.get_mut(), later.into_inner()) {
        (DeValue::Table(old), DeValue::Table(new)) => merge(old, new),
        (DeValue::Array(old), DeValue::Array(new)) => new.into_iter().for_each(|v| old.push(v)),
        (_, value) => *earlier = Spanned::new(span, value),
    }
}

fn moved<T>(value: &Spanned<T>, base: usize) -> Range<usize> {
    let span = value.span();
    span.start + base..span.end + base
}

fn moved_table(table: Table<'_>, base: usize) -> Table<'_> {
    let entries = table.into_iter().map(|(key, value)| {
        let span = moved(&key, base);
        (
            Spanned::new(span, key.into_inner()),
            moved_value(value, base),
        )
    });
    entries.collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, base: usize) -> Spanned<DeValue<'_>> {
    let span = moved(&value, base);
    let inner = match value.into_inner() {
        DeValue::Array(list) => {
            let mut values = DeArray::new();
            list.into_iter()
                .for_each(|v| values.push(moved_value(v, base)));
            DeValue::Array(values)
        }
        DeValue::Table(table) => DeValue::Table(moved_table(table, base)),
        other => other,
    };
    Spanned::new(span, inner)
}
