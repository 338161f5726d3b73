//! Moves staged packages into the tree, one after another, with dpkg's rules
//! for what is there already.
//!
//! A directory that the tree does not have yet is moved with everything in it,
//! so that most files cost no system call here. The order is the caller's and
//! nobody else touches the tree meanwhile: the result depends on nothing else.

use super::alias::{Alias, resolve};
use super::error::{UnpackError, shown};
use super::stage::{Attributes, Item, Kind, Listing};
use crate::beneath::{self, ancestors};
use crate::debian::control::Control;
use crate::debian::diversions::Diversions;
use crate::debian::relation;
use hatchery_image::place::{Entry, Node, Root};
use rustix::fs::{AtFlags, FileType, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

/// What is known of a path on disk.
#[derive(Clone, Debug)]
enum Known {
    /// A directory, which an earlier package brought or which was there.
    Directory,
    /// Made beforehand; the first package that has it decides its attributes.
    Skeleton,
    /// Something else of this package.
    Owned(usize),
}

/// A package to merge.
pub(super) struct Staged<'s> {
    pub(super) index: usize,
    pub(super) control: &'s Control,
    pub(super) listing: &'s Listing,
}

/// A path on disk that a package brought and another one has.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Lost {
    pub(super) package: usize,
    pub(super) path: Vec<u8>,
}

/// What is in the tree so far.
#[derive(Debug)]
pub(super) struct Merger {
    aliases: Vec<Alias>,
    known: HashMap<Box<[u8]>, Known>,
    /// Names of the packages, and what they replace, for decisions.
    packages: HashMap<usize, (String, String, String)>,
    /// Targets of links, which packages may share.
    links: HashMap<Box<[u8]>, Vec<u8>>,
    /// Directories whose attributes are still to be set.
    fresh: Vec<(Vec<u8>, Attributes)>,
    lost: Vec<Lost>,
}

impl Merger {
    /// For a tree that holds nothing but the aliases and these directories.
    pub(super) fn new(aliases: Vec<Alias>, skeleton: impl Iterator<Item = String>) -> Self {
        let mut known: HashMap<Box<[u8]>, Known> = skeleton
            .map(|path| (path.into_bytes().into(), Known::Skeleton))
            .collect();
        for alias in &aliases {
            known.insert(alias.link.as_bytes().into(), Known::Directory);
        }
        known.insert(b"".as_slice().into(), Known::Skeleton);
        Self {
            aliases,
            known,
            packages: HashMap::new(),
            links: HashMap::new(),
            fresh: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// Where a path lies that a package calls `own`.
    pub(super) fn on_disk(&self, own: &[u8], package: &str, diversions: &Diversions) -> Vec<u8> {
        let diverted = diversions.target(own, package);
        resolve(&self.aliases, diverted.unwrap_or(own)).into_owned()
    }

    /// Moves a package from the folder that it is staged in into the tree.
    pub(super) fn merge(
        &mut self,
        staged: &Staged<'_>,
        folder: &Root,
        diversions: &Diversions,
        root: &Root,
    ) -> Result<(), UnpackError> {
        let control = staged.control;
        let text = |s: &str| s.to_owned();
        let replaces = control.field("Replaces").unwrap_or_default();
        let about = (
            text(control.package()),
            text(control.version()),
            text(replaces),
        );
        self.packages.insert(staged.index, about);
        let mut moving = Moving {
            merger: self,
            staged,
            folder,
            diversions,
            root,
            whole: HashSet::new(),
            parents: None,
        };
        let diverts = staged
            .listing
            .items
            .iter()
            .any(|item| diversions.target(&item.own, control.package()).is_some());
        for item in &staged.listing.items {
            moving.item(item, !diverts)?;
        }
        Ok(())
    }

    /// Sets the attributes of the directories that came since the last time.
    pub(super) fn finish_directories(&mut self, root: &Root) -> Result<(), UnpackError> {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by(|a, b| a.0.cmp(&b.0));
        let entries: Vec<Entry<'_>> = fresh
            .iter()
            .map(|(path, attributes)| entry(path, Node::Directory, *attributes))
            .collect();
        root.finish_directories(&entries)
            .map_err(UnpackError::Finish)
    }

    /// Paths that were taken from packages since the last time.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// The package that has a path on disk, unless it is a directory.
    pub(super) fn owner(&self, path: &[u8]) -> Option<usize> {
        match self.known.get(path) {
            Some(Known::Owned(index)) => Some(*index),
            _ => None,
        }
    }

    /// Whether some package has a path on disk.
    pub(super) fn knows(&self, path: &[u8]) -> bool {
        self.known.contains_key(path)
    }

    /// A package's file was moved.
    pub(super) fn moved(&mut self, from: &[u8], to: &[u8]) {
        if let Some(known) = self.known.remove(from) {
            self.known.insert(to.into(), known);
        }
    }

    /// Whether package `a` says that it replaces files of package `b`.
    fn replaces(&self, a: usize, b: usize) -> bool {
        match (self.packages.get(&a), self.packages.get(&b)) {
            (Some((_, _, field)), Some((name, version, _))) => {
                relation::names(field, name, version)
            }
            _ => false,
        }
    }

    fn name(&self, index: usize) -> String {
        let package = self.packages.get(&index);
        package.map_or_else(String::new, |(name, _, _)| name.clone())
    }
}

/// Who gets a path that two packages have.
enum Decision {
    TakeOver,
    Leave,
    Share,
}

/// A package on its way into the tree.
struct Moving<'m, 's> {
    merger: &'m mut Merger,
    staged: &'m Staged<'s>,
    folder: &'m Root,
    diversions: &'m Diversions,
    root: &'m Root,
    /// Directories, as the package says them, that were moved whole.
    whole: HashSet<Vec<u8>>,
    /// The handles of the directory that the last entry was moved from and to.
    parents: Option<(Vec<u8>, Vec<u8>, OwnedFd, OwnedFd)>,
}

impl Moving<'_, '_> {
    fn item(&mut self, item: &Item, may_move_whole: bool) -> Result<(), UnpackError> {
        let package = self.staged.control.package();
        let path = self.merger.on_disk(&item.own, package, self.diversions);
        let has_moved = ancestors(&item.own).any(|a| self.whole.contains(a));
        match &item.kind {
            Kind::Directory if has_moved => {
                self.note_directory(path, item.attributes);
                Ok(())
            }
            Kind::Directory => self.directory(item, path, may_move_whole),
            _ if has_moved => {
                self.own(item, path);
                Ok(())
            }
            _ => self.file(item, path),
        }
    }

    fn note_directory(&mut self, path: Vec<u8>, attributes: Attributes) {
        self.merger
            .known
            .insert(path.as_slice().into(), Known::Directory);
        self.merger.fresh.push((path, attributes));
    }

    fn directory(
        &mut self,
        item: &Item,
        path: Vec<u8>,
        may_move_whole: bool,
    ) -> Result<(), UnpackError> {
        match self.merger.known.get(path.as_slice()) {
            Some(Known::Directory) => return Ok(()),
            Some(Known::Skeleton) => {
                self.note_directory(path, item.attributes);
                return Ok(());
            }
            Some(Known::Owned(_)) | None => {}
        }
        if may_move_whole && self.rename(&item.own, &path, RenameFlags::NOREPLACE)? {
            self.note_directory(path, item.attributes);
            self.whole.insert(item.own.clone());
            return Ok(());
        }
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        match beneath::open(self.root, &path, directory) {
            // A script made it, or it is a link to one: it stays as it is.
            Ok(_) => {
                let known = self.merger.known.entry(path.into());
                known.or_insert(Known::Directory);
                Ok(())
            }
            Err(Errno::NOENT) => {
                let entry = entry(&path, Node::Directory, item.attributes);
                let placed = self.root.placer().place_slice(&entry, b"");
                placed.map_err(|source| self.place_error(source))?;
                self.note_directory(path, item.attributes);
                Ok(())
            }
            Err(_) => Err(self.kind_error(&path, self.staged.index)),
        }
    }

    fn file(&mut self, item: &Item, path: Vec<u8>) -> Result<(), UnpackError> {
        match self.merger.known.get(path.as_slice()) {
            Some(Known::Owned(other)) if *other != self.staged.index => {
                match self.decide(item, &path, *other)? {
                    Decision::TakeOver => {}
                    Decision::Share => return Ok(()),
                    Decision::Leave => {
                        self.merger.lost.push(Lost {
                            package: self.staged.index,
                            path,
                        });
                        return Ok(());
                    }
                }
            }
            // As dpkg: a link gives way to a directory, a file does not.
            Some(Known::Directory | Known::Skeleton) => {
                let is_alias = self
                    .merger
                    .aliases
                    .iter()
                    .any(|a| a.link.as_bytes() == path);
                return match item.kind {
                    Kind::Link(_) if is_alias => self.move_file(item, &path),
                    Kind::Link(_) => Ok(()),
                    _ => Err(self.kind_error(&path, self.staged.index)),
                };
            }
            Some(Known::Owned(_)) | None => {}
        }
        if matches!(item.kind, Kind::Link(_)) && self.is_directory(&path) {
            return Ok(());
        }
        self.move_file(item, &path)?;
        self.own(item, path);
        Ok(())
    }

    fn own(&mut self, item: &Item, path: Vec<u8>) {
        if let Kind::Link(target) = &item.kind {
            let path = path.as_slice().into();
            self.merger.links.insert(path, target.clone());
        }
        let known = Known::Owned(self.staged.index);
        self.merger.known.insert(path.into(), known);
    }

    fn move_file(&mut self, item: &Item, path: &[u8]) -> Result<(), UnpackError> {
        let new = item.kind.suffix();
        let (from, to) = ([&item.own, new].concat(), [path, new].concat());
        if self.rename(&from, &to, RenameFlags::empty())? {
            return Ok(());
        }
        Err(self.system("move", path, Errno::EXIST))
    }

    /// Whether the path is a directory on disk, and no link.
    fn is_directory(&self, path: &[u8]) -> bool {
        beneath::open(self.root, path, OFlags::PATH | OFlags::NOFOLLOW)
            .and_then(|fd| rustix::fs::statat(&fd, "", AtFlags::EMPTY_PATH))
            .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory)
    }

    /// Who gets the path: the package that says it replaces the other's files,
    /// the later one if both say so. The same link may be in several.
    fn decide(&mut self, item: &Item, path: &[u8], other: usize) -> Result<Decision, UnpackError> {
        let own = self.staged.index;
        if self.merger.replaces(own, other) {
            self.merger.lost.push(Lost {
                package: other,
                path: path.to_vec(),
            });
            return Ok(Decision::TakeOver);
        }
        if self.merger.replaces(other, own) {
            return Ok(Decision::Leave);
        }
        if matches!(&item.kind, Kind::Link(target) if self.merger.links.get(path) == Some(target)) {
            return Ok(Decision::Share);
        }
        Err(UnpackError::Conflict {
            first: self.merger.name(other),
            second: self.merger.name(own),
            path: shown(path),
        })
    }

    /// Moves from the staging folder to the tree. False if something is there
    /// that cannot be replaced.
    fn rename(&mut self, from: &[u8], to: &[u8], flags: RenameFlags) -> Result<bool, UnpackError> {
        let ((from_parent, from_name), (to_parent, to_name)) =
            (beneath::split(from), beneath::split(to));
        let fits =
            |p: &(Vec<u8>, Vec<u8>, OwnedFd, OwnedFd)| p.0 == from_parent && p.1 == to_parent;
        if !self.parents.as_ref().is_some_and(fits) {
            let from = self.open_parent(self.folder, from_parent)?;
            let to = self.open_parent(self.root, to_parent)?;
            self.parents = Some((from_parent.to_vec(), to_parent.to_vec(), from, to));
        }
        let Some((_, _, from, to)) = &self.parents else {
            return Ok(false);
        };
        match rustix::fs::renameat_with(from, from_name, to, to_name, flags) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => Ok(false),
            Err(e) => Err(self.system("move", from_name, e)),
        }
    }

    fn open_parent(&self, root: &Root, path: &[u8]) -> Result<OwnedFd, UnpackError> {
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        match beneath::open(root, path, directory) {
            Err(Errno::NOENT) => {
                // A package without an entry for its directory.
                let attributes = Attributes {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                    mtime: 0,
                };
                let entry = entry(path, Node::Directory, attributes);
                let placed = self.root.placer().place_slice(&entry, b"");
                placed.map_err(|source| self.place_error(source))?;
                beneath::open(root, path, directory)
            }
            other => other,
        }
        .map_err(|e| self.system("open", path, e))
    }

    fn system(&self, doing: &'static str, path: &[u8], source: Errno) -> UnpackError {
        UnpackError::Merge {
            package: self.staged.control.package().to_owned(),
            doing,
            path: shown(path),
            source: source.into(),
        }
    }

    fn place_error(&self, source: hatchery_image::place::PlaceError) -> UnpackError {
        UnpackError::Place {
            package: self.staged.control.package().to_owned(),
            source,
        }
    }

    fn kind_error(&self, path: &[u8], index: usize) -> UnpackError {
        let other = match self.merger.known.get(path) {
            Some(Known::Owned(other)) => self.merger.name(*other),
            _ => "another package".to_owned(),
        };
        UnpackError::Kind {
            package: self.merger.name(index),
            other,
            path: shown(path),
        }
    }
}

fn entry<'e>(path: &'e [u8], node: Node<'e>, attributes: Attributes) -> Entry<'e> {
    Entry {
        path,
        node,
        mode: attributes.mode,
        uid: attributes.uid,
        gid: attributes.gid,
        mtime: (attributes.mtime, 0),
        xattrs: &[],
    }
}
