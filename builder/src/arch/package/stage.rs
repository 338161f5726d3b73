//! One package's contents, unpacked into a folder of their own.
//!
//! Packages so never meet while they are unpacked side by side;
//! [`crate::arch::install`] moves them into the tree one after another. What
//! pacman would not extract is not there: metadata (names at the top that
//! begin with a dot), what NoExtract names, and what is not in the `.MTREE`.

use super::digest::md5_of;
use super::reader::{Watched, decompressed};
use super::staged::{Attributes, Item, Kind, Metadata, Staged};
use super::{PackageError, PkgInfo, Proof, VerifiedPackage, is_plain, mtree, pkginfo, shown};
use crate::arch::pattern::Patterns;
use crate::beneath::{self, ancestors};
use crate::plan::PlannedPackage;
use hatchery_image::Progress;
use hatchery_image::archive::{ArchiveError, Entry as TarEntry, Kind as TarKind, TarStream};
use hatchery_image::place::{Entry, FileType, Node, PlaceError, Placed, Placer, Root};
use rustix::fs::AtFlags;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

/// Most members of a package. The largest in Arch have about 150,000.
const ENTRIES_MAX: usize = 4_000_000;

/// Most decompressed bytes of a package. The largest in Arch, game data and
/// CUDA, take 10 GB.
const BYTES_MAX: u64 = 64 << 30;

/// Longest scriptlet or change log that is kept, in bytes.
const SCRIPT_MAX: u64 = 64 << 20;

/// How packages are unpacked.
pub(in crate::arch) struct Stager<'a> {
    /// What is not extracted.
    pub(in crate::arch) no_extract: &'a Patterns,
    pub(in crate::arch) progress: &'a Progress,
}

impl Stager<'_> {
    /// Unpacks a package into an empty folder.
    ///
    /// # Errors
    /// It is not the planned one, breaks a rule or a limit, or cannot be
    /// written.
    pub(in crate::arch) fn stage(
        &self,
        package: VerifiedPackage,
        planned: &PlannedPackage,
        folder: &Root,
    ) -> Result<Staged, PackageError> {
        let staged = self.unwatched(package, planned, folder);
        // What stopped in the middle of a file stopped because of that.
        staged.or_else(|error| self.progress.check().map_err(Into::into).and(Err(error)))
    }

    fn unwatched(
        &self,
        package: VerifiedPackage,
        planned: &PlannedPackage,
        folder: &Root,
    ) -> Result<Staged, PackageError> {
        let (file, proof) = package.into_parts();
        let name = planned.name.as_str();
        let reader = decompressed(file).map_err(|source| PackageError::Read {
            package: name.to_owned(),
            source,
        })?;
        let mut staging = Staging {
            name,
            stager: self,
            placer: folder.placer(),
            items: Vec::new(),
            links: HashSet::new(),
            skipped: HashSet::new(),
            members: BTreeMap::new(),
        };
        let watched = Watched::new(reader, self.progress);
        let mut tar = TarStream::new(watched.take(BYTES_MAX));
        let mut number = 0;
        while let Some(entry) = tar.next_entry().map_err(|e| staging.tar(e))? {
            self.progress.check()?;
            number += 1;
            if number > ENTRIES_MAX {
                return Err(staging.content("too many entries", b""));
            }
            staging.entry(entry, &mut tar)?;
        }
        // The decompressor checks its sums at the very end.
        let mut rest = tar.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|e| staging.read(e))?;
        if rest.limit() == 0 {
            return Err(staging.content("too many bytes", b""));
        }
        staging.finish(planned, proof, folder)
    }
}

/// A package on its way.
struct Staging<'w> {
    name: &'w str,
    stager: &'w Stager<'w>,
    placer: Placer<'w>,
    items: Vec<Item>,
    /// Symbolic links so far.
    links: HashSet<Vec<u8>>,
    /// What was not to be extracted so far.
    skipped: HashSet<Vec<u8>>,
    /// The package's own metadata.
    members: BTreeMap<Vec<u8>, Metadata>,
}

impl Staging<'_> {
    fn entry<R: Read>(
        &mut self,
        entry: TarEntry,
        tar: &mut TarStream<R>,
    ) -> Result<(), PackageError> {
        let path =
            plain(&entry.path).ok_or_else(|| self.content("a path that cannot be", &entry.path))?;
        if path.is_empty() {
            return match entry.kind {
                TarKind::Directory => Ok(()),
                _ => Err(self.content("something else than a directory at its top", b"")),
            };
        }
        if path.starts_with(b".") {
            return self.member(path.to_vec(), &entry, tar);
        }
        // What packs a folder never does that; only what means harm.
        if !self.links.is_empty() && ancestors(path).any(|a| self.links.contains(a)) {
            return Err(self.content("a path that leads through a link of its own", path));
        }
        let is_directory = matches!(entry.kind, TarKind::Directory);
        if self.stager.no_extract.matches(&listed(path, is_directory)) {
            self.skipped.insert(path.to_vec());
            return Ok(());
        }
        if let TarKind::HardLink(target) = &entry.kind
            && plain(target).is_some_and(|target| self.skipped.contains(target))
        {
            // As with pacman, which says so, too, and goes on.
            self.skipped.insert(path.to_vec());
            self.stager.progress.warn(format!(
                "{} of the package {} is another name of {}, which is not to be extracted: it is \
                 left out, too",
                shown(path),
                self.name,
                shown(target)
            ));
            return Ok(());
        }
        let node = match &entry.kind {
            TarKind::File { size, extents } => Node::File {
                size: *size,
                extents: extents.as_deref(),
            },
            TarKind::Directory => Node::Directory,
            TarKind::Symlink(target) => Node::Symlink(target),
            TarKind::HardLink(target) => Node::HardLink(target),
            TarKind::Character(major, minor) => Node::Character(*major, *minor),
            TarKind::Block(major, minor) => Node::Block(*major, *minor),
            TarKind::Fifo => Node::Fifo,
        };
        let to_place = Entry {
            path,
            node,
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            xattrs: &entry.xattrs,
        };
        let placed = match tar.data() {
            Some(data) => self.placer.place_slice(&to_place, data),
            None => self.placer.place(&to_place, &mut tar.reader()),
        };
        let placed = placed.map_err(|source| self.place(source))?;
        let is_link = match &entry.kind {
            TarKind::Symlink(_) => true,
            // It is one where it was made from one.
            TarKind::HardLink(_) => {
                let found = self.placer.found(path).map_err(|e| self.place(e))?;
                found == Some(FileType::Symlink)
            }
            _ => false,
        };
        if placed == Placed::Kept && (is_link || self.links.contains(path)) {
            return Err(self.content("a link and a directory of one name", path));
        }
        if is_link {
            self.links.insert(path.to_vec());
        }
        self.note(path.to_vec(), entry);
        Ok(())
    }

    fn note(&mut self, path: Vec<u8>, entry: TarEntry) {
        self.items.push(Item {
            kind: match entry.kind {
                TarKind::Directory => Kind::Directory,
                _ => Kind::Other,
            },
            attributes: Attributes {
                mode: entry.mode & 0o7777,
                uid: entry.uid,
                gid: entry.gid,
                mtime: entry.mtime,
                xattrs: entry.xattrs,
            },
            path,
        });
    }

    /// Something at the top that begins with a dot: metadata, or nothing that
    /// is installed.
    fn member<R: Read>(
        &mut self,
        path: Vec<u8>,
        entry: &TarEntry,
        tar: &mut TarStream<R>,
    ) -> Result<(), PackageError> {
        let limit = match path.as_slice() {
            b".PKGINFO" => pkginfo::PKGINFO_MAX,
            b".MTREE" => mtree::COMPRESSED_MAX,
            b".INSTALL" | b".CHANGELOG" => SCRIPT_MAX,
            _ => return Ok(()),
        };
        let TarKind::File {
            size,
            extents: None,
        } = entry.kind
        else {
            return Err(self.content("metadata that is no plain file", &path));
        };
        if size > limit {
            return Err(self.content("metadata that is too long", &path));
        }
        let mut bytes = Vec::new();
        let read = tar.reader().take(limit).read_to_end(&mut bytes);
        let read = read.map_err(|e| self.read(e))?;
        if read as u64 != size {
            return Err(self.read(io::ErrorKind::UnexpectedEof.into()));
        }
        let mtime = entry.mtime.0;
        self.members.insert(path, Metadata { bytes, mtime });
        Ok(())
    }

    fn finish(
        mut self,
        planned: &PlannedPackage,
        proof: Proof,
        folder: &Root,
    ) -> Result<Staged, PackageError> {
        let info = self.members.remove(b".PKGINFO".as_slice());
        let info = info.ok_or_else(|| self.content("no .PKGINFO", b""))?;
        let info = PkgInfo::parse(&String::from_utf8_lossy(&info.bytes));
        check(planned, &info)?;
        let mtree = self.members.remove(b".MTREE".as_slice());
        let paths = match &mtree {
            Some(mtree) => {
                let paths = mtree::paths(&mtree.bytes).map_err(|e| self.read(e))?;
                self.drop_unlisted(&paths, folder)?;
                paths
            }
            None => self.own_paths(),
        };
        let sums = self.sums(&info, folder)?;
        Ok(Staged {
            info,
            proof,
            items: self.items,
            paths,
            sums,
            mtree,
            install: self.members.remove(b".INSTALL".as_slice()),
            changelog: self.members.remove(b".CHANGELOG".as_slice()),
        })
    }

    /// The paths of a package that does not list them.
    fn own_paths(&self) -> Vec<Vec<u8>> {
        let mut paths: Vec<Vec<u8>> = self.items.iter().map(Item::listed).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Removes what the package does not list, as pacman does not extract it.
    fn drop_unlisted(&mut self, paths: &[Vec<u8>], folder: &Root) -> Result<(), PackageError> {
        let known: HashSet<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        let (kept, unlisted): (Vec<_>, Vec<_>) = std::mem::take(&mut self.items)
            .into_iter()
            .partition(|item| known.contains(item.listed().as_slice()));
        self.items = kept;
        for item in unlisted.iter().rev() {
            self.stager.progress.warn(format!(
                "{} is not in the file list of the package {}: it is not unpacked",
                shown(&item.path),
                self.name
            ));
            let flags = match item.kind {
                Kind::Directory => AtFlags::REMOVEDIR,
                Kind::Other => AtFlags::empty(),
            };
            // A directory with something listed in it stays, as an implied
            // one; what was there twice is gone already.
            use rustix::io::Errno;
            match beneath::remove(folder, &item.path, flags) {
                Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => {}
                Err(error) => return Err(self.read(error.into())),
            }
        }
        Ok(())
    }

    /// Digests the files that are kept when a package is upgraded.
    fn sums(
        &self,
        info: &PkgInfo,
        folder: &Root,
    ) -> Result<BTreeMap<Vec<u8>, String>, PackageError> {
        let mut sums = BTreeMap::new();
        let there: HashSet<&[u8]> = match info.backup.is_empty() {
            true => HashSet::new(),
            false => self.items.iter().map(|i| i.path.as_slice()).collect(),
        };
        for path in info.backup.iter().map(String::as_bytes) {
            if there.contains(path) {
                let sum = md5_of(folder, path).map_err(|e| self.read(e))?;
                sums.extend(sum.map(|sum| (path.to_vec(), sum)));
            }
        }
        Ok(sums)
    }

    fn content(&self, what: &'static str, path: &[u8]) -> PackageError {
        PackageError::Content {
            package: self.name.to_owned(),
            what,
            path: shown(path),
        }
    }

    fn place(&self, source: PlaceError) -> PackageError {
        PackageError::Place {
            package: self.name.to_owned(),
            source,
        }
    }

    fn read(&self, source: io::Error) -> PackageError {
        PackageError::Read {
            package: self.name.to_owned(),
            source,
        }
    }

    fn tar(&self, source: ArchiveError) -> PackageError {
        PackageError::Tar {
            package: self.name.to_owned(),
            source,
        }
    }
}

impl Item {
    fn listed(&self) -> Vec<u8> {
        listed(&self.path, self.kind == Kind::Directory)
    }
}

/// A path as a database lists it, and as patterns see it.
fn listed(path: &[u8], is_directory: bool) -> Vec<u8> {
    let mut path = path.to_vec();
    if is_directory {
        path.push(b'/');
    }
    path
}

fn check(planned: &PlannedPackage, info: &PkgInfo) -> Result<(), PackageError> {
    let architecture = info.architecture.as_deref().unwrap_or_default();
    let say = |name: &str, version: &str, architecture: &str| {
        format!("{name} {version} ({architecture})")
    };
    let found = say(&info.name, &info.version, architecture);
    let planned = say(&planned.name, &planned.version, &planned.architecture);
    if planned == found {
        return Ok(());
    }
    Err(PackageError::Other { planned, found })
}

/// A path without what says that it starts at the root, if it is a plain one.
fn plain(mut path: &[u8]) -> Option<&[u8]> {
    if path == b"." || path == b"./" {
        return Some(b"");
    }
    path = path.strip_prefix(b"./").unwrap_or(path);
    path = path.strip_suffix(b"/").unwrap_or(path);
    is_plain(path).then_some(path)
}

#[cfg(test)]
mod tests;
