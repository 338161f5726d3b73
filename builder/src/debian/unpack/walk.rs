//! One package's contents: every entry of its tar, put where it belongs.
//!
//! As dpkg: a conffile becomes `PATH.dpkg-new`, a diverted path lies
//! elsewhere, the list of paths keeps the tar's order and spelling. Symbolic
//! links are left to [`super::settle`], so that no link that one package
//! ships changes where another thread's files go.

use super::alias::{Alias, resolve};
use super::error::{UnpackError, shown};
use super::ledger::{Attributes, Claimed, Class, Ledger};
use crate::debian::control::Control;
use crate::debian::diversions::Diversions;
use hatchery_image::Progress;
use hatchery_image::place::{Entry, Node, PlaceError, Placer};
use md5::{Digest as _, Md5};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Read};

/// Most entries of a package. The largest in Debian have about 100,000.
const ENTRIES_MAX: usize = 4_000_000;

/// Most decompressed bytes of a package. The largest in Debian 13, game data,
/// takes 5 GB.
const BYTES_MAX: u64 = 64 << 30;

/// What unpacking a package left to do and to write down.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The text of its `.list`.
    pub(super) paths: Vec<u8>,
    /// Links that are still to be made, in the tar's order.
    pub(super) links: Vec<Link>,
    /// Paths that another package had already.
    pub(super) contended: Vec<Contended>,
    /// Entries that may belong to others by name than by number.
    pub(super) owners: Vec<Owner>,
    /// The text of a `md5sums` that the package does not bring.
    pub(super) md5sums: String,
}

/// A symbolic link, or a hard link to one.
#[derive(Debug)]
pub(super) struct Link {
    /// Where it lies beneath the root.
    pub(super) path: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) hard: bool,
    pub(super) attributes: Attributes,
}

/// See [`Listing::contended`].
#[derive(Clone, Debug)]
pub(super) struct Contended {
    /// As the package says it.
    pub(super) own: Vec<u8>,
    /// Where it lies.
    pub(super) path: Vec<u8>,
    pub(super) class: Class,
    /// Who was quicker.
    pub(super) by: usize,
}

/// See [`Listing::owners`].
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) path: Vec<u8>,
    pub(super) attributes: Attributes,
    pub(super) user: Vec<u8>,
    pub(super) group: Vec<u8>,
}

/// How a package is walked.
pub(super) struct Walk<'a> {
    pub(super) package: usize,
    pub(super) name: &'a str,
    pub(super) control: &'a Control,
    pub(super) aliases: &'a [Alias],
    pub(super) diversions: &'a Diversions,
    pub(super) ledger: &'a Ledger,
    /// Only these paths, as the package says them, and without asking the
    /// ledger: it was decided that they are the package's.
    pub(super) only: Option<&'a BTreeSet<Vec<u8>>>,
    pub(super) progress: &'a Progress,
}

/// Where reading failed, the contents may come from somewhere else.
pub(super) enum WalkError {
    Read(io::Error),
    Other(UnpackError),
}

impl From<UnpackError> for WalkError {
    fn from(error: UnpackError) -> Self {
        Self::Other(error)
    }
}

impl Walk<'_> {
    /// Reads the tar to its end and places what is in it.
    pub(super) fn run(
        &self,
        tar: &mut dyn Read,
        placer: &mut Placer<'_>,
    ) -> Result<Listing, WalkError> {
        let mut walking = Walking {
            walk: self,
            conffiles: self.conffiles(),
            sums: self.control.file("md5sums").is_none(),
            known_sums: HashMap::new(),
            own_links: HashSet::new(),
            listing: Listing::default(),
        };
        let mut archive = tar::Archive::new(tar.take(BYTES_MAX));
        let entries = archive.entries().map_err(WalkError::Read)?;
        for (number, entry) in entries.enumerate() {
            self.progress.check().map_err(UnpackError::from)?;
            if number == ENTRIES_MAX {
                return Err(self.content("too many entries", b"").into());
            }
            walking.entry(entry.map_err(WalkError::Read)?, placer)?;
        }
        // The decompressor checks its sums at the very end.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(WalkError::Read)?;
        if rest.limit() == 0 {
            return Err(self.content("too many bytes", b"").into());
        }
        Ok(walking.listing)
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

    /// Where a path of the package lies on disk.
    fn on_disk(&self, own: &[u8], conffiles: &HashSet<Vec<u8>>) -> Vec<u8> {
        let diverted = self.diversions.target(own, self.control.package());
        let mut path = resolve(self.aliases, diverted.unwrap_or(own)).into_owned();
        if conffiles.contains(own) {
            path.extend_from_slice(b".dpkg-new");
        }
        path
    }
}

/// A walk under way.
struct Walking<'w, 'a> {
    walk: &'w Walk<'a>,
    conffiles: HashSet<Vec<u8>>,
    /// Whether to digest files, because the package brings no `md5sums`.
    sums: bool,
    /// Those of files so far, for hard links to them.
    known_sums: HashMap<Vec<u8>, String>,
    /// Links that this package ships.
    own_links: HashSet<Vec<u8>>,
    listing: Listing,
}

/// An entry's header, read.
struct Header {
    own: Vec<u8>,
    path: Vec<u8>,
    kind: tar::EntryType,
    target: Vec<u8>,
    attributes: Attributes,
    size: u64,
    device: (u32, u32),
}

impl Walking<'_, '_> {
    fn entry<R: Read>(
        &mut self,
        mut entry: tar::Entry<'_, R>,
        placer: &mut Placer<'_>,
    ) -> Result<(), WalkError> {
        let header = self.header(&entry)?;
        let wanted = match self.walk.only {
            Some(only) => only.contains(&header.own),
            None => self.claim(&header),
        };
        if !wanted {
            return Ok(());
        }
        let hard_target = self.walk.on_disk(strip(&header.target), &self.conffiles);
        let Some(node) = self.node(&header, &hard_target)? else {
            return Ok(());
        };
        let Attributes {
            mode,
            uid,
            gid,
            mtime,
        } = header.attributes;
        let to_place = Entry {
            path: &header.path,
            node,
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
                PlaceError::Body { source, .. } => WalkError::Read(source),
                source => WalkError::Other(UnpackError::Place {
                    package: self.walk.name.to_owned(),
                    source,
                }),
            })?;
        self.note_sum(&header, &hard_target, md5);
        Ok(())
    }

    /// Reads and checks the header, and notes what is written down of it.
    fn header<R: Read>(&mut self, entry: &tar::Entry<'_, R>) -> Result<Header, WalkError> {
        let raw = entry.path_bytes();
        let own = strip(&raw);
        let bad = |what| self.walk.content(what, own);
        if !is_plain(own) {
            return Err(bad("a path that cannot be").into());
        }
        let head = entry.header();
        let kind = head.entry_type();
        if own.is_empty() && !kind.is_dir() {
            return Err(bad("something else than a directory at its top").into());
        }
        let id = |value: io::Result<u64>| {
            let value = value.map_err(WalkError::Read)?;
            u32::try_from(value).map_err(|_| WalkError::from(bad("an owner that cannot be")))
        };
        let attributes = Attributes {
            mode: head.mode().map_err(WalkError::Read)? & 0o7777,
            uid: id(head.uid())?,
            gid: id(head.gid())?,
            mtime: head.mtime().map_err(WalkError::Read)?.cast_signed(),
        };
        let device = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or_default();
        let header = Header {
            path: self.walk.on_disk(own, &self.conffiles),
            own: own.to_vec(),
            kind,
            target: entry.link_name_bytes().unwrap_or_default().into_owned(),
            attributes,
            size: entry.size(),
            device: (device(head.device_major()), device(head.device_minor())),
        };
        self.note(&header, head);
        Ok(header)
    }

    fn note(&mut self, header: &Header, head: &tar::Header) {
        let list = &mut self.listing.paths;
        list.push(b'/');
        list.extend_from_slice(if header.own.is_empty() {
            b"."
        } else {
            &header.own
        });
        list.push(b'\n');
        let user = head.username_bytes().unwrap_or_default();
        let group = head.groupname_bytes().unwrap_or_default();
        let roots = |name: &[u8], id| id == 0 && (name.is_empty() || name == b"root");
        let Attributes { uid, gid, .. } = header.attributes;
        if !header.kind.is_hard_link() && !(roots(user, uid) && roots(group, gid)) {
            self.listing.owners.push(Owner {
                path: header.path.clone(),
                attributes: header.attributes,
                user: user.to_vec(),
                group: group.to_vec(),
            });
        }
    }

    /// Asks the ledger. False if another package has the path.
    fn claim(&mut self, header: &Header) -> bool {
        let ledger = self.walk.ledger;
        if header.kind.is_dir() {
            ledger.claim_directory(&header.path, self.walk.package, header.attributes);
            return true;
        }
        let class = if header.kind.is_symlink() {
            Class::Link
        } else {
            Class::File
        };
        let Claimed::By(by) = ledger.claim(&header.path, self.walk.package, class) else {
            return true;
        };
        if class == Class::Link {
            // Its target says whether this is a conflict at all.
            self.push_link(header, header.target.clone(), false);
        }
        self.listing.contended.push(Contended {
            own: header.own.clone(),
            path: header.path.clone(),
            class,
            by,
        });
        false
    }

    fn push_link(&mut self, header: &Header, target: Vec<u8>, hard: bool) {
        self.own_links.insert(header.path.clone());
        self.listing.links.push(Link {
            path: header.path.clone(),
            target,
            hard,
            attributes: header.attributes,
        });
    }

    /// What to make now; none for links that are made later.
    fn node<'t>(
        &mut self,
        header: &Header,
        hard_target: &'t [u8],
    ) -> Result<Option<Node<'t>>, WalkError> {
        use tar::EntryType as Type;
        let (major, minor) = header.device;
        Ok(Some(match header.kind {
            Type::Regular | Type::Continuous | Type::GNUSparse => Node::File {
                size: header.size,
                extents: None,
            },
            Type::Directory => Node::Directory,
            Type::Char => Node::Character(major, minor),
            Type::Block => Node::Block(major, minor),
            Type::Fifo => Node::Fifo,
            Type::Symlink => {
                self.push_link(header, header.target.clone(), false);
                return Ok(None);
            }
            Type::Link if self.own_links.contains(hard_target) => {
                self.push_link(header, hard_target.to_vec(), true);
                return Ok(None);
            }
            Type::Link => Node::HardLink(hard_target),
            _ => {
                let what = "an entry of a kind that packages do not have";
                return Err(self.walk.content(what, &header.own).into());
            }
        }))
    }

    /// A line for the `md5sums` that dpkg makes for packages without one.
    fn note_sum(&mut self, header: &Header, hard_target: &[u8], md5: Option<Md5>) {
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
            (None, true) => self.known_sums.get(hard_target).cloned(),
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
