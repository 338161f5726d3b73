//! Moves staged packages into the tree, one after another, with pacman's
//! rules for what is there already.
//!
//! A directory that is there keeps its mode and owner. Two packages never
//! share anything but directories. What a scriptlet has made gives way to a
//! package's file, unless the package keeps such files (`backup`): then the
//! package's becomes `.pacnew`.
//!
//! A directory that the tree does not have yet is moved with everything in
//! it, so that most files cost no system call here. The order is the plan's
//! and nobody else touches the tree meanwhile: the result depends on nothing
//! else.

use super::InstallError;
use crate::arch::package::{Attributes, Item, Kind, Staged, md5_of, shown};
use crate::beneath::{self, ancestors};
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, Root};
use rustix::fs::{AtFlags, FileType, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

/// What the new file is called where the old one is kept.
const NEW: &[u8] = b".pacnew";

/// What is known of a path that packages have.
#[derive(Clone, Copy, Debug)]
struct Known {
    package: usize,
    is_directory: bool,
}

/// What is in the tree so far.
pub(super) struct Merger<'r> {
    root: &'r Root,
    names: &'r [&'r str],
    known: HashMap<Box<[u8]>, Known>,
    progress: &'r Progress,
}

/// A package on its way into the tree.
struct Moving<'m, 'r> {
    merger: &'m mut Merger<'r>,
    index: usize,
    package: &'m Staged,
    folder: &'m Root,
    /// Files that are kept when they are changed.
    backup: HashSet<&'m [u8]>,
    /// Directories that were moved whole.
    whole: HashSet<&'m [u8]>,
    /// Directories whose attributes are still to be set.
    fresh: Vec<&'m Item>,
    /// The directory that the last entry was moved from and to, and its
    /// handles.
    parents: Option<(Vec<u8>, OwnedFd, OwnedFd)>,
}

impl<'r> Merger<'r> {
    /// For a tree that no package is in yet, and packages of these names.
    pub(super) fn new(root: &'r Root, names: &'r [&'r str], progress: &'r Progress) -> Self {
        Self {
            root,
            names,
            known: HashMap::new(),
            progress,
        }
    }

    /// Moves a package from the folder that it is staged in into the tree.
    pub(super) fn merge(
        &mut self,
        index: usize,
        package: &Staged,
        folder: &Root,
    ) -> Result<(), InstallError> {
        self.claim(index, package)?;
        let mut moving = Moving {
            merger: self,
            index,
            package,
            folder,
            backup: package.info.backup.iter().map(String::as_bytes).collect(),
            whole: HashSet::new(),
            fresh: Vec::new(),
            parents: None,
        };
        for item in &package.items {
            moving.item(item)?;
        }
        moving.finish()
    }

    /// Notes the paths of a package, which no other one may have.
    fn claim(&mut self, index: usize, package: &Staged) -> Result<(), InstallError> {
        for listed in &package.paths {
            let path = listed.strip_suffix(b"/");
            let is_directory = path.is_some();
            let path = path.unwrap_or(listed);
            self.check_above(index, path)?;
            match self.known.get(path) {
                None => {
                    let known = Known {
                        package: index,
                        is_directory,
                    };
                    self.known.insert(path.into(), known);
                }
                Some(other) if other.is_directory && is_directory => {}
                Some(other) => {
                    return Err(InstallError::Conflict {
                        first: self.names[other.package].to_owned(),
                        second: self.names[index].to_owned(),
                        path: shown(path),
                    });
                }
            }
        }
        Ok(())
    }

    /// Refuses a path beneath what another package has as something else than
    /// a directory: through its link, files could meet unseen. (pacman before
    /// 6.1 puts a directory in the place of the link; newer ones refuse.)
    fn check_above(&self, index: usize, path: &[u8]) -> Result<(), InstallError> {
        for above in ancestors(path) {
            match self.known.get(above) {
                // Those above it were looked at when it came.
                Some(known) if known.is_directory => return Ok(()),
                Some(known) if known.package != index => {
                    return Err(InstallError::Conflict {
                        first: self.names[known.package].to_owned(),
                        second: self.names[index].to_owned(),
                        path: shown(above),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'m> Moving<'m, '_> {
    fn item(&mut self, item: &'m Item) -> Result<(), InstallError> {
        let path = item.path.as_slice();
        let has_moved = ancestors(path).any(|a| self.whole.contains(a));
        match item.kind {
            Kind::Directory if has_moved => {
                self.fresh.push(item);
                Ok(())
            }
            Kind::Other if has_moved => Ok(()),
            Kind::Directory => self.directory(item),
            Kind::Other => self.file(path),
        }
    }

    fn directory(&mut self, item: &'m Item) -> Result<(), InstallError> {
        let path = item.path.as_slice();
        if self.rename(path, path, RenameFlags::NOREPLACE)? {
            self.whole.insert(path);
            self.fresh.push(item);
            return Ok(());
        }
        match self.found(path)? {
            // It stays as it is.
            Some(FileType::Directory) => Ok(()),
            // Nothing that a package has, which was looked at before.
            _ => {
                self.unlink(path)?;
                if !self.rename(path, path, RenameFlags::NOREPLACE)? {
                    return Err(self.system("move", path, Errno::EXIST));
                }
                self.whole.insert(path);
                self.fresh.push(item);
                Ok(())
            }
        }
    }

    fn file(&mut self, path: &[u8]) -> Result<(), InstallError> {
        if self.rename(path, path, RenameFlags::NOREPLACE)? {
            return Ok(());
        }
        if self.found(path)? == Some(FileType::Directory) {
            return Err(InstallError::Directory {
                package: self.name(),
                path: shown(path),
            });
        }
        if self.backup.contains(path) {
            return self.keep_both(path);
        }
        self.replace(path, path)
    }

    /// A file that a scriptlet made, and that the package would keep.
    fn keep_both(&mut self, path: &[u8]) -> Result<(), InstallError> {
        let there = md5_of(self.merger.root, path);
        let there = there.map_err(|e| self.merge_error("read", path, e))?;
        if there.is_some() && there.as_ref() == self.package.sums.get(path) {
            // For owner, mode and time, as pacman does.
            return self.replace(path, path);
        }
        let new = [path, NEW].concat();
        self.replace(path, &new)?;
        self.merger.progress.warn(format!(
            "{} is there already: that of the package {} is installed as {}",
            shown(path),
            self.name(),
            shown(&new)
        ));
        Ok(())
    }

    /// Moves over whatever is there, but for a directory.
    fn replace(&mut self, from: &[u8], to: &[u8]) -> Result<(), InstallError> {
        match self.rename(from, to, RenameFlags::empty())? {
            true => Ok(()),
            false => Err(self.system("move", to, Errno::EXIST)),
        }
    }

    /// Sets the attributes of the directories that came with the package.
    fn finish(self) -> Result<(), InstallError> {
        let entries: Vec<Entry<'_>> = self.fresh.iter().map(|item| entry(item)).collect();
        let finished = self.merger.root.finish_directories(&entries);
        finished.map_err(|source| InstallError::Finish {
            package: self.merger.names[self.index].to_owned(),
            source,
        })
    }

    /// Moves from the staging folder to the tree. False if something is there
    /// that may not be replaced.
    fn rename(&mut self, from: &[u8], to: &[u8], flags: RenameFlags) -> Result<bool, InstallError> {
        let (parent, from_name) = beneath::split(from);
        let (_, to_name) = beneath::split(to);
        let is_known = |(known, ..): &(Vec<u8>, OwnedFd, OwnedFd)| known == parent;
        if self.parents.as_ref().is_none_or(|known| !is_known(known)) {
            let from = beneath::open(self.folder, parent, OFlags::PATH | OFlags::DIRECTORY);
            let from = from.map_err(|e| self.system("open", parent, e))?;
            let to = self.open_parent(parent)?;
            self.parents = Some((parent.to_vec(), from, to));
        }
        let Some((_, from, to)) = &self.parents else {
            return Ok(false);
        };
        match rustix::fs::renameat_with(from, from_name, to, to_name, flags) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR) => Ok(false),
            Err(e) => Err(self.system("move", from_name, e)),
        }
    }

    /// A directory of the tree; made if a package has no entry for it.
    fn open_parent(&self, path: &[u8]) -> Result<OwnedFd, InstallError> {
        let root = self.merger.root;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        match beneath::open(root, path, flags) {
            Err(Errno::NOENT) => {
                let made = Entry::of_root(path, Node::Directory, 0o755, 0);
                let placed = root.placer().place_slice(&made, b"");
                placed.map_err(|source| InstallError::Finish {
                    package: self.name(),
                    source,
                })?;
                beneath::open(root, path, flags)
            }
            other => other,
        }
        .map_err(|e| self.system("open", path, e))
    }

    /// What is at a path of the tree; a link itself is looked at.
    fn found(&self, path: &[u8]) -> Result<Option<FileType>, InstallError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let fd = match beneath::open(self.merger.root, path, flags) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.system("examine", path, e)),
        };
        let stat = rustix::fs::statat(&fd, "", AtFlags::EMPTY_PATH);
        let stat = stat.map_err(|e| self.system("examine", path, e))?;
        Ok(Some(FileType::from_raw_mode(stat.st_mode)))
    }

    fn unlink(&self, path: &[u8]) -> Result<(), InstallError> {
        let (parent, name) = beneath::split(path);
        let parent = self.open_parent(parent)?;
        rustix::fs::unlinkat(&parent, name, AtFlags::empty())
            .map_err(|e| self.system("remove", path, e))
    }

    fn name(&self) -> String {
        self.merger.names[self.index].to_owned()
    }

    fn system(&self, doing: &'static str, path: &[u8], source: Errno) -> InstallError {
        self.merge_error(doing, path, source.into())
    }

    fn merge_error(
        &self,
        doing: &'static str,
        path: &[u8],
        source: std::io::Error,
    ) -> InstallError {
        InstallError::Merge {
            package: self.name(),
            doing,
            path: shown(path),
            source,
        }
    }
}

fn entry(item: &Item) -> Entry<'_> {
    let Attributes {
        mode,
        uid,
        gid,
        mtime,
        ref xattrs,
    } = item.attributes;
    Entry {
        path: &item.path,
        node: Node::Directory,
        mode,
        uid,
        gid,
        mtime,
        xattrs,
    }
}
