//! The packages of one index (`Packages`), condensed to what resolving needs.
//!
//! A `Packages` file of Debian has 57 MB and takes a second to decompress and
//! read. What resolving needs of it is half as much text, is read in a
//! fraction of the time, and is parsed no further than a package at a time:
//! one line a package with its fields between tabs, in the order of the
//! index, then the lines' numbers sorted by name, then what is provided,
//! sorted. [`condense`] makes that text, [`store`] keeps it, [`Index`] looks
//! things up in it.

mod condense;
mod store;

pub use condense::IndexError;
pub(crate) use condense::{condense, path};
pub(crate) use store::Store;

use std::ops::Range;

/// Most packages that one index may hold. Debian's main has 69,000.
pub(crate) const PACKAGES_MAX: usize = 1_000_000;

/// Columns of a line, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    Version,
    Architecture,
    /// `e` essential, `i` important; `s`, `f` or `a` for Multi-Arch.
    Flags,
    Priority,
    Size,
    /// In KiB, as the field says.
    InstalledSize,
    Sha256,
    Path,
    Source,
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
    Replaces,
    Enhances,
    Provides,
}

/// How many columns there are.
pub(crate) const COLUMNS: usize = Column::Provides as usize + 1;

/// Position of a package in its index.
pub(crate) type Row = u32;

/// A condensed index.
#[derive(Debug)]
pub(crate) struct Index {
    text: String,
    /// Where each package's line begins; one more marks the end.
    rows: Vec<u32>,
    /// Rows sorted by name, then in the order of the index.
    by_name: Vec<Row>,
    /// Where each line of what is provided begins; one more marks the end.
    provides: Vec<u32>,
}

/// A condensed text that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the condensed index is damaged")]
pub(crate) struct Damaged;

impl Index {
    /// Takes a condensed text.
    pub(crate) fn new(text: String) -> Result<Self, Damaged> {
        if u32::try_from(text.len()).is_err() {
            return Err(Damaged);
        }
        let (header, _) = text.split_once('\n').ok_or(Damaged)?;
        let counts: Vec<usize> = header
            .split(' ')
            .map(|word| word.parse().map_err(|_| Damaged))
            .collect::<Result<_, _>>()?;
        let &[packages, provided] = counts.as_slice() else {
            return Err(Damaged);
        };
        let mut begins = begins(&text, header.len() + 1, 2 * packages + provided)?;
        let provides = begins.split_off(2 * packages);
        let names = begins.split_off(packages);
        let mut rows = begins;
        rows.push(*names.first().or(provides.first()).ok_or(Damaged)?);
        let by_name = names
            .iter()
            .map(|at| number(&text, *at as usize, packages))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text,
            rows,
            by_name,
            provides,
        })
    }

    /// The text, to be kept.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many packages there are.
    pub(crate) fn len(&self) -> Row {
        Row::try_from(self.rows.len() - 1).expect("offsets are 32 bits wide")
    }

    /// A package's columns.
    pub(crate) fn columns(&self, row: Row) -> [&str; COLUMNS] {
        let mut columns = [""; COLUMNS];
        let line = self.line(&self.rows, row as usize);
        for (column, text) in columns.iter_mut().zip(line.split('\t')) {
            *column = text;
        }
        columns
    }

    /// A package's flags and priority.
    pub(crate) fn rank(&self, row: Row) -> [&str; 2] {
        let line = self.line(&self.rows, row as usize);
        let mut columns = line.splitn(6, '\t').skip(Column::Flags as usize);
        [(); 2].map(|()| columns.next().unwrap_or(""))
    }

    /// A package's name.
    pub(crate) fn name(&self, row: Row) -> &str {
        first(self.line(&self.rows, row as usize))
    }

    /// The packages of this name.
    pub(crate) fn named(&self, name: &str) -> &[Row] {
        let begin = self.by_name.partition_point(|row| self.name(*row) < name);
        let length = self.by_name[begin..].partition_point(|row| self.name(*row) == name);
        &self.by_name[begin..begin + length]
    }

    /// The packages that provide this name, and the version that they say.
    pub(crate) fn providers(&self, name: &str) -> impl Iterator<Item = (Row, Option<&str>)> {
        let lines = self.provided(name);
        lines.filter_map(|i| {
            let mut words = self.line(&self.provides, i).split('\t').skip(1);
            let version = words.next()?;
            let row = words.next()?.parse().ok()?;
            let known = row < self.len();
            known.then_some((row, Some(version).filter(|v| !v.is_empty())))
        })
    }

    fn provided(&self, name: &str) -> Range<usize> {
        let count = self.provides.len() - 1;
        let at = |i: &u32| first(&self.text[*i as usize..]);
        let begin = self.provides[..count].partition_point(|i| at(i) < name);
        let length = self.provides[begin..count].partition_point(|i| at(i) == name);
        begin..begin + length
    }

    /// All names of packages, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().map(|row| self.name(*row))
    }

    /// Where a name is first said as a word, in whatever field: apt numbers
    /// packages in that order, and its last resort between two providers is
    /// that number.
    pub(crate) fn first_mention(&self, name: &str) -> Option<usize> {
        let end = *self.rows.last()? as usize;
        let lines = self.text.get(..end)?;
        let part = |b: &u8| b.is_ascii_alphanumeric() || b"+-._".contains(b);
        lines.match_indices(name).map(|(at, _)| at).find(|at| {
            let (before, after) = (
                &lines.as_bytes()[..*at],
                &lines.as_bytes()[at + name.len()..],
            );
            if before.last().is_some_and(part) || after.first().is_some_and(part) {
                return false;
            }
            // Only names and relations count, not paths and versions.
            let columns = before.iter().rev().take_while(|b| **b != b'\n');
            let column = columns.filter(|b| **b == b'\t').count();
            column == Column::Name as usize || column >= Column::PreDepends as usize
        })
    }

    fn line(&self, begins: &[u32], index: usize) -> &str {
        let (begin, end) = (begins[index] as usize, begins[index + 1] as usize);
        &self.text[begin..end - 1]
    }
}

/// Where `lines` lines after `from` begin, and where the last one ends.
fn begins(text: &str, from: usize, lines: usize) -> Result<Vec<u32>, Damaged> {
    if lines > text.len() {
        return Err(Damaged);
    }
    let mut begins = Vec::with_capacity(lines + 1);
    let mut at = from;
    begins.push(offset(at)?);
    for _ in 0..lines {
        at += text[at..].find('\n').ok_or(Damaged)? + 1;
        begins.push(offset(at)?);
    }
    if at == text.len() {
        Ok(begins)
    } else {
        Err(Damaged)
    }
}

fn offset(at: usize) -> Result<u32, Damaged> {
    u32::try_from(at).map_err(|_| Damaged)
}

fn number(text: &str, at: usize, below: usize) -> Result<Row, Damaged> {
    let line = text[at..].split('\n').next().ok_or(Damaged)?;
    let row: Row = line.parse().map_err(|_| Damaged)?;
    if (row as usize) < below {
        Ok(row)
    } else {
        Err(Damaged)
    }
}

fn first(line: &str) -> &str {
    line.split(['\t', '\n']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: b\nVersion: 2\nArchitecture: amd64\nMulti-Arch: foreign\n\
        Essential: yes\nPriority: required\nSize: 10\nInstalled-Size: 20\nFilename: pool/b.deb\n\
        SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
        Depends: a (>= 1),\n c | d\nProvides: x (= 3), y\nTag: t\n\nPackage: a\nVersion: 1\n\
        Architecture: all\nSize: 1\nFilename: pool/a.deb\nProvides: y\n\
        SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

    #[test]
    fn an_index_is_condensed_and_read() {
        let index = Index::new(condense(TEXT.as_bytes(), "amd64").unwrap().text).unwrap();
        assert_eq!(index.len(), 2);
        assert_eq!(index.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(index.named("b"), [0]);
        assert_eq!(index.named("a"), [1]);
        assert!(index.named("c").is_empty());
        let columns = index.columns(0);
        assert_eq!(columns[Column::Depends as usize], "a (>= 1), c | d");
        assert_eq!(columns[Column::Flags as usize], "ef");
        assert_eq!(columns[Column::Priority as usize], "required");
        let y: Vec<_> = index.providers("y").collect();
        assert_eq!(y, [(0, None), (1, None)]);
        assert_eq!(index.providers("x").collect::<Vec<_>>(), [(0, Some("3"))]);
        assert_eq!(index.providers("z").count(), 0);
        assert!(index.first_mention("a") < index.first_mention("c"));
        assert_eq!(index.first_mention("pool/nothing"), None);
    }

    #[test]
    fn an_empty_index_is_one() {
        let index = Index::new(condense(&b""[..], "amd64").unwrap().text).unwrap();
        assert_eq!(index.len(), 0);
        assert!(index.named("a").is_empty());
        assert_eq!(index.providers("a").count(), 0);
    }

    #[test]
    fn damaged_texts_are_refused_without_a_panic() {
        let good = condense(TEXT.as_bytes(), "amd64").unwrap().text;
        for end in 0..good.len() {
            assert!(Index::new(good[..end].to_owned()).is_err(), "{end}");
        }
        for bad in [
            "",
            "\n",
            "1\n",
            "99999999999 0\n",
            "1 0\na\n7\n",
            "1 0\na\nx\n",
        ] {
            assert!(Index::new(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
