//! All packages of all repositories, and what satisfies what.
//!
//! One version a name is the candidate, as with apt: that of the highest
//! priority, then the highest version, then the first repository. Packages
//! are read from their index when they are first looked at.

use super::dependency::{self, Group, Operator, Relation};
use super::index::{COLUMNS, Column, Index, Row};
use super::release::Priority;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

/// Position of a package: which index, which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) index: usize,
    pub(crate) row: Row,
}

/// An index with where it comes from.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) index: Index,
    /// Index into the plan's repositories.
    pub(crate) repository: usize,
    pub(crate) priority: Priority,
}

/// Multi-Arch, as far as it matters within one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MultiArch {
    Allowed,
    Other,
}

/// One package, read.
#[derive(Debug)]
pub(crate) struct Package<'u> {
    pub(crate) id: Id,
    pub(crate) name: &'u str,
    pub(crate) version: &'u str,
    pub(crate) essential: bool,
    pub(crate) important: bool,
    pub(crate) multi_arch: MultiArch,
    pub(crate) priority: &'u str,
    /// Pre-Depends, then Depends, as apt goes through them.
    pub(crate) depends: Vec<Group<'u>>,
    pub(crate) recommends: Vec<Group<'u>>,
    /// Conflicts, then Breaks.
    pub(crate) conflicts: Vec<Relation<'u>>,
    pub(crate) provides: Vec<Relation<'u>>,
    /// A field that could not be read: the package cannot be installed.
    pub(crate) broken: Option<String>,
}

/// All packages.
#[derive(Debug)]
pub(crate) struct Universe<'u> {
    parts: &'u [Part],
    architecture: &'u str,
    /// Versions that were asked for by name, instead of the candidate.
    picked: HashMap<String, Id>,
    read: RefCell<HashMap<Id, Rc<Package<'u>>>>,
    sorted: RefCell<HashMap<&'u str, Rc<Vec<Id>>>>,
}

impl<'u> Universe<'u> {
    pub(crate) fn new(parts: &'u [Part], architecture: &'u str) -> Self {
        Self {
            parts,
            architecture,
            picked: HashMap::new(),
            read: RefCell::default(),
            sorted: RefCell::default(),
        }
    }

    pub(crate) fn part(&self, id: Id) -> &'u Part {
        &self.parts[id.index]
    }

    pub(crate) fn columns(&self, id: Id) -> [&'u str; COLUMNS] {
        self.part(id).index.columns(id.row)
    }

    /// All packages, in the order of the indexes.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| (0..part.index.len()).map(move |row| Id { index, row }))
    }

    /// All names of packages, some more than once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'u str> {
        self.parts.iter().flat_map(|part| part.index.names())
    }

    /// Makes this version of its package the candidate.
    pub(crate) fn pick(&mut self, id: Id) {
        let name = self.part(id).index.name(id.row).to_owned();
        self.picked.insert(name, id);
    }

    /// Whether exactly this version was asked for.
    pub(crate) fn is_picked(&self, id: Id) -> bool {
        self.picked.values().any(|picked| *picked == id)
    }

    /// All versions of a name, the preferred one first.
    pub(crate) fn versions(&self, name: &str) -> Rc<Vec<Id>> {
        if let Some(known) = self.sorted.borrow().get(name) {
            return Rc::clone(known);
        }
        let mut ids: Vec<Id> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            ids.extend(
                part.index
                    .named(name)
                    .iter()
                    .map(|row| Id { index, row: *row }),
            );
        }
        ids.sort_by(|a, b| {
            let version = |id: &Id| self.columns(*id)[Column::Version as usize];
            let priority = |id: &Id| Reverse(self.part(*id).priority);
            priority(a)
                .cmp(&priority(b))
                .then_with(|| dependency::compare(version(b), version(a)))
                .then(a.cmp(b))
        });
        let ids = Rc::new(ids);
        if let Some(first) = ids.first() {
            let name = self.part(*first).index.name(first.row);
            self.sorted.borrow_mut().insert(name, Rc::clone(&ids));
        }
        ids
    }

    /// The version of a name that is installed, if any is.
    pub(crate) fn candidate(&self, name: &str) -> Option<Id> {
        let picked = self.picked.get(name).copied();
        picked.or_else(|| self.versions(name).first().copied())
    }

    /// Whether this is the candidate of its name.
    pub(crate) fn is_candidate(&self, id: Id) -> bool {
        self.candidate(self.part(id).index.name(id.row)) == Some(id)
    }

    /// All packages (not only candidates) that provide a name.
    pub(crate) fn providers(&self, name: &str) -> Vec<Id> {
        let mut ids: Vec<Id> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            ids.extend(part.index.providers(name).map(|(row, _)| Id { index, row }));
        }
        ids
    }

    /// All packages that satisfy a relation, in no particular order.
    pub(crate) fn satisfying(&self, relation: &Relation<'_>) -> Vec<Id> {
        let mut ids = self.versions(relation.name).as_ref().clone();
        ids.extend(self.providers(relation.name));
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.satisfies(*id, relation));
        ids
    }

    /// Whether a package is, or provides, what is asked for.
    pub(crate) fn satisfies(&self, id: Id, relation: &Relation<'_>) -> bool {
        let package = self.package(id);
        let qualified = match relation.qualifier {
            None | Some("native") => true,
            Some("any") => package.multi_arch == MultiArch::Allowed,
            Some(architecture) => architecture == self.architecture,
        };
        if !qualified {
            return false;
        }
        if package.name == relation.name && holds(Some(package.version), relation) {
            return true;
        }
        package.provides.iter().any(|provided| {
            let version = provided.version.map(|(_, version)| version);
            provided.name == relation.name && holds(version, relation)
        })
    }

    /// Where a name is first mentioned: apt's last resort.
    pub(crate) fn first_mention(&self, name: &str) -> Option<(usize, usize)> {
        self.parts
            .iter()
            .enumerate()
            .find_map(|(i, part)| Some((i, part.index.first_mention(name)?)))
    }

    /// A package, read.
    pub(crate) fn package(&self, id: Id) -> Rc<Package<'u>> {
        if let Some(known) = self.read.borrow().get(&id) {
            return Rc::clone(known);
        }
        let package = Rc::new(read(id, self.columns(id)));
        self.read.borrow_mut().insert(id, Rc::clone(&package));
        package
    }
}

/// Whether a version is the one that is asked for; what says no version only
/// satisfies what asks for none.
fn holds(version: Option<&str>, relation: &Relation<'_>) -> bool {
    match (relation.version, version) {
        (None, _) => true,
        (Some((operator, wanted)), Some(found)) => operator.holds(found, wanted),
        (Some(_), None) => false,
    }
}

fn read<'u>(id: Id, columns: [&'u str; COLUMNS]) -> Package<'u> {
    let get = |column: Column| columns[column as usize];
    let mut broken = None;
    let mut groups = |column: Column| {
        dependency::parse(get(column)).unwrap_or_else(|error| {
            broken.get_or_insert(error.to_string());
            Vec::new()
        })
    };
    let mut depends = groups(Column::PreDepends);
    depends.extend(groups(Column::Depends));
    let mut conflicts: Vec<_> = groups(Column::Conflicts).into_iter().flatten().collect();
    conflicts.extend(groups(Column::Breaks).into_iter().flatten());
    let mut provides: Vec<_> = groups(Column::Provides).into_iter().flatten().collect();
    // Only an exact version can be provided.
    provides.retain(|p| {
        p.version
            .is_none_or(|(operator, _)| operator == Operator::Equal)
    });
    let recommends = groups(Column::Recommends);
    let flags = get(Column::Flags);
    Package {
        id,
        name: get(Column::Name),
        version: get(Column::Version),
        essential: flags.contains('e'),
        important: flags.contains('i'),
        multi_arch: if flags.contains('a') {
            MultiArch::Allowed
        } else {
            MultiArch::Other
        },
        priority: get(Column::Priority),
        depends,
        recommends,
        conflicts,
        provides,
        broken,
    }
}
