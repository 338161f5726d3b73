//! The one executor that creates a file, link, directory or device beneath a
//! root.
//!
//! Everything is done relative to directory handles: a parent directory is
//! opened once with `openat2` (`RESOLVE_BENEATH` or `RESOLVE_IN_ROOT`, always
//! `RESOLVE_NO_MAGICLINKS`), or walked part by part on a Linux before 5.6
//! ([`open_in`]), and kept, and the last part of a path is never
//! followed. So nothing an archive plants can redirect a later entry, and a
//! small file costs six system calls. `..` is refused before the kernel sees
//! it. What exists is unlinked, never written through.
//!
//! How links on the way are treated is an explicit choice, [`Resolve`]: an
//! archive that is imported has no business leading through its own links,
//! while a Debian package says `./bin/ls` and means `usr/bin/ls`.
//!
//! Directories get their owner, mode, attributes and time at the very end
//! ([`Root::finish_directories`]): a read-only directory would refuse its
//! children, a default ACL would be inherited by them, and each child would
//! move the time.
//!
//! It does not parse archives, knows no limits on bytes or entries (its
//! callers do) and syncs only when asked ([`Root::sync`]).

mod attributes;
mod error;
mod fill;
mod parents;
mod path;
mod placer;
mod resolution;
#[cfg(test)]
mod tests;

pub use error::{PlaceError, shown};
pub use path::{NAME_MAX, clean};
pub use placer::Placer;
pub use resolution::open_in;
pub use rustix::fs::FileType;

use error::system;
use resolution::Way;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::AtomicU64;

/// Where an entry's data lies when the file has holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// What kind of thing to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A directory. One that exists is kept, with its mode and owner.
    Directory,
    /// A regular file of `size` bytes; `extents` are the parts that are not
    /// holes (none: the whole file is data).
    File {
        /// Length in bytes.
        size: u64,
        /// Where the data goes, in order and without overlap.
        extents: Option<&'a [Extent]>,
    },
    /// A symbolic link, with its target verbatim.
    Symlink(&'a [u8]),
    /// A hard link to a path beneath the same root. Owner, mode and time are
    /// those of the file that is there.
    HardLink(&'a [u8]),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

/// An entry to create.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Path beneath the root; a leading `./` and a trailing `/` are dropped.
    pub path: &'a [u8],
    /// What.
    pub node: Node<'a>,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes: name and value.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Node<'_> {
    /// A regular file of so many bytes, without holes.
    #[must_use]
    pub const fn file(size: u64) -> Self {
        Self::File {
            size,
            extents: None,
        }
    }
}

impl<'a> Entry<'a> {
    /// One of root's, without extended attributes; `mtime` in seconds since
    /// 1970.
    #[must_use]
    pub const fn of_root(path: &'a [u8], node: Node<'a>, mode: u32, mtime: i64) -> Self {
        Self {
            path,
            node,
            mode,
            uid: 0,
            gid: 0,
            mtime: (mtime, 0),
            xattrs: &[],
        }
    }
}

/// How a path beneath a root is resolved, and what happens to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// For an archive that fills an empty root: no symbolic link is followed
    /// on the way, a leading `/` is refused, and nothing but a directory by a
    /// directory may be there already.
    Beneath,
    /// For packages that are unpacked over one another: links on the way are
    /// followed as if the root were `/`, as in a chroot. Another
    /// non-directory is replaced; a directory, or a link to one, stays when a
    /// directory or link comes in its place, as with dpkg.
    InRoot,
}

/// What [`Placer::place`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// There was nothing; now it is there.
    New,
    /// Something else was there and had to go.
    Replaced,
    /// A directory (or a link to one) was there and stays as it is.
    Kept,
}

/// A root directory beneath which entries are created. Threads share it;
/// each has its own [`Placer`].
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    resolve: Resolve,
    /// Whether it is the process's own root directory.
    is_own: bool,
    way: Way,
    /// Directories made because an entry's parent was missing.
    implied: AtomicU64,
}

impl Root {
    /// Opens a directory as root.
    ///
    /// # Errors
    /// It cannot be opened, or is no directory.
    pub fn open(path: &Path, resolve: Resolve) -> Result<Self, PlaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| PlaceError::Open {
            path: path.to_owned(),
            source: e.into(),
        })?;
        Ok(Self {
            way: Way::here(fd.as_fd()),
            fd,
            resolve,
            is_own: false,
            implied: AtomicU64::new(0),
        })
    }

    /// The process's own root directory, for a helper that has entered the
    /// tree it fills. It needs no /proc in it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn own(resolve: Resolve) -> Result<Self, PlaceError> {
        let root = Self::open(Path::new("/"), resolve)?;
        Ok(Self {
            is_own: true,
            ..root
        })
    }

    /// The same, with every path walked part by part, as on a Linux that has
    /// no `openat2`.
    #[must_use]
    pub fn in_steps(mut self) -> Self {
        self.way = Way::Steps;
        self
    }

    /// How paths are resolved.
    #[must_use]
    pub const fn resolve(&self) -> Resolve {
        self.resolve
    }

    /// The same directory, with paths resolved in another way.
    ///
    /// # Errors
    /// The handle cannot be duplicated (too many are open).
    pub fn with(&self, resolve: Resolve) -> Result<Self, PlaceError> {
        let fd = self.fd.try_clone().map_err(|source| PlaceError::System {
            doing: "duplicate the handle of",
            path: b".".to_vec(),
            source,
        })?;
        Ok(Self {
            fd,
            resolve,
            is_own: self.is_own,
            way: self.way,
            implied: AtomicU64::new(0),
        })
    }

    /// A placer for one thread, with its cache of parent directories.
    #[must_use]
    pub fn placer(&self) -> Placer<'_> {
        Placer::new(self)
    }

    /// Sets owner, mode, attributes and time of directories, after everything
    /// beneath them exists. The last of them goes first, so that in an
    /// archive's order a parent is closed after its children. In
    /// [`Resolve::InRoot`], one that is a link to a directory is passed over.
    ///
    /// # Errors
    /// Which directory, and what the system said.
    pub fn finish_directories(&self, directories: &[Entry<'_>]) -> Result<(), PlaceError> {
        let mut placer = self.placer();
        for entry in directories.iter().rev() {
            placer.finish_directory(entry)?;
        }
        Ok(())
    }

    /// Flushes the whole file system that the root lies on to disk.
    ///
    /// # Errors
    /// What the system said; data may then be lost.
    pub fn sync(&self) -> Result<(), PlaceError> {
        rustix::fs::syncfs(&self.fd).map_err(system("sync", b"."))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
