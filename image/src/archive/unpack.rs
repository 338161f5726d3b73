//! Unpacking: entries go through [`crate::place`], whatever brings them.
//!
//! An archive with a table of contents is unpacked by several threads, each
//! of which takes one frame after another (with those that continue its last
//! file). Any order of the frames gives the same tree: nothing is replaced,
//! parents that are not there yet are made, hard links wait until all files
//! are there, and directories get their owner, mode and time at the end
//! ([`super::directories`]). An
//! archive without one is read in the order of its entries; only there may a
//! later entry replace an earlier one of the same type, as with GNU tar.

use super::ArchiveError;
use super::arriving::Arriving;
use super::directories::Directories;
use super::entries::{Entries, Entry, Kind, Source};
use super::framed::{Fetch, FrameSource, fitting, groups};
use super::hard_links::Links;
use super::limits::Budget;
use super::stream;
use super::toc::{Frame, Frames};
use super::verified::VerifiedArchive;
use crate::manifest::Unpacked;
use crate::place::{self, FileType, Node, PlaceError, Placer, Resolve, Root};
use crate::progress::{Progress, Running, Stage, Unit};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

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

/// What all threads share.
struct Unpacking<'a> {
    root: Root,
    budget: Budget,
    running: &'a Running,
    directories: Mutex<Directories>,
}

/// Whether entries come in the order of the tar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// By frames, of which these are the ones of this number: hard links
    /// wait, nothing is replaced.
    Any(u32),
    /// One after another.
    Tar,
}

impl<'r> Unpacking<'r> {
    fn new(root: &Root, limits: &Unpacked, running: &'r Running) -> Result<Self, ArchiveError> {
        Ok(Self {
            root: root.with(Resolve::Beneath)?,
            budget: Budget::new(limits),
            running,
            directories: Mutex::new(Directories::new()),
        })
    }

    fn frames(
        &self,
        fetch: Fetch<'_>,
        frames: &[Frame],
        threads: usize,
    ) -> Result<(), ArchiveError> {
        let groups = groups(frames);
        let threads = fitting(frames, threads).min(groups.len());
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let done = Mutex::new(Done::default());
        thread::scope(|scope| {
            for _ in 0..threads {
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
                        let group = Group {
                            frames: &frames[groups[index].clone()],
                            number: u32::try_from(index).expect("frames are bounded"),
                            is_last: index + 1 == groups.len(),
                        };
                        let result = self.group(fetch, &group, &mut worker);
                        if result.is_err() {
                            stop.store(true, Ordering::Relaxed);
                        }
                        done.lock()
                            .expect("no thread panics")
                            .add(group.number, result);
                    }
                });
            }
        });
        let done = done.into_inner().expect("no thread panics");
        if let Some((_, error)) = done.failed {
            return Err(error);
        }
        let mut placer = self.root.placer();
        for links in done.links.values() {
            links.make(&mut placer, || Ok(self.running.check()?))?;
        }
        self.finish(&mut placer)
    }

    /// One frame and those that continue its last file.
    fn group<'w>(
        &self,
        fetch: Fetch<'_>,
        group: &Group<'_>,
        worker: &mut Worker<'w>,
    ) -> Result<Links, ArchiveError> {
        let compressed = std::mem::take(&mut worker.compressed);
        let source = FrameSource::new(fetch, group.frames, compressed, self.running)?;
        let mut entries = Entries::new(source, std::mem::take(&mut worker.buffer));
        let mut links = Links::default();
        let order = Order::Any(group.number);
        let result = self.entries(&mut entries, &mut worker.placer, order, &mut links);
        // Stock tar stops at the end's mark; so nothing may come after it.
        let ended = entries.ended();
        let (source, buffer) = entries.into_parts();
        let left = source.left();
        worker.buffer = buffer;
        worker.compressed = source.into_buffer();
        result?;
        if ended != group.is_last || left > 0 {
            return Err(ArchiveError::table(
                "the tar does not end with its last frame",
            ));
        }
        links.close();
        Ok(links)
    }

    fn stream(&self, archive: &VerifiedArchive, threads: usize) -> Result<(), ArchiveError> {
        stream::decompressed(archive, threads, self.running, |source| {
            let mut entries = Entries::new(source, Vec::new());
            let mut placer = self.root.placer();
            let mut none = Links::default();
            self.entries(&mut entries, &mut placer, Order::Tar, &mut none)?;
            self.finish(&mut placer)
        })
    }

    fn entries<S: Source>(
        &self,
        entries: &mut Entries<S>,
        placer: &mut Placer<'_>,
        order: Order,
        links: &mut Links,
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
            match (&entry.kind, order) {
                (Kind::HardLink(target), Order::Any(_)) => {
                    links.add(&entry.path, target, &self.budget)?;
                    continue;
                }
                (Kind::Directory, _) => {
                    placer.place_slice(&entry.placed(), b"")?;
                    self.remember(&entry, order)?;
                    continue;
                }
                _ => {}
            }
            if let Err(error) = place_with(placer, &entry, entries) {
                if order != Order::Tar || !same_type_is_there(placer, &entry, &error)? {
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

    fn remember(&self, entry: &Entry, order: Order) -> Result<(), ArchiveError> {
        let order = match order {
            Order::Any(number) => number,
            Order::Tar => 0,
        };
        let mut directories = self.directories.lock().expect("no thread panics");
        directories.add(entry, order, &self.budget)
    }

    /// Directories last.
    fn finish(&self, placer: &mut Placer<'_>) -> Result<(), ArchiveError> {
        let directories = self.directories.lock().expect("no thread panics");
        directories.finish(placer, || Ok(self.running.check()?))
    }
}

/// Frames that belong together.
struct Group<'f> {
    frames: &'f [Frame],
    number: u32,
    is_last: bool,
}

/// What came of the groups, by their numbers.
#[derive(Default)]
struct Done {
    links: BTreeMap<u32, Links>,
    /// The first that failed.
    failed: Option<(u32, ArchiveError)>,
}

impl Done {
    fn add(&mut self, number: u32, result: Result<Links, ArchiveError>) {
        match result {
            Ok(links) if links.is_empty() => {}
            Ok(links) => drop(self.links.insert(number, links)),
            Err(error) => {
                let is_first = self.failed.as_ref().is_none_or(|(n, _)| number < *n);
                if is_first {
                    self.failed = Some((number, error));
                }
            }
        }
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
