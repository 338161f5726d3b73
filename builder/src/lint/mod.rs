//! Looks through a finished tree for what no image may hold, and refuses it:
//! what marks one machine, what is secret, what is stale, and what tells of
//! the host that built it.
//!
//! [`crate::identity`] has stripped what every bootstrap leaves. The lint does
//! not rely on that: packages and scripts make keys and caches in places that
//! no list of files to remove knows, so it has rules of its own ([`rules`])
//! and reads every file. mkosi and mmdebstrap strip and do not look; what
//! they miss is found by users whose machines share an SSH host key.
//!
//! What an image is to hold on purpose is listed in the recipe, under
//! `[lint] allow`. Nothing is changed here, and no link is followed.

mod rules;

use crate::recipe::Recipe;
use crossbeam_channel::{Receiver, Sender};
use hatchery_image::Progress;
use hatchery_image::progress::{Interrupted, Stage, Unit};
use memchr::memmem::Finder;
use rules::Rules;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;

/// Most findings that an error lists; the first ones, by path.
const LISTED_MAX: usize = 20;

/// Deepest folder that is looked into; no path of an archive is longer.
const DEPTH_MAX: usize = 2048;

/// Files are read in pieces of so many bytes.
const PIECE: usize = 1 << 20;

/// Files that wait to be read, at most.
const QUEUE: usize = 1024;

/// Something that no image may hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where, beneath the tree's root.
    pub path: String,
    /// What it is, such as `an SSH host key`.
    pub what: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}: {}", self.path, self.what)
    }
}

/// Why a tree is not packed.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// It holds what no image may hold.
    #[error(
        "the tree holds what no image may hold:{}\nremove it in the recipe's post_install script, \
         or keep it on purpose by listing its path in the recipe: [lint] allow = [\"/{}\"]",
        Listed(.0), .0.first().map_or("", |f| &f.path)
    )]
    Found(
        /// What, sorted by path; never empty.
        Vec<Finding>,
    ),
    /// It cannot be read.
    #[error("cannot {doing} /{path} in the tree, to look for what no image may hold")]
    Read {
        /// Such as `list`.
        doing: &'static str,
        /// Path beneath the tree's root.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

struct Listed<'a>(&'a [Finding]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.0.iter().take(LISTED_MAX) {
            write!(f, "\n  {finding}")?;
        }
        match self.0.len().saturating_sub(LISTED_MAX) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// What of the build host could show in an image.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Folders in which the build works; no file and no link may name one.
    pub folders: Vec<Vec<u8>>,
    /// The host's name; the tree's own names of itself must not be it.
    pub hostname: Option<String>,
}

/// Looks through the tree at `root`, reading with `threads`.
///
/// # Errors
/// [`LintError::Found`] with everything that was found, or what could not be
/// read.
///
/// # Panics
/// Never: the threads that read do not panic.
pub fn lint(
    root: &Path,
    recipe: &Recipe,
    traces: &Traces,
    threads: usize,
    progress: &Progress,
) -> Result<(), LintError> {
    let running = progress.begin(Stage::Lint, None, Unit::Items);
    let rules = Rules::new(recipe, traces);
    let (to_readers, for_readers) = crossbeam_channel::bounded(QUEUE);
    let found = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let files = for_readers.clone();
                let rules = &rules;
                scope.spawn(move || read_all(&files, rules, traces))
            })
            .collect();
        drop(for_readers);
        let mut walk = Walk {
            rules: &rules,
            traces,
            progress,
            to_readers,
            found: Vec::new(),
        };
        let walked = open_root(root).and_then(|top| walk.folder(&top, "", 0));
        let Walk {
            to_readers,
            mut found,
            ..
        } = walk;
        drop(to_readers);
        let mut failed = walked.err();
        for reader in readers {
            match reader.join().expect("reading does not panic") {
                Ok(more) => found.extend(more),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(found), Err)
    });
    let mut found = found?;
    running.advance(1);
    if found.is_empty() {
        return Ok(());
    }
    found.sort();
    found.dedup();
    Err(LintError::Found(found))
}

fn read_error<E: Into<io::Error>>(
    doing: &'static str,
    path: &str,
) -> impl FnOnce(E) -> LintError + use<E> {
    let path = path.to_owned();
    move |source| LintError::Read {
        doing,
        path,
        source: source.into(),
    }
}

fn open_root(root: &Path) -> Result<OwnedFd, LintError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(root, flags, Mode::empty()).map_err(read_error("open", ""))
}

/// A file whose bytes are looked at.
struct Waiting {
    path: String,
    file: File,
}

struct Walk<'a> {
    rules: &'a Rules<'a>,
    traces: &'a Traces,
    progress: &'a Progress,
    to_readers: Sender<Waiting>,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> Result<(), LintError> {
        self.progress.check()?;
        if depth > DEPTH_MAX {
            let error = io::Error::other("folders lie too deep");
            return Err(read_error("list", path)(error));
        }
        for entry in Dir::read_from(folder).map_err(read_error("list", path))? {
            let entry = entry.map_err(read_error("list", path))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let gap = if path.is_empty() { "" } else { "/" };
            let here = format!("{path}{gap}{}", name.to_string_lossy());
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
                kind = FileType::from_raw_mode(stat.map_err(read_error("look at", &here))?.st_mode);
            }
            match kind {
                FileType::Directory => {
                    let flags =
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let inner = rustix::fs::openat(folder, name, flags, Mode::empty())
                        .map_err(read_error("open", &here))?;
                    self.folder(&inner, &here, depth + 1)?;
                }
                FileType::RegularFile => {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = rustix::fs::openat(folder, name, flags, Mode::empty())
                        .map_err(read_error("open", &here))?;
                    self.file(here, file.into())?;
                }
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(folder, name, Vec::new())
                        .map_err(read_error("read the link", &here))?;
                    let names = |t: &Vec<u8>| memchr::memmem::find(target.to_bytes(), t).is_some();
                    if self.traces.folders.iter().any(names) {
                        self.rules.report(&mut self.found, &here, rules::TRACE);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, file: File) -> Result<(), LintError> {
        let metadata = file.metadata().map_err(read_error("look at", &path))?;
        if let Some(what) = self.rules.by_name(&path, metadata.len()) {
            self.rules.report(&mut self.found, &path, what);
        }
        if metadata.len() > 0 {
            // Readers leave only after an error, which they report.
            let _ = self.to_readers.send(Waiting { path, file });
        }
        Ok(())
    }
}

/// Looks at the bytes of files until there are no more.
fn read_all(
    files: &Receiver<Waiting>,
    rules: &Rules<'_>,
    traces: &Traces,
) -> Result<Vec<Finding>, LintError> {
    let finders: Vec<Finder<'_>> = traces.folders.iter().map(|t| Finder::new(t)).collect();
    let overlap = traces.folders.iter().map(Vec::len).max().unwrap_or(1) - 1;
    let mut found = Vec::new();
    let mut buffer = vec![0; overlap + PIECE];
    for Waiting { path, mut file } in files {
        // What a piece may begin with, because the one before ended with it.
        let mut kept = 0;
        let mut is_first = true;
        loop {
            let read = file
                .read(&mut buffer[kept..])
                .map_err(read_error("read", &path))?;
            if read == 0 {
                break;
            }
            let bytes = &buffer[..kept + read];
            if is_first && let Some(what) = rules.by_content(&path, bytes) {
                rules.report(&mut found, &path, what);
            }
            is_first = false;
            if finders.iter().any(|f| f.find(bytes).is_some()) {
                rules.report(&mut found, &path, rules::TRACE);
                break;
            }
            let end = kept + read;
            let begin = end.saturating_sub(overlap);
            buffer.copy_within(begin..end, 0);
            kept = end - begin;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
