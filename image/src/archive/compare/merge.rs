//! The walk beside the listing: both are in the order of the archive, so
//! whichever is behind is missing in the other.

use super::super::ArchiveError;
use super::super::entries::Kind;
use super::super::listing::{Listed, Listing};
use super::super::walk::{Found, Walk};
use super::super::xattrs;
use super::aspects::{of_stat, of_xattrs, shift, type_in, type_of};
use super::contents::{Digesting, Job};
use super::{Aspect, Change, CompareOptions, Compared, Type, file};
use crate::progress::Running;
use rustix::fs::{FileType, Stat};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd as _;

/// Where the comparison is.
pub(super) struct Merge<'a> {
    walk: Walk,
    listing: Listing<'a>,
    options: &'a CompareOptions,
    digesting: Digesting,
    running: &'a Running,
    compared: Compared,
    /// Device and inode of files that have several names.
    links: HashMap<Vec<u8>, (u64, u64)>,
    /// The next entry of the listing, and its place in the order.
    next: Option<(Vec<u8>, Listed)>,
    /// The directory that was added or is missing as a whole.
    added: Option<Vec<u8>>,
    missing: Option<Vec<u8>>,
}

/// Where a path stands in the order: a directory's ends in `/`.
fn place(path: &[u8], is_directory: bool) -> Vec<u8> {
    let mut place = path.to_vec();
    if is_directory && !path.is_empty() {
        place.push(b'/');
    }
    place
}

/// Whether a path lies beneath a directory.
fn is_beneath(path: &[u8], directory: Option<&Vec<u8>>) -> bool {
    let rest = directory.and_then(|directory| path.strip_prefix(directory.as_slice()));
    rest.is_some_and(|rest| rest.starts_with(b"/"))
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        walk: Walk,
        listing: Listing<'a>,
        options: &'a CompareOptions,
        digesting: Digesting,
        running: &'a Running,
    ) -> Self {
        Self {
            walk,
            listing,
            options,
            digesting,
            running,
            compared: Compared::default(),
            links: HashMap::new(),
            next: None,
            added: None,
            missing: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Compared, ArchiveError> {
        self.advance()?;
        while let Some(found) = self.find()? {
            let here = place(self.walk.path(), found.kind == FileType::Directory);
            while self.next.as_ref().is_some_and(|(next, _)| *next < here) {
                self.is_missing()?;
            }
            match self.next.take() {
                Some((next, listed)) if next == here => {
                    self.both(&listed, &found)?;
                    self.advance()?;
                }
                other => {
                    self.next = other;
                    self.is_added(&found);
                }
            }
        }
        while self.next.is_some() {
            self.is_missing()?;
        }
        Ok(self.compared)
    }

    /// Goes on in the listing.
    fn advance(&mut self) -> Result<(), ArchiveError> {
        self.running.check()?;
        let before = self.next.take().map(|(place, _)| place);
        let Some(listed) = self.listing.next_entry()? else {
            return Ok(());
        };
        self.compared.entries += 1;
        let is_directory = type_in(&listed.entry) == Type::Directory;
        let place = place(&listed.path, is_directory);
        if before.is_some_and(|before| before >= place) {
            return Err(ArchiveError::table("its entries are not in order"));
        }
        self.next = Some((place, listed));
        Ok(())
    }

    /// Goes on in the tree, past what cannot be looked at or has vanished.
    fn find(&mut self) -> Result<Option<Found>, ArchiveError> {
        loop {
            self.running.check()?;
            match self.walk.next() {
                Err(ArchiveError::Unpackable { path, what }) => {
                    let change = Change::Unseen(what);
                    self.compared.differences.put(&path, change);
                }
                Err(error) if has_vanished(&error) => (),
                result => return result,
            }
        }
    }

    fn is_missing(&mut self) -> Result<(), ArchiveError> {
        if let Some((_, listed)) = &self.next {
            let kind = type_in(&listed.entry);
            let differences = &mut self.compared.differences;
            match &self.missing {
                Some(top) if is_beneath(&listed.path, Some(top)) => differences.beneath(top),
                _ => {
                    let change = Change::Missing { kind, beneath: 0 };
                    differences.put(&listed.path, change);
                    self.missing = (kind == Type::Directory).then(|| listed.path.clone());
                }
            }
        }
        self.advance()
    }

    fn is_added(&mut self, found: &Found) {
        let path = self.walk.path();
        let differences = &mut self.compared.differences;
        let is_apart = self.options.apart.contains(path);
        match &self.added {
            Some(top) if !is_apart && is_beneath(path, Some(top)) => differences.beneath(top),
            _ => {
                let change = match type_of(found.kind) {
                    Some(kind) => Change::Added { kind, beneath: 0 },
                    None => Change::Unseen("it is of an unknown type"),
                };
                differences.put(path, change);
                // What is in a directory that was something else is told by itself.
                let is_directory = found.kind == FileType::Directory;
                let is_top = is_directory && !is_apart && differences.is_added(path);
                if is_top {
                    self.added = Some(path.to_vec());
                }
            }
        }
    }

    fn both(&mut self, listed: &Listed, found: &Found) -> Result<(), ArchiveError> {
        let (was, is) = (type_in(&listed.entry), type_of(found.kind));
        if listed.path.is_empty() {
            self.compared.shift = shift(&listed.entry, &found.stat);
        }
        // A hard link is of whatever type its first name is: the inode tells.
        let is_link = matches!(listed.entry.kind, Kind::HardLink(_)) && is.is_some();
        if Some(was) != is && !is_link {
            let change = match is {
                Some(is) => Change::Changed(vec![Aspect::Type(was, is)]),
                None => Change::Unseen("it is of an unknown type"),
            };
            self.compared.differences.put(&listed.path, change);
            return Ok(());
        }
        match self.aspects(listed, found) {
            Ok(aspects) if aspects.is_empty() => (),
            Ok(aspects) => {
                let change = Change::Changed(aspects);
                self.compared.differences.put(&listed.path, change);
            }
            Err(ArchiveError::Unpackable { what, .. }) => {
                let change = Change::Unseen(what);
                self.compared.differences.put(&listed.path, change);
            }
            Err(error) if has_vanished(&error) => {
                let change = Change::Missing {
                    kind: was,
                    beneath: 0,
                };
                self.compared.differences.put(&listed.path, change);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn aspects(&mut self, listed: &Listed, found: &Found) -> Result<Vec<Aspect>, ArchiveError> {
        let entry = &listed.entry;
        let mut aspects = Vec::new();
        let (shift, times) = (self.compared.shift, self.options.times);
        match &entry.kind {
            Kind::File { .. } => return self.file(listed),
            Kind::HardLink(target) => {
                let target = target.strip_prefix(b"./").unwrap_or(target);
                let inode = (found.stat.st_dev, found.stat.st_ino);
                if self.links.get(target) != Some(&inode) {
                    aspects.push(Aspect::Link(target.to_vec()));
                }
                return Ok(aspects);
            }
            Kind::Symlink(target) => {
                let is = rustix::fs::readlinkat(self.walk.parent(), self.walk.name(), Vec::new())
                    .map_err(ArchiveError::reading("read the link", self.walk.path()))?
                    .into_bytes();
                if *target != is {
                    aspects.push(Aspect::Target(target.clone(), is));
                }
                self.remember(&listed.path, &found.stat);
            }
            Kind::Directory => {
                let xattrs = xattrs::of_open(self.walk.parent(), self.walk.path())?;
                of_xattrs(entry, &xattrs, shift, &mut aspects);
            }
            Kind::Character(..) | Kind::Block(..) | Kind::Fifo => {
                let (parent, name) = (self.walk.parent(), self.walk.name());
                let xattrs = xattrs::of_named(parent, name, self.walk.path())?;
                of_xattrs(entry, &xattrs, shift, &mut aspects);
                self.remember(&listed.path, &found.stat);
            }
        }
        of_stat(entry, &found.stat, shift, times, &mut aspects);
        Ok(aspects)
    }

    fn file(&mut self, listed: &Listed) -> Result<Vec<Aspect>, ArchiveError> {
        let mut aspects = Vec::new();
        let Some((file, stat)) = file::open(&self.walk)? else {
            return Err(ArchiveError::Changed {
                path: listed.path.clone(),
            });
        };
        self.remember(&listed.path, &stat);
        let shift = self.compared.shift;
        let xattrs = xattrs::of_open(file.as_fd(), &listed.path)?;
        of_xattrs(&listed.entry, &xattrs, shift, &mut aspects);
        of_stat(
            &listed.entry,
            &stat,
            shift,
            self.options.times,
            &mut aspects,
        );
        let Some(contents) = &listed.contents else {
            return Ok(aspects);
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size == contents.size {
            self.digesting.digest(Job {
                path: listed.path.clone(),
                file,
                size,
                blake3: contents.blake3,
            })?;
        } else {
            aspects.insert(0, Aspect::Size(contents.size, size));
        }
        Ok(aspects)
    }

    fn remember(&mut self, path: &[u8], stat: &Stat) {
        if stat.st_nlink > 1 {
            self.links.insert(path.to_vec(), (stat.st_dev, stat.st_ino));
        }
    }
}

/// Whether something is not there any more, or another, since its name was
/// read. A directory far up that is gone cannot be gone on from.
fn has_vanished(error: &ArchiveError) -> bool {
    match error {
        ArchiveError::Changed { .. } => true,
        ArchiveError::Read { doing, source, .. } => {
            source.kind() == io::ErrorKind::NotFound && *doing != "open again"
        }
        _ => false,
    }
}
