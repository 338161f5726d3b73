//! The one executor that creates a file, link or device beneath a root.
//! (Skeleton; see the owner of this module.)

use std::io::Read;
use std::path::Path;

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
        /// Where the data goes, in order.
        extents: Option<&'a [Extent]>,
    },
    /// A symbolic link, with its target verbatim.
    Symlink(&'a [u8]),
    /// A hard link to a path beneath the same root.
    HardLink(&'a [u8]),
    /// A character device.
    Character(u32, u32),
    /// A block device.
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

/// Placeholder error; the owner refines it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlaceError(pub String);

/// A root directory beneath which entries are created. Threads share it;
/// each has its own [`Placer`].
#[derive(Debug)]
pub struct Root {}

impl Root {
    /// Opens a directory as root.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(_path: &Path) -> Result<Self, PlaceError> {
        todo!()
    }
    /// A placer for one thread, with its cache of parent directories.
    #[must_use]
    pub fn placer(&self) -> Placer<'_> {
        todo!()
    }
    /// Sets owner, mode and time of directories, after everything beneath
    /// them exists.
    ///
    /// # Errors
    /// Which directory, and what the system said.
    pub fn finish_directories(&self, _directories: &[Entry<'_>]) -> Result<(), PlaceError> {
        todo!()
    }
}

/// Creates entries beneath a [`Root`].
#[derive(Debug)]
pub struct Placer<'r> {
    _root: &'r Root,
}

impl Placer<'_> {
    /// Creates an entry: owner, then mode, then xattrs, then time. An
    /// existing non-directory is replaced (unlinked first, never written
    /// through). Missing parents are made, 0755 and root's.
    ///
    /// # Errors
    /// The path leaves the root, or the system refused.
    pub fn place(&mut self, _entry: &Entry<'_>, _body: &mut dyn Read) -> Result<(), PlaceError> {
        todo!()
    }
}
