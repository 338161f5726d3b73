//! A repository's database: what `repo-add` writes and pacman fetches as
//! `core.db`.
//!
//! A tar archive, mostly compressed, of a folder a package, `name-version`,
//! with the file `desc` (read in `desc.rs`); old databases have a part of it in
//! `depends`. There is no specification, so this follows `be_sync.c` of
//! pacman 6.0.2 and is tested against it: as there, the folder decides what a
//! package is called, two folders of one name are one package, what is not
//! known is passed over, and what is damaged makes the whole database
//! unusable. Beyond pacman, values that something is compared with or that
//! become a path are checked, and everything has a limit: databases are mostly
//! not signed.
//!
//! Nothing here touches a disk or decides what to install.

mod desc;
mod stream;

pub use desc::DescError;

use super::dependency::{Dependency, Provision};
use super::version::Version;
use crate::plan::PackageName;
use desc::Draft;
use hatchery_image::Sha256;
use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};

/// Most bytes that a database may decompress to. Arch's core had 600 KB in
/// 2025, and extra has some 50 times as many packages.
pub const DECOMPRESSED_MAX: u64 = 256 << 20;

/// Most files and folders in a database: at 512 bytes each,
/// [`DECOMPRESSED_MAX`] has room for 524,288. Arch's core had 530 in 2025.
const ENTRIES_MAX: usize = 300_000;

/// Longest `desc`, in bytes. The longest in Arch's core had 4 KB in 2025.
const DESC_MAX: u64 = 4 << 20;

/// Most dependencies, groups, licences and the like in a database, each of
/// which takes some 100 bytes of memory and may take two of the database.
/// Arch's core had 2,000 in 2025, and extra has some 50 times as many packages.
const VALUES_MAX: usize = 2_000_000;

/// Most inconsistencies that are told.
const WARNINGS_MAX: usize = 20;

/// A database, read.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// Its packages, sorted by name; no name is there twice.
    pub packages: Vec<Package>,
    /// When it was made, in seconds since 1970: the newest entry's time, or
    /// that of the newest package if entries have none.
    pub newest: i64,
    /// What pacman, too, complains about and then goes on with.
    pub warnings: Vec<String>,
}

/// A package as a database describes it. What is not said is empty or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name of its file beside the database: no path, not hidden.
    pub file_name: String,
    /// Name.
    pub name: PackageName,
    /// The package that it was built with, if another.
    pub base: String,
    /// Version.
    pub version: Version,
    /// What it is, in one line.
    pub description: String,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// Length of its file in bytes.
    pub compressed_size: u64,
    /// Bytes that it takes when installed.
    pub installed_size: u64,
    /// Digest of its file.
    pub sha256: Option<Sha256>,
    /// Detached signature of its file, decoded.
    pub signature: Option<Vec<u8>>,
    /// Home page.
    pub url: String,
    /// Licences, mostly as SPDX expressions.
    pub licenses: Vec<String>,
    /// Architecture, such as `x86_64` or `any`.
    pub architecture: String,
    /// When it was built, in seconds since 1970.
    pub build_date: i64,
    /// Who built it.
    pub packager: String,
    /// Installed packages that an upgrade replaces with it.
    pub replaces: Vec<Dependency>,
    /// What it needs.
    pub depends: Vec<Dependency>,
    /// What it can make use of.
    pub opt_depends: Vec<Dependency>,
    /// What cannot be installed beside it.
    pub conflicts: Vec<Dependency>,
    /// What it offers besides itself.
    pub provides: Vec<Provision>,
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It is compressed in a way that is not supported.
    #[error("the database is compressed with {0}, which is not supported")]
    Compression(&'static str),
    /// It is no such archive, or damaged.
    #[error("the database cannot be read as a tar archive")]
    Read(#[source] io::Error),
    /// It decompresses to too much.
    #[error("the database decompresses to more than {DECOMPRESSED_MAX} bytes")]
    TooLarge,
    /// It has too many files.
    #[error("the database holds more than {ENTRIES_MAX} entries")]
    TooMany,
    /// Its packages say too much.
    #[error("the packages of the database have more than {VALUES_MAX} dependencies and the like")]
    TooManyValues,
    /// A file is in no package's folder.
    #[error("the database entry {0:?} is not called NAME-VERSION-RELEASE/FILE")]
    Entry(String),
    /// A package's description is too long.
    #[error("the database entry {0:?} is longer than {DESC_MAX} bytes")]
    LongDesc(String),
    /// A package's description cannot be used.
    #[error("the database entry {entry:?} cannot be used")]
    Desc {
        /// Which.
        entry: String,
        /// Why not.
        #[source]
        source: DescError,
    },
    /// A package has no file.
    #[error("the database does not say in which file the package {0} is")]
    NoFile(PackageName),
}

impl Database {
    /// Reads a database, compressed with gzip, xz or zstd or not at all.
    ///
    /// # Errors
    /// It is damaged, or breaks a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, DatabaseError> {
        let over = Cell::new(false);
        let tar = stream::decompressed(bytes)?;
        let tar = stream::Limited::new(tar, DECOMPRESSED_MAX, &over);
        let mut reading = Reading::default();
        let read = reading.read(tar::Archive::new(tar));
        // Whatever the archive makes of it, this is why.
        if over.get() {
            return Err(DatabaseError::TooLarge);
        }
        read?;
        reading.finish()
    }
}

/// A database being read.
#[derive(Default)]
struct Reading {
    drafts: Vec<Draft>,
    by_name: HashMap<PackageName, usize>,
    newest: i64,
    values: usize,
    warnings: Vec<String>,
}

impl Reading {
    fn read(&mut self, mut archive: tar::Archive<impl Read>) -> Result<(), DatabaseError> {
        let mut text = Vec::new();
        for (number, entry) in archive.entries().map_err(DatabaseError::Read)?.enumerate() {
            let mut entry = entry.map_err(DatabaseError::Read)?;
            if number == ENTRIES_MAX {
                return Err(DatabaseError::TooMany);
            }
            let header = entry.header();
            let time = header.mtime().ok().and_then(|t| i64::try_from(t).ok());
            self.newest = self.newest.max(time.unwrap_or(0));
            if header.entry_type().is_dir() {
                continue;
            }
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let draft = self.draft(&path)?;
            let file = path.rsplit('/').next().unwrap_or_default();
            if !matches!(file, "desc" | "depends") {
                continue;
            }
            text.clear();
            entry
                .by_ref()
                .take(DESC_MAX + 1)
                .read_to_end(&mut text)
                .map_err(DatabaseError::Read)?;
            if text.len() as u64 > DESC_MAX {
                return Err(DatabaseError::LongDesc(shown(&path)));
            }
            let draft = &mut self.drafts[draft];
            let before = draft.values();
            let wrong = draft.read(&String::from_utf8_lossy(&text));
            let wrong = wrong.map_err(|source| DatabaseError::Desc {
                entry: shown(&path),
                source,
            })?;
            self.values += draft.values() - before;
            if self.values > VALUES_MAX {
                return Err(DatabaseError::TooManyValues);
            }
            let left = WARNINGS_MAX.saturating_sub(self.warnings.len());
            self.warnings.extend(wrong.into_iter().take(left));
        }
        Ok(())
    }

    /// The package whose folder a file is in: the one that was met first with
    /// that name.
    fn draft(&mut self, path: &str) -> Result<usize, DatabaseError> {
        let wrong = || DatabaseError::Entry(shown(path));
        let (folder, _) = path.split_once('/').ok_or_else(wrong)?;
        // The name may have hyphens, and the version has exactly one.
        let mut hyphens = folder.rmatch_indices('-').map(|(at, _)| at);
        let at = hyphens.nth(1).ok_or_else(wrong)?;
        let name: PackageName = folder[..at].parse().map_err(|_| wrong())?;
        let version: Version = folder[at + 1..].parse().map_err(|_| wrong())?;
        let next = self.drafts.len();
        let index = *self.by_name.entry(name.clone()).or_insert(next);
        if index == next {
            self.drafts.push(Draft::new(name, version));
        }
        Ok(index)
    }

    fn finish(self) -> Result<Database, DatabaseError> {
        let packages = self.drafts.into_iter().map(|draft| {
            let name = draft.name().clone();
            draft.finish().ok_or(DatabaseError::NoFile(name))
        });
        let mut packages: Vec<Package> = packages.collect::<Result<_, _>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let newest = match self.newest {
            0 => packages.iter().map(|p| p.build_date).max().unwrap_or(0),
            time => time,
        };
        Ok(Database {
            packages,
            newest,
            warnings: self.warnings,
        })
    }
}

/// What of a path an error shows.
fn shown(path: &str) -> String {
    hatchery_image::shown::bytes(path.as_bytes())
}

#[cfg(test)]
mod tests;
