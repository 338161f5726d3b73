//! Looks through a finished tree for what no image may hold, and refuses it:
//! what marks one machine, what is secret, what is stale, and what tells of
//! the host that built it.
//!
//! [`crate::identity`] has stripped what every bootstrap leaves. The lint does
//! not rely on that: packages and scripts make keys and caches in places that
//! no list of files to remove knows, so it has rules of its own ([`rules`]).
//! mkosi and mmdebstrap strip and do not look; what they miss is found by
//! users whose machines share an SSH host key. Paths of the build host are
//! looked for while packing ([`hatchery_image::archive::PackOptions::traces`]),
//! which reads every byte anyway.
//!
//! What an image is to hold on purpose is listed in the recipe, under
//! `[lint] allow`. Nothing is changed here, and no link is followed.

mod rules;

use crate::recipe::Recipe;
use hatchery_image::Progress;
use hatchery_image::progress::{Interrupted, Stage, Unit};
use rules::Rules;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Most findings that an error lists; the first ones, by path.
const LISTED_MAX: usize = 20;

/// Deepest folder that is looked into; no path of an archive is longer.
const DEPTH_MAX: usize = 2048;

/// How much of a file is looked at, in bytes: private keys are short.
const READ_MAX: u64 = 1 << 20;

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

/// Looks through the tree at `root`. `hostname` is the build host's name.
///
/// # Errors
/// [`LintError::Found`] with everything that was found, or what could not be
/// read.
pub fn lint(
    root: &Path,
    recipe: &Recipe,
    hostname: Option<&str>,
    progress: &Progress,
) -> Result<(), LintError> {
    let _running = progress.begin(Stage::Lint, None, Unit::Items);
    let mut walk = Walk {
        rules: Rules::new(recipe, hostname),
        progress,
        found: Vec::new(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = rustix::fs::open(root, flags, Mode::empty()).map_err(read_error("open", ""))?;
    walk.folder(&top, "", 0)?;
    if walk.found.is_empty() {
        return Ok(());
    }
    walk.found.sort();
    Err(LintError::Found(walk.found))
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

struct Walk<'a> {
    rules: Rules<'a>,
    progress: &'a Progress,
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
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match kind {
                FileType::Directory => {
                    let inner =
                        rustix::fs::openat(folder, name, flags | OFlags::DIRECTORY, Mode::empty())
                            .map_err(read_error("open", &here))?;
                    self.folder(&inner, &here, depth + 1)?;
                }
                FileType::RegularFile if self.rules.concern(&here) => {
                    let file = rustix::fs::openat(folder, name, flags, Mode::empty())
                        .map_err(read_error("open", &here))?;
                    self.file(here, file.into())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, file: File) -> Result<(), LintError> {
        let mut bytes = Vec::new();
        file.take(READ_MAX)
            .read_to_end(&mut bytes)
            .map_err(read_error("read", &path))?;
        if let Some(what) = self.rules.judge(&path, &bytes) {
            self.found.push(Finding { path, what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
