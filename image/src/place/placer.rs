//! Creates one entry after another, for one thread.

use super::attributes::Named;
use super::error::system;
use super::fill::{Body, fill};
use super::parents::Parents;
use super::path::{clean, split};
use super::{Entry, Node, PlaceError, Placed, Resolve, Root, attributes};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, makedev};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

/// Creates entries beneath a [`Root`].
#[derive(Debug)]
pub struct Placer<'r> {
    parents: Parents<'r>,
    buffer: Vec<u8>,
}

impl<'r> Placer<'r> {
    pub(super) fn new(root: &'r Root) -> Self {
        Self {
            parents: Parents::new(root),
            buffer: Vec::new(),
        }
    }

    /// Creates an entry: owner, then mode, then xattrs, then time; a
    /// directory gets only its name until [`Root::finish_directories`].
    /// `body` yields the data of a file's extents, in order. Missing parents
    /// are made, 0755 and the caller's. What exists is treated as
    /// [`Resolve`] says.
    ///
    /// # Errors
    /// The path leaves the root, something is in the way, the data ends
    /// early, or the system refused.
    pub fn place(&mut self, entry: &Entry<'_>, body: &mut dyn Read) -> Result<Placed, PlaceError> {
        self.place_body(entry, Body::Reader(body))
    }

    /// The same with the data in memory, saving a copy of it.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub fn place_slice(&mut self, entry: &Entry<'_>, data: &[u8]) -> Result<Placed, PlaceError> {
        self.place_body(entry, Body::Slice(data))
    }

    /// Sets owner, mode, attributes and time of a directory, after everything
    /// beneath it exists. In [`Resolve::InRoot`], one that is a link to a
    /// directory is passed over.
    ///
    /// # Errors
    /// Which directory, and what the system said.
    pub fn finish_directory(&mut self, entry: &Entry<'_>) -> Result<(), PlaceError> {
        let path = clean(entry.path, self.parents.root().resolve)?;
        match self.parents.open_directory(&path)? {
            Some(directory) => attributes::of_directory(&directory, entry),
            None => Ok(()),
        }
    }

    /// Removes what an earlier entry of the same path made, unless it is a
    /// directory. Nothing there is no error.
    ///
    /// # Errors
    /// The path leaves the root, or a directory is there.
    pub fn remove(&mut self, path: &[u8]) -> Result<(), PlaceError> {
        let clean = clean(path, self.parents.root().resolve)?;
        let (parent, name) = split(&clean);
        let parent = self.parents.made(parent, path)?;
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(system("remove", path)(errno)),
        }
    }

    /// What is there now, if anything; a link itself is looked at.
    ///
    /// # Errors
    /// The path leaves the root, or the system refused.
    pub fn found(&mut self, path: &[u8]) -> Result<Option<FileType>, PlaceError> {
        let clean = clean(path, self.parents.root().resolve)?;
        let (parent, name) = split(&clean);
        let parent = self.parents.made(parent, path)?;
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(system("examine", path)(errno)),
        }
    }

    fn place_body(&mut self, entry: &Entry<'_>, body: Body<'_>) -> Result<Placed, PlaceError> {
        let path = clean(entry.path, self.parents.root().resolve)?;
        if path.is_empty() {
            return match entry.node {
                Node::Directory => Ok(Placed::Kept),
                _ => Err(PlaceError::Exists {
                    path: entry.path.to_vec(),
                    what: "the root itself",
                }),
            };
        }
        let mut placed = Placed::New;
        loop {
            match self.create(entry, &path)? {
                Created::Done => break,
                Created::File(file) => {
                    fill(&file, entry, body, &mut self.buffer)?;
                    attributes::of_file(&file, entry)?;
                    break;
                }
                Created::InTheWay => {
                    if self.make_way(entry, &path)? {
                        return Ok(Placed::Kept);
                    }
                    placed = Placed::Replaced;
                }
            }
        }
        Ok(placed)
    }

    /// Makes the node, and sets its attributes unless it is a file (which
    /// must be filled first) or a directory.
    fn create(&mut self, entry: &Entry<'_>, path: &[u8]) -> Result<Created, PlaceError> {
        if let Node::HardLink(target) = entry.node {
            return self.link(entry, path, target);
        }
        let (parent, name) = split(path);
        let from_own_root = self.parents.root().is_own.then_some(path);
        let parent = self.parents.made(parent, entry.path)?;
        let at = Named {
            parent,
            name,
            from_own_root,
        };
        let owner_only = Mode::from_raw_mode(0o600);
        match entry.node {
            Node::Directory => {
                let mode = Mode::from_raw_mode(0o755);
                let made = rustix::fs::mkdirat(parent, name, mode);
                if !created(made, entry)? {
                    return Ok(Created::InTheWay);
                }
                // The mode holds whatever the umask; a directory was just made
                // here, and directories are never replaced.
                rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
                    .map_err(system("set the mode of", entry.path))?;
                Ok(Created::Done)
            }
            Node::File { .. } => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                match rustix::fs::openat(parent, name, flags, owner_only) {
                    Ok(fd) => Ok(Created::File(File::from(fd))),
                    Err(Errno::EXIST) => Ok(Created::InTheWay),
                    Err(errno) => Err(system("create", entry.path)(errno)),
                }
            }
            Node::Symlink(target) => {
                if created(rustix::fs::symlinkat(target, parent, name), entry)? {
                    attributes::of_link(at, entry)?;
                    return Ok(Created::Done);
                }
                Ok(Created::InTheWay)
            }
            Node::Character(major, minor) => {
                special(at, entry, FileType::CharacterDevice, makedev(major, minor))
            }
            Node::Block(major, minor) => {
                special(at, entry, FileType::BlockDevice, makedev(major, minor))
            }
            Node::Fifo => special(at, entry, FileType::Fifo, 0),
            Node::HardLink(_) => unreachable!("handled above"),
        }
    }

    fn link(
        &mut self,
        entry: &Entry<'_>,
        path: &[u8],
        target: &[u8],
    ) -> Result<Created, PlaceError> {
        let bad = |what| PlaceError::BadTarget {
            path: entry.path.to_vec(),
            target: target.to_vec(),
            what,
        };
        let target_path = clean(target, self.parents.root().resolve)
            .map_err(|_| bad("is not a path beneath the root"))?;
        let (target_parent, target_name) = split(&target_path);
        if target_name.is_empty() {
            return Err(bad("is the root itself"));
        }
        // The handle of the target's parent must outlive the look-up of the
        // other parent in the same cache; the kernel keeps it alive.
        let target_parent = match self.parents.existing(target_parent, entry.path) {
            Ok(fd) => fd
                .try_clone_to_owned()
                .map_err(|source| PlaceError::System {
                    doing: "duplicate a handle for",
                    path: entry.path.to_vec(),
                    source,
                })?,
            Err(PlaceError::ThroughLink { .. }) => {
                return Err(bad("leads through a symbolic link"));
            }
            Err(PlaceError::System { .. }) => return Err(bad("does not exist")),
            Err(other) => return Err(other),
        };
        let (parent, name) = split(path);
        let parent = self.parents.made(parent, entry.path)?;
        match rustix::fs::linkat(&target_parent, target_name, parent, name, AtFlags::empty()) {
            Ok(()) => Ok(Created::Done),
            Err(Errno::EXIST) if same_file(&target_parent, target_name, parent, name) => {
                Ok(Created::Done)
            }
            Err(Errno::EXIST) => Ok(Created::InTheWay),
            Err(Errno::NOENT) => Err(bad("does not exist")),
            Err(errno) => Err(system("make the hard link", entry.path)(errno)),
        }
    }

    /// Deals with what is there already. True when it stays.
    fn make_way(&mut self, entry: &Entry<'_>, path: &[u8]) -> Result<bool, PlaceError> {
        let resolve = self.parents.root().resolve;
        let exists = |what| PlaceError::Exists {
            path: entry.path.to_vec(),
            what,
        };
        let (parent_path, name) = split(path);
        let parent = self.parents.made(parent_path, entry.path)?;
        let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Somebody else removed it: try again.
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(system("examine", entry.path)(errno)),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        match (&entry.node, kind, resolve) {
            (Node::Directory, FileType::Directory, _) => return Ok(true),
            (Node::Symlink(_), FileType::Directory, Resolve::InRoot) => return Ok(true),
            (_, FileType::Directory, _) => return Err(exists("a directory")),
            (_, FileType::Symlink, Resolve::Beneath) => return Err(exists("a symbolic link")),
            (_, _, Resolve::Beneath) => return Err(exists("something that is no directory")),
            (Node::Directory, FileType::Symlink, Resolve::InRoot) => {
                // As dpkg: a link to a directory stands for the directory.
                return match self.parents.existing(path, entry.path) {
                    Ok(_) => Ok(true),
                    Err(_) => Err(exists("a symbolic link that leads to no directory")),
                };
            }
            (Node::Directory, _, _) => return Err(exists("something that is no directory")),
            _ => {}
        }
        match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(system("replace", entry.path)(errno)),
        }
        if kind == FileType::Symlink {
            self.parents.forget();
        }
        Ok(false)
    }
}

enum Created {
    /// It is there, with all its attributes.
    Done,
    /// An empty file to be filled.
    File(File),
    /// Something has that name.
    InTheWay,
}

/// Whether a call made something; not, if something has that name.
fn created(result: Result<(), Errno>, entry: &Entry<'_>) -> Result<bool, PlaceError> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(system("create", entry.path)(errno)),
    }
}

fn special(
    at: Named<'_>,
    entry: &Entry<'_>,
    kind: FileType,
    device: u64,
) -> Result<Created, PlaceError> {
    let mode = Mode::from_raw_mode(0o600);
    match rustix::fs::mknodat(at.parent, at.name, kind, mode, device) {
        Ok(()) => {
            attributes::of_special(at, entry)?;
            Ok(Created::Done)
        }
        Err(Errno::EXIST) => Ok(Created::InTheWay),
        Err(Errno::PERM) if kind != FileType::Fifo => Err(PlaceError::DeviceNotPermitted {
            path: entry.path.to_vec(),
        }),
        Err(errno) => Err(system("create", entry.path)(errno)),
    }
}

fn same_file(
    a_parent: impl rustix::fd::AsFd,
    a: &[u8],
    b_parent: BorrowedFd<'_>,
    b: &[u8],
) -> bool {
    let a = rustix::fs::statat(a_parent, a, AtFlags::SYMLINK_NOFOLLOW);
    let b = rustix::fs::statat(b_parent, b, AtFlags::SYMLINK_NOFOLLOW);
    matches!((a, b), (Ok(a), Ok(b)) if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino))
}
