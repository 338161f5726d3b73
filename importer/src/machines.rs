//! The place where machines are: a directory (`/var/lib/machines` or another)
//! with one tree a machine, and everything else beneath it that is ours:
//! staging trees and locks, both with names that systemd hides (`.#…`).

use crate::limit::qgroup;
use crate::lock::{self, LockError, MachineLock};
use crate::{btrfs, tree};
use hatchery_image::MachineName;
use hatchery_image::durable::{self, DurableError, Staging};
use rustix::fd::AsFd as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Where systemd looks for machines.
pub const MACHINES: &str = "/var/lib/machines";

/// Most machines that are listed.
const LISTED_MAX: usize = 100_000;

/// Why the place of machines cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MachinesError {
    /// A step on it failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What a killed process left cannot be removed.
    #[error("cannot clean up after an import that was killed")]
    Sweep(#[source] DurableError),
    /// Locks that a killed process left cannot be removed.
    #[error("cannot clean up locks")]
    Locks(#[source] LockError),
}

/// A directory of machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    root: PathBuf,
}

impl Machines {
    /// The directory, made if it is absent (for root only, as systemd does).
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(root: &Path) -> Result<Self, MachinesError> {
        let failed = |source| MachinesError::Failed {
            doing: "make the directory",
            path: root.to_owned(),
            source,
        };
        if !root.is_dir() {
            if let Some(parent) = root.parent() {
                durable::make_folders(parent).map_err(failed)?;
            }
            match fs::DirBuilder::new().mode(0o700).create(root) {
                // Another import was faster.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => (),
                made => made.map_err(failed)?,
            }
            let parent = root.parent().filter(|p| !p.as_os_str().is_empty());
            let parent = parent.unwrap_or_else(|| Path::new("."));
            durable::sync_directory(parent).map_err(|error| failed(error.source))?;
        }
        // Records hold the path, so it must mean the same from everywhere.
        let root = root.canonicalize().map_err(failed)?;
        Ok(Self { root })
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the tree of a machine is, or would be.
    #[must_use]
    pub fn path(&self, name: &MachineName) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// What systemd would take for this machine: a tree, or a raw disk image.
    #[must_use]
    pub fn existing(&self, name: &MachineName) -> Option<PathBuf> {
        let raw = self.root.join(format!("{name}.raw"));
        [self.path(name), raw]
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
    }

    /// Makes a machine ours, so that neither systemd nor another import uses
    /// or replaces it meanwhile.
    ///
    /// # Errors
    /// [`LockError::Busy`]: it is running, or somebody else works on it.
    pub fn lock(&self, name: &MachineName) -> Result<MachineLock, LockError> {
        MachineLock::try_exclusive(&self.path(name))
    }

    /// An empty hidden tree, removed unless it is published.
    pub(crate) fn staging(&self) -> Result<Staging, DurableError> {
        Staging::with(&self.root, tree::make, tree::remove)
    }

    /// Removes what killed imports left.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn sweep(&self) -> Result<usize, MachinesError> {
        lock::sweep(&self.root).map_err(MachinesError::Locks)?;
        let swept = durable::sweep(&self.root, tree::remove).map_err(MachinesError::Sweep)?;
        // Quota groups that stay only take a few bytes of the quota tree.
        let _ = self.sweep_groups();
        Ok(swept)
    }

    fn sweep_groups(&self) -> io::Result<()> {
        let directory = File::open(&self.root)?;
        let directory = directory.as_fd();
        if btrfs::is_btrfs(directory)? && btrfs::quota_is_on(directory)? {
            qgroup::sweep(directory, None)?;
        }
        Ok(())
    }

    /// Hidden trees of every kind.
    pub(crate) fn hidden(&self) -> Result<Vec<PathBuf>, MachinesError> {
        let failed = |source| MachinesError::Failed {
            doing: "list",
            path: self.root.clone(),
            source,
        };
        let mut hidden = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)?.take(LISTED_MAX) {
            let entry = entry.map_err(failed)?;
            let is_tree = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_tree && entry.file_name().as_encoded_bytes().starts_with(b".#") {
                hidden.push(entry.path());
            }
        }
        hidden.sort();
        Ok(hidden)
    }

    /// Whether subvolumes and disk limits can be had here.
    pub(crate) fn is_btrfs(&self) -> Result<bool, MachinesError> {
        let failed = |source| MachinesError::Failed {
            doing: "examine",
            path: self.root.clone(),
            source,
        };
        let directory = File::open(&self.root).map_err(failed)?;
        btrfs::is_btrfs(directory.as_fd()).map_err(failed)
    }

    /// Names of all trees, also of those that were not imported by us, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>, MachinesError> {
        let failed = |source| MachinesError::Failed {
            doing: "list",
            path: self.root.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)?.take(LISTED_MAX) {
            let entry = entry.map_err(failed)?;
            let is_tree = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_tree && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_directory_is_made_for_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Machines::open(&dir.path().join("a/machines")).unwrap();
        let mode = fs::metadata(machines.root()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn hidden_names_and_files_are_no_machines() {
        let dir = tempfile::tempdir().unwrap();
        let machines = Machines::open(dir.path()).unwrap();
        let staging = machines.staging().unwrap();
        fs::create_dir(dir.path().join("Debian_12")).unwrap();
        fs::write(dir.path().join("x.raw"), "").unwrap();
        assert_eq!(machines.names().unwrap(), ["Debian_12"]);
        assert!(machines.existing(&"x".parse().unwrap()).is_some());
        assert!(machines.existing(&"y".parse().unwrap()).is_none());
        assert_eq!(machines.sweep().unwrap(), 0);
        assert!(staging.path().exists());
    }
}
