//! Packing: one pass over the tree, from files to headers and batches.

mod contents;
mod reading;

use super::ArchiveError;
use super::batch::{Batch, Batches, Listed, Piece};
use super::header::{BLOCK, Head, pad};
use super::limits::{LINKED_MAX, allocated};
use super::toc::{self, Contents, Kind};
use super::walk::{Found, Walk};
use super::xattrs::{self, Xattrs};
use crate::manifest::Unpacked;
use crate::place::Extent;
use crate::progress::Progress;
use reading::read_exactly;
use rustix::fs::{FileType, Stat};
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a name takes in [`Packer::links`] besides its own memory: a node of
/// such a map has 11 places of 32 bytes, of which at least five are in use, and
/// its share of the nodes above.
const LINK_EACH: usize = 96;

/// Two zero blocks end a tar.
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What a tree is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An archive of it, whose times are at most this many seconds since 1970.
    Archive(i64),
    /// A list of what it holds: batches of files that are larger than one lack
    /// their data, and memory is bounded.
    List,
}

/// Reads the tree and fills batches.
pub(super) struct Packer<'a> {
    walk: Walk,
    batches: Batches,
    purpose: Purpose,
    progress: &'a Progress,
    /// Where the first name of a file with several lies: device and inode.
    links: BTreeMap<(u64, u64), Box<[u8]>>,
    /// Memory of those names.
    linked: u64,
    /// Bytes of holes so far.
    holes: u64,
    head: Vec<u8>,
    contents: Vec<u8>,
    unpacked: Unpacked,
}

/// What stands in an entry's headers, besides its data.
struct About {
    /// As the archive spells it.
    name: Vec<u8>,
    stat: Stat,
    kind: Kind,
    link: Vec<u8>,
    xattrs: Xattrs,
}

impl<'a> Packer<'a> {
    pub(super) fn new(
        walk: Walk,
        batches: Batches,
        purpose: Purpose,
        progress: &'a Progress,
    ) -> Self {
        Self {
            walk,
            batches,
            purpose,
            progress,
            links: BTreeMap::new(),
            linked: 0,
            holes: 0,
            head: Vec::new(),
            contents: Vec::new(),
            unpacked: Unpacked {
                bytes: 0,
                entries: 0,
            },
        }
    }

    /// Packs everything; what unpacking it will make.
    pub(super) fn run(mut self) -> Result<Unpacked, ArchiveError> {
        while let Some(found) = self.walk.next()? {
            self.progress.check()?;
            self.entry(&found)?;
        }
        let batch = self.batches.batch()?;
        batch.bytes.extend_from_slice(&END);
        batch.mark(Piece::Skeleton(END.len()));
        self.batches.flush()?;
        Ok(self.unpacked)
    }

    fn entry(&mut self, found: &Found) -> Result<(), ArchiveError> {
        let stat = found.stat;
        let kind = match found.kind {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            FileType::CharacterDevice => Kind::Character,
            FileType::BlockDevice => Kind::Block,
            FileType::Fifo => Kind::Fifo,
            // It belongs to a process, not to the tree.
            FileType::Socket => return Ok(()),
            _ => {
                let what = "it is of an unknown type";
                return Err(ArchiveError::unpackable(self.walk.path(), what));
            }
        };
        self.unpacked.entries += 1;
        let mut about = About {
            name: self.name(kind),
            stat,
            kind,
            link: Vec::new(),
            xattrs: Vec::new(),
        };
        if kind != Kind::Directory && stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                about.kind = Kind::HardLink;
                about.link = first.to_vec();
                return self.small(&about, None);
            }
            self.remember_link(key, &about.name)?;
        }
        match kind {
            Kind::File => return self.file(about),
            Kind::Directory => about.xattrs = self.xattrs_of(self.walk.parent())?,
            Kind::Symlink => about.link = self.target()?,
            Kind::Character | Kind::Block | Kind::Fifo => about.xattrs = self.xattrs_by_name()?,
            Kind::HardLink => {}
        }
        self.small(&about, None)
    }

    fn remember_link(&mut self, key: (u64, u64), name: &[u8]) -> Result<(), ArchiveError> {
        self.linked += (allocated(name.len()) + LINK_EACH) as u64;
        if self.purpose == Purpose::List && self.linked > LINKED_MAX {
            return Err(ArchiveError::TooMuch {
                path: self.walk.path().to_vec(),
                what: "bytes of names of files with several names",
                max: LINKED_MAX,
            });
        }
        self.links.insert(key, name.into());
        Ok(())
    }

    fn name(&self, kind: Kind) -> Vec<u8> {
        match (self.walk.path(), kind) {
            (b"", _) => b"./".to_vec(),
            (path, Kind::Directory) => [path, b"/"].concat(),
            (path, _) => path.to_vec(),
        }
    }

    /// An entry that fits into a batch and has no holes; its data, if it has
    /// any, is read straight into the batch.
    fn small(&mut self, about: &About, fd: Option<&OwnedFd>) -> Result<(), ArchiveError> {
        let size = if fd.is_some() { size(&about.stat) } else { 0 };
        self.write_head(about, size, None)?;
        let batch = self
            .batches
            .begin(&about.name, whole(self.head.len(), size))?;
        let mut listed = begin_entry(batch, about, self.purpose, &self.head, self.walk.path());
        let begun = batch.bytes.len();
        if let Some(fd) = fd {
            read_exactly(fd, &mut batch.bytes, size, self.walk.path())?;
            listed.entry.contents = Some(Contents {
                size,
                blake3: [0; 32],
                extents: None,
            });
            listed.digest = Some(begun..batch.bytes.len());
        }
        end_entry(batch, listed, begun);
        Ok(())
    }

    fn write_head(
        &mut self,
        about: &About,
        size: u64,
        extents: Option<&[Extent]>,
    ) -> Result<(), ArchiveError> {
        let stat = &about.stat;
        let device = match about.kind {
            Kind::Character | Kind::Block => (
                rustix::fs::major(stat.st_rdev),
                rustix::fs::minor(stat.st_rdev),
            ),
            _ => (0, 0),
        };
        let head = Head {
            path: &about.name,
            kind: entry_type(about.kind),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: match self.purpose {
                Purpose::Archive(epoch) => stat.st_mtime.min(epoch),
                Purpose::List => stat.st_mtime,
            },
            link: &about.link,
            device,
            size,
            extents,
            xattrs: &about.xattrs,
        };
        self.head.clear();
        head.write(&mut self.head)
    }

    fn target(&self) -> Result<Vec<u8>, ArchiveError> {
        rustix::fs::readlinkat(self.walk.parent(), self.walk.name(), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(ArchiveError::reading("read the link", self.walk.path()))
    }

    fn xattrs_of(&self, fd: BorrowedFd<'_>) -> Result<Xattrs, ArchiveError> {
        xattrs::of_open(fd, self.walk.path())
    }

    fn xattrs_by_name(&self) -> Result<Xattrs, ArchiveError> {
        xattrs::of_named(self.walk.parent(), self.walk.name(), self.walk.path())
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Tar bytes of headers and data, with padding.
fn whole(head: usize, stored: u64) -> u64 {
    head as u64 + stored.next_multiple_of(BLOCK as u64)
}

const fn entry_type(kind: Kind) -> tar_core::EntryType {
    use tar_core::EntryType;
    match kind {
        Kind::File => EntryType::Regular,
        Kind::Directory => EntryType::Directory,
        Kind::Symlink => EntryType::Symlink,
        Kind::HardLink => EntryType::Link,
        Kind::Character => EntryType::Char,
        Kind::Block => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
    }
}

fn begin_entry(
    batch: &mut Batch,
    about: &About,
    purpose: Purpose,
    head: &[u8],
    path: &[u8],
) -> Listed {
    let (frame, offset) = match purpose {
        Purpose::Archive(_) => (batch.index, batch.bytes.len() as u64),
        // There are none that it could lie in.
        Purpose::List => (0, 0),
    };
    batch.bytes.extend_from_slice(head);
    batch.mark(Piece::Skeleton(head.len()));
    Listed {
        entry: toc::Entry {
            kind: about.kind,
            path: path.to_vec(),
            head: head.len() as u64,
            frame,
            offset,
            contents: None,
        },
        digest: None,
    }
}

fn end_entry(batch: &mut Batch, listed: Listed, begun: usize) {
    let stored = batch.bytes.len() - begun;
    batch.mark(Piece::Data(stored));
    pad(&mut batch.bytes, stored);
    batch.mark(Piece::Skeleton(batch.bytes.len() - begun - stored));
    batch.entries.push(listed);
}
