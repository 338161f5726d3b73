//! Unpacking: entries go through [`crate::place`], whatever brings them.
//!
//! An archive with a table of contents is unpacked by several threads, each
//! of which takes one frame after another (with those that continue its last
//! file). Any order of the frames gives the same tree: nothing is replaced,
//! parents that are not there yet are made, hard links wait until all files
//! are there, and directories get their owner, mode and time at the end. An
//! archive without one is read in the order of its entries; only there may a
//! later entry replace an earlier one of the same type, as with GNU tar.

use super::ArchiveError;
use super::arriving::Arriving;
use super::entries::{Entries, Entry, Kind, Source};
use super::limits::Budget;
use super::stream;
use super::toc::{Frame, Frames};
use super::verified::VerifiedArchive;
use crate::manifest::Unpacked;
use crate::place::{self, FileType, Node, PlaceError, Placer, Resolve, Root};
use crate::progress::{Progress, Running, Stage, Unit};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Most threads that unpack.
const THREADS_MAX: usize = 8;

/// Memory that all of them may take for frames, in bytes: each holds one
/// compressed and one uncompressed.
const MEMORY: u64 = 56 << 20;

/// Progress is reported after so many bytes.
const REPORTED: u64 = 1 << 20;

/// Unpacks a verified archive beneath `root`, which should be empty, refusing
/// anything beyond `limits` or out of the root.
///
/// Owner, mode, times, extended attributes, holes, hard links, devices and
/// FIFOs are kept. Symbolic links are made but never followed, however the
/// root resolves paths. Nothing is synced: [`Root::sync`] does that, before
/// the tree is made visible. After an error the caller removes what is there.
///
/// # Errors
/// Which entry was refused and why, or what the system said; outside of the
/// initial user namespace, a device is refused by the kernel.
pub fn unpack(
    archive: &VerifiedArchive,
    root: &Root,
    limits: &Unpacked,
    threads: usize,
    progress: &Progress,
) -> Result<(), ArchiveError> {
    let running = progress.begin(Stage::Unpack, Some(limits.bytes), Unit::Bytes);
    let unpacking = Unpacking::new(root, limits, &running)?;
    match archive.frames()? {
        Some(table) => {
            let fetch = |frame: &Frame, buffer| archive.frame(frame, buffer);
            unpacking.frames(&fetch, &table.frames, threads)
        }
        None => unpacking.stream(archive, threads),
    }
}

/// The same for an archive that is still arriving, with the table of contents
/// that its signed manifest names.
///
/// # Errors
/// As [`unpack`]; [`ArchiveError::Stopped`] if no more of it will come.
pub fn unpack_arriving(
    archive: &Arriving,
    table: &Frames,
    root: &Root,
    limits: &Unpacked,
    threads: usize,
    progress: &Progress,
) -> Result<(), ArchiveError> {
    let running = progress.begin(Stage::Unpack, Some(limits.bytes), Unit::Bytes);
    let unpacking = Unpacking::new(root, limits, &running)?;
    let fetch = |frame: &Frame, buffer| archive.frame(frame, buffer);
    unpacking.frames(&fetch, &table.frames, threads)
}

/// How a compressed frame is had, compared with its digest; the buffer is
/// used again.
type Fetch<'a> = &'a (dyn Fn(&Frame, Vec<u8>) -> Result<Vec<u8>, ArchiveError> + Sync);

/// What all threads share.
struct Unpacking<'a> {
    root: Root,
    budget: Budget,
    running: &'a Running,
}

/// What must wait until everything else is there.
#[derive(Default)]
struct Later {
    directories: Vec<Entry>,
    links: Vec<Entry>,
}

/// Whether entries come in the order of the tar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By frames: hard links wait, nothing is replaced.
    Any,
    /// One after another.
    Tar,
}

impl<'r> Unpacking<'r> {
    fn new(root: &Root, limits: &Unpacked, running: &'r Running) -> Result<Self, ArchiveError> {
        Ok(Self {
            root: root.with(Resolve::Beneath)?,
            budget: Budget::new(limits),
            running,
        })
    }

    fn frames(
        &self,
        fetch: Fetch<'_>,
        frames: &[Frame],
        threads: usize,
    ) -> Result<(), ArchiveError> {
        let each = frames.iter().map(|f| f.uncompressed + f.length);
        let fit = MEMORY / each.max().unwrap_or(1).max(1);
        let fit = usize::try_from(fit).unwrap_or(usize::MAX);
        let threads = threads.min(fit).clamp(1, THREADS_MAX);
        let groups = groups(frames);
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let done = Mutex::new(BTreeMap::new());
        thread::scope(|scope| {
            for _ in 0..threads.min(groups.len()) {
                scope.spawn(|| {
                    let mut worker = Worker {
                        placer: self.root.placer(),
                        buffer: Vec::new(),
                        compressed: Vec::new(),
                    };
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= groups.len() || stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let last = index + 1 == groups.len();
                        let frames = &frames[groups[index].clone()];
                        let result = self.group(fetch, frames, last, &mut worker);
                        if result.is_err() {
                            stop.store(true, Ordering::Relaxed);
                        }
                        done.lock().expect("no thread panics").insert(index, result);
                    }
                });
            }
        });
        let mut all = Later::default();
        for (_, result) in done.into_inner().expect("no thread panics") {
            let later = result?;
            all.directories.extend(later.directories);
            all.links.extend(later.links);
        }
        let mut placer = self.root.placer();
        for link in &all.links {
            self.running.check()?;
            placer.place_slice(&link.placed(), b"")?;
        }
        self.finish(all.directories)
    }

    /// One frame and those that continue its last file.
    fn group<'w>(
        &self,
        fetch: Fetch<'_>,
        frames: &[Frame],
        last: bool,
        worker: &mut Worker<'w>,
    ) -> Result<Later, ArchiveError> {
        let source = FrameSource {
            fetch,
            running: self.running,
            frames: frames.iter(),
            compressed: std::mem::take(&mut worker.compressed),
            decompressor: zstd::bulk::Decompressor::new().map_err(undecoded)?,
        };
        let mut entries = Entries::new(source, std::mem::take(&mut worker.buffer));
        let mut later = Later::default();
        let result = self.entries(&mut entries, &mut worker.placer, Order::Any, &mut later);
        // Stock tar stops at the end's mark; so nothing may come after it.
        let ended = entries.ended();
        let (source, buffer) = entries.into_parts();
        worker.buffer = buffer;
        worker.compressed = source.compressed;
        result?;
        if ended != last || source.frames.len() > 0 {
            return Err(ArchiveError::table(
                "the tar does not end with its last frame",
            ));
        }
        Ok(later)
    }

    fn stream(&self, archive: &VerifiedArchive, threads: usize) -> Result<(), ArchiveError> {
        stream::decompressed(archive, threads, self.running, |source| {
            let mut entries = Entries::new(source, Vec::new());
            let mut later = Later::default();
            let mut placer = self.root.placer();
            self.entries(&mut entries, &mut placer, Order::Tar, &mut later)?;
            self.finish(later.directories)
        })
    }

    fn entries<S: Source>(
        &self,
        entries: &mut Entries<S>,
        placer: &mut Placer<'_>,
        order: Order,
        later: &mut Later,
    ) -> Result<(), ArchiveError> {
        let mut unreported = 0;
        while let Some(entry) = entries.next()? {
            self.running.check()?;
            let size = match entry.kind {
                Kind::File { size, .. } => size,
                _ => 0,
            };
            self.budget.entry(&entry.path, size)?;
            self.budget.overhead(&entry.path, entry.head)?;
            match entry.kind {
                Kind::HardLink(_) if order == Order::Any => {
                    place::clean(&entry.path, Resolve::Beneath)?;
                    later.links.push(self.remember(entry)?);
                    continue;
                }
                Kind::Directory => {
                    placer.place_slice(&entry.placed(), b"")?;
                    later.directories.push(self.remember(entry)?);
                    continue;
                }
                _ => {}
            }
            if let Err(error) = place_with(placer, &entry, entries) {
                if order == Order::Any || !same_type_is_there(placer, &entry, &error)? {
                    return Err(error);
                }
                placer.remove(&entry.path)?;
                place_with(placer, &entry, entries)?;
            }
            unreported += size;
            if unreported >= REPORTED {
                self.running.advance(unreported);
                unreported = 0;
            }
        }
        self.running.advance(unreported);
        Ok(())
    }

    fn remember(&self, entry: Entry) -> Result<Entry, ArchiveError> {
        let target = match &entry.kind {
            Kind::HardLink(target) => target.len(),
            _ => 0,
        };
        let xattrs: usize = entry.xattrs.iter().map(|(n, v)| n.len() + v.len()).sum();
        let bytes = size_of::<Entry>() + entry.path.len() + target + xattrs;
        self.budget.remember(&entry.path, bytes)?;
        Ok(entry)
    }

    /// Directories last; of several entries for one, the last counts.
    fn finish(&self, directories: Vec<Entry>) -> Result<(), ArchiveError> {
        let mut by_path = BTreeMap::new();
        for entry in directories {
            let path = place::clean(&entry.path, Resolve::Beneath)?.into_owned();
            by_path.insert(path, entry);
        }
        let sorted: Vec<_> = by_path.values().map(Entry::placed).collect();
        Ok(self.root.finish_directories(&sorted)?)
    }
}

/// What a thread uses again.
struct Worker<'r> {
    placer: Placer<'r>,
    buffer: Vec<u8>,
    compressed: Vec<u8>,
}

impl Entry {
    fn placed(&self) -> place::Entry<'_> {
        place::Entry {
            path: &self.path,
            node: match &self.kind {
                Kind::File { size, extents } => Node::File {
                    size: *size,
                    extents: extents.as_deref(),
                },
                Kind::Directory => Node::Directory,
                Kind::Symlink(target) => Node::Symlink(target),
                Kind::HardLink(target) => Node::HardLink(target),
                Kind::Character(major, minor) => Node::Character(*major, *minor),
                Kind::Block(major, minor) => Node::Block(*major, *minor),
                Kind::Fifo => Node::Fifo,
            },
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            xattrs: &self.xattrs,
        }
    }
}

fn place_with<S: Source>(
    placer: &mut Placer<'_>,
    entry: &Entry,
    entries: &mut Entries<S>,
) -> Result<(), ArchiveError> {
    if let Some(data) = entries.data() {
        placer.place_slice(&entry.placed(), data)?;
        return Ok(());
    }
    let mut reader = entries.reader();
    match placer.place(&entry.placed(), &mut reader) {
        Ok(_) => Ok(()),
        Err(error) => match reader.failure() {
            Some(behind) => Err(behind),
            None => Err(error.into()),
        },
    }
}

/// Whether an entry failed only because an earlier one of its path and type
/// is there.
fn same_type_is_there(
    placer: &mut Placer<'_>,
    entry: &Entry,
    error: &ArchiveError,
) -> Result<bool, ArchiveError> {
    if !matches!(error, ArchiveError::Place(PlaceError::Exists { .. })) {
        return Ok(false);
    }
    let kind = match entry.kind {
        Kind::File { .. } => FileType::RegularFile,
        Kind::Symlink(_) => FileType::Symlink,
        Kind::Character(..) => FileType::CharacterDevice,
        Kind::Block(..) => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Directory | Kind::HardLink(_) => return Ok(false),
    };
    Ok(placer.found(&entry.path)? == Some(kind))
}

/// Frames that belong together: one, and those that continue its last file.
fn groups(frames: &[Frame]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        match groups.last_mut() {
            Some(last) if frame.continues => last.end = index + 1,
            _ => groups.push(index..index + 1),
        }
    }
    groups
}

/// Tar bytes from one frame after another.
struct FrameSource<'a> {
    fetch: Fetch<'a>,
    running: &'a Running,
    frames: std::slice::Iter<'a, Frame>,
    compressed: Vec<u8>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

fn undecoded(source: io::Error) -> ArchiveError {
    ArchiveError::Frame { source }
}

impl Source for FrameSource<'_> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        self.running.check()?;
        let Some(frame) = self.frames.next() else {
            return Ok(false);
        };
        self.compressed = (self.fetch)(frame, std::mem::take(&mut self.compressed))?;
        let length = usize::try_from(frame.uncompressed).expect("a frame is bounded");
        let n = if out.is_empty() {
            out.reserve_exact(length);
            self.decompressor
                .decompress_to_buffer(&self.compressed, out)
                .map_err(undecoded)?
        } else {
            let more = self
                .decompressor
                .decompress(&self.compressed, length)
                .map_err(undecoded)?;
            out.extend_from_slice(&more);
            more.len()
        };
        if n != length {
            let what = "a frame does not have the length that the table says";
            return Err(ArchiveError::table(what));
        }
        Ok(true)
    }
}
