//! One package's contents, unpacked into a folder of their own.
//!
//! Packages so never meet while they are unpacked side by side; [`super::merge`]
//! moves them into the tree one after another. As with dpkg, a conffile
//! becomes `PATH.dpkg-new`, and the list of paths keeps the tar's order.

use super::error::{UnpackError, shown};
use crate::beneath::ancestors;
use crate::debian::control::Control;
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, PlaceError, Placer};
use md5::{Digest as _, Md5};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Read};

/// Most entries of a package. The largest in Debian have about 100,000.
const ENTRIES_MAX: usize = 4_000_000;

/// Most decompressed bytes of a package. The largest in Debian 13, game data,
/// takes 5 GB.
const BYTES_MAX: u64 = 64 << 30;

/// What conffiles are called until they are configured.
pub(super) const NEW: &[u8] = b".dpkg-new";

/// What a package holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the tar's order.
    pub(super) items: Vec<Item>,
    /// The text of a `md5sums` that the package does not bring.
    pub(super) md5sums: String,
}

/// One path of a package.
#[derive(Debug)]
pub(super) struct Item {
    /// Path beneath the root as the package says it; empty for the root.
    pub(super) own: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) attributes: Attributes,
    /// Names of user and group, unless both are root's.
    pub(super) owner: Option<Box<(Vec<u8>, Vec<u8>)>>,
}

/// What is there, as far as other packages must know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A file that is staged as [`NEW`].
    Conffile,
    /// Anything else.
    File,
}

impl Kind {
    /// What the name on disk ends with until the package is configured.
    pub(super) const fn suffix(&self) -> &'static [u8] {
        match self {
            Self::Conffile => NEW,
            _ => b"",
        }
    }
}

/// Owner, mode and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
}

/// A package to stage.
pub(super) struct Stage<'a> {
    pub(super) name: &'a str,
    pub(super) control: &'a Control,
    pub(super) progress: &'a Progress,
}

/// Where reading failed, the contents may come from somewhere else.
pub(super) enum StageError {
    Read(io::Error),
    Other(UnpackError),
}

impl From<UnpackError> for StageError {
    fn from(error: UnpackError) -> Self {
        Self::Other(error)
    }
}

impl Stage<'_> {
    /// Reads the tar to its end and places what is in it.
    pub(super) fn run(
        &self,
        tar: &mut dyn Read,
        placer: &mut Placer<'_>,
    ) -> Result<Listing, StageError> {
        let mut staging = Staging {
            stage: self,
            conffiles: self.conffiles(),
            sums: self.control.file("md5sums").is_none(),
            known_sums: HashMap::new(),
            links: HashSet::new(),
            listing: Listing::default(),
        };
        let mut archive = tar::Archive::new(tar.take(BYTES_MAX));
        let entries = archive.entries().map_err(StageError::Read)?;
        for (number, entry) in entries.enumerate() {
            self.progress.check().map_err(UnpackError::from)?;
            if number == ENTRIES_MAX {
                return Err(self.content("too many entries", b"").into());
            }
            staging.entry(entry.map_err(StageError::Read)?, placer)?;
        }
        // The decompressor checks its sums at the very end.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(StageError::Read)?;
        if rest.limit() == 0 {
            return Err(self.content("too many bytes", b"").into());
        }
        Ok(staging.listing)
    }

    fn conffiles(&self) -> HashSet<Vec<u8>> {
        let shipped = self.control.conffiles().into_iter();
        shipped
            .filter(|c| !c.remove_on_upgrade)
            .map(|c| c.path.trim_start_matches('/').as_bytes().to_vec())
            .collect()
    }

    fn content(&self, what: &'static str, path: &[u8]) -> UnpackError {
        UnpackError::Content {
            package: self.name.to_owned(),
            what,
            path: shown(path),
        }
    }
}

/// A package on its way.
struct Staging<'w, 'a> {
    stage: &'w Stage<'a>,
    conffiles: HashSet<Vec<u8>>,
    /// Whether to digest files, because the package brings no `md5sums`.
    sums: bool,
    /// Those of files so far, for hard links to them.
    known_sums: HashMap<Vec<u8>, String>,
    /// Symbolic links so far.
    links: HashSet<Vec<u8>>,
    listing: Listing,
}

/// An entry's header, read.
struct Header {
    own: Vec<u8>,
    /// Where it is staged.
    path: Vec<u8>,
    kind: tar::EntryType,
    target: Vec<u8>,
    /// The target of a hard link, where it is staged.
    hard_target: Vec<u8>,
    attributes: Attributes,
    size: u64,
    device: (u32, u32),
}

impl Staging<'_, '_> {
    fn entry<R: Read>(
        &mut self,
        mut entry: tar::Entry<'_, R>,
        placer: &mut Placer<'_>,
    ) -> Result<(), StageError> {
        let header = self.header(&entry)?;
        let Attributes {
            mode,
            uid,
            gid,
            mtime,
        } = header.attributes;
        let to_place = Entry {
            path: &header.path,
            node: self.node(&header)?,
            mode,
            uid,
            gid,
            mtime: (mtime, 0),
            xattrs: &[],
        };
        let mut md5 = (self.sums && header.kind.is_file()).then(Md5::new);
        let mut body = Body {
            entry: &mut entry,
            md5: md5.as_mut(),
        };
        placer
            .place(&to_place, &mut body)
            .map_err(|source| match source {
                PlaceError::Body { source, .. } => StageError::Read(source),
                source => StageError::Other(UnpackError::Place {
                    package: self.stage.name.to_owned(),
                    source,
                }),
            })?;
        self.note_sum(&header, md5);
        Ok(())
    }

    /// Reads and checks the header, and notes what is kept of it.
    fn header<R: Read>(&mut self, entry: &tar::Entry<'_, R>) -> Result<Header, StageError> {
        let raw = entry.path_bytes();
        let own = strip(&raw);
        let bad = |what| self.stage.content(what, own);
        if !is_plain(own) {
            return Err(bad("a path that cannot be").into());
        }
        // What packs a folder never does that; only what means harm.
        if !self.links.is_empty() && ancestors(own).any(|above| self.links.contains(above)) {
            return Err(bad("a path that leads through a link of its own").into());
        }
        let head = entry.header();
        let kind = head.entry_type();
        if own.is_empty() && !kind.is_dir() {
            return Err(bad("something else than a directory at its top").into());
        }
        let id = |value: io::Result<u64>| {
            let value = value.map_err(StageError::Read)?;
            u32::try_from(value).map_err(|_| StageError::from(bad("an owner that cannot be")))
        };
        let attributes = Attributes {
            mode: head.mode().map_err(StageError::Read)? & 0o7777,
            uid: id(head.uid())?,
            gid: id(head.gid())?,
            mtime: head.mtime().map_err(StageError::Read)?.cast_signed(),
        };
        let device = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or_default();
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        let header = Header {
            path: self.staged(own),
            own: own.to_vec(),
            kind,
            hard_target: self.staged(strip(&target)),
            target,
            attributes,
            size: entry.size(),
            device: (device(head.device_major()), device(head.device_minor())),
        };
        self.note(&header, head);
        Ok(header)
    }

    /// Where a path of the package is staged.
    fn staged(&self, own: &[u8]) -> Vec<u8> {
        let new = if self.conffiles.contains(own) {
            NEW
        } else {
            b""
        };
        [own, new].concat()
    }

    fn note(&mut self, header: &Header, head: &tar::Header) {
        let user = head.username_bytes().unwrap_or_default();
        let group = head.groupname_bytes().unwrap_or_default();
        let is_roots = |name: &[u8], id| id == 0 && (name.is_empty() || name == b"root");
        let Attributes { uid, gid, .. } = header.attributes;
        let roots = is_roots(user, uid) && is_roots(group, gid);
        let owner = (!roots && !header.kind.is_hard_link())
            .then(|| Box::new((user.to_vec(), group.to_vec())));
        let kind = if header.kind.is_dir() {
            Kind::Directory
        } else if header.kind.is_symlink() {
            self.links.insert(header.own.clone());
            Kind::Link(header.target.clone())
        } else if self.conffiles.contains(&header.own) {
            Kind::Conffile
        } else {
            Kind::File
        };
        self.listing.items.push(Item {
            own: header.own.clone(),
            kind,
            attributes: header.attributes,
            owner,
        });
    }

    fn node<'h>(&self, header: &'h Header) -> Result<Node<'h>, StageError> {
        use tar::EntryType as Type;
        let (major, minor) = header.device;
        Ok(match header.kind {
            Type::Regular | Type::Continuous | Type::GNUSparse => Node::File {
                size: header.size,
                extents: None,
            },
            Type::Directory => Node::Directory,
            Type::Char => Node::Character(major, minor),
            Type::Block => Node::Block(major, minor),
            Type::Fifo => Node::Fifo,
            Type::Symlink => Node::Symlink(&header.target),
            Type::Link => Node::HardLink(&header.hard_target),
            _ => {
                let what = "an entry of a kind that packages do not have";
                return Err(self.stage.content(what, &header.own).into());
            }
        })
    }

    /// A line for the `md5sums` that dpkg makes for packages without one.
    fn note_sum(&mut self, header: &Header, md5: Option<Md5>) {
        if !self.sums {
            return;
        }
        let sum = match (md5, header.kind.is_hard_link()) {
            (Some(md5), _) => {
                let bytes = md5.finalize();
                let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                self.known_sums.insert(header.path.clone(), digits.clone());
                Some(digits)
            }
            (None, true) => self.known_sums.get(&header.hard_target).cloned(),
            (None, false) => None,
        };
        if let Some(sum) = sum.filter(|_| !self.conffiles.contains(&header.own)) {
            let path = String::from_utf8_lossy(&header.own);
            // Writing to a String does not fail.
            let _ = writeln!(self.listing.md5sums, "{sum}  {path}");
        }
    }
}

/// Without what says that the path starts at the root.
fn strip(mut path: &[u8]) -> &[u8] {
    if path == b"." {
        return b"";
    }
    while let Some(rest) = path.strip_prefix(b"./").or_else(|| path.strip_prefix(b"/")) {
        path = rest;
    }
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Whether every part is a plain name: no `.`, `..` or nothing, no NUL, and no
/// line end, which a `.list` could not hold.
fn is_plain(path: &[u8]) -> bool {
    path.is_empty()
        || path.split(|b| *b == b'/').all(|part| {
            !part.is_empty()
                && part != b"."
                && part != b".."
                && !part.contains(&0)
                && !part.contains(&b'\n')
        })
}

/// A file's data, digested on its way if asked.
struct Body<'b, R> {
    entry: &'b mut R,
    md5: Option<&'b mut Md5>,
}

impl<R: Read> Read for Body<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.entry.read(buffer)?;
        if let Some(md5) = &mut self.md5 {
            md5.update(&buffer[..n]);
        }
        Ok(n)
    }
}
