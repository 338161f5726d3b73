//! Finished bootstraps, kept for rebuilds in which only settings changed.
//!
//! A base is the tree after its packages were configured and before any
//! setting was applied, named by the digest of everything that influenced it.
//! It is kept as a plain folder (renamed into the cache, so keeping costs
//! nothing) and only ever read through a [`crate::layer::Layer`].
//!
//! A base is not synced when it is kept: that would cost a build seconds on a
//! disk. Instead it is good only within the boot of the kernel that wrote it,
//! whose page cache holds whatever the disk does not; after a reboot it is
//! made anew.

use hatchery_image::Sha256;
use hatchery_image::durable::{Staging, sweep};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many bases are kept, the most recently used ones: about 250 MB each
/// for a small Debian.
pub const BASES_KEPT: usize = 3;

/// Name of the folder of bases in the cache.
pub const FOLDER: &str = "base";

/// Name of the tree in a base's folder.
pub const TREE: &str = "tree";

/// Where the kernel tells which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// A folder of the cache could not be used.
    #[error("cannot {doing} {path} in the cache of finished bootstraps")]
    Folder {
        /// Such as `make`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Staging failed.
    #[error(transparent)]
    Durable(#[from] hatchery_image::durable::DurableError),
}

/// The folder of bases.
#[derive(Clone, Debug)]
pub struct Bases {
    root: PathBuf,
}

/// A base that is in use, and so not removed by others.
#[derive(Debug)]
pub struct Base {
    tree: PathBuf,
    _lock: OwnedFd,
}

impl Base {
    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }
}

impl Bases {
    /// Opens (and makes) the folder `base` beneath the cache's root. Only its
    /// owner can enter: the trees hold setuid programs.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(cache: &Path) -> Result<Self, BaseError> {
        let root = cache.join(FOLDER);
        let folder = |doing| {
            let path = root.clone();
            move |source| BaseError::Folder {
                doing,
                path,
                source,
            }
        };
        fs::create_dir_all(&root).map_err(folder("make"))?;
        rustix::fs::chmod(&root, Mode::from_raw_mode(0o700))
            .map_err(|e| folder("set the mode of")(e.into()))?;
        sweep(&root, |path| fs::remove_dir_all(path))?;
        Ok(Self { root })
    }

    /// The base of this key, if it was made since the last boot.
    #[must_use]
    pub fn find(&self, key: Sha256) -> Option<Base> {
        let directory = self.root.join(key.to_string());
        let lock = lock(&directory, FlockOperation::NonBlockingLockShared)?;
        let made = fs::read(directory.join("boot")).ok()?;
        if made != fs::read(BOOT_ID).ok()? {
            return None;
        }
        // Least recently used goes first; a cache without times only prunes worse.
        let _ = rustix::fs::utimensat(
            &lock,
            "boot",
            &rustix::fs::Timestamps {
                last_access: now(),
                last_modification: now(),
            },
            rustix::fs::AtFlags::empty(),
        );
        Some(Base {
            tree: directory.join(TREE),
            _lock: lock,
        })
    }

    /// A staging folder in which a base is made: its tree is `tree` in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn staging(&self) -> Result<Staging, BaseError> {
        let staging = Staging::new(&self.root)?;
        let tree = staging.path().join(TREE);
        fs::create_dir(&tree)
            .and_then(|()| Ok(rustix::fs::chmod(&tree, Mode::from_raw_mode(0o755))?))
            .map_err(|source| BaseError::Folder {
                doing: "make",
                path: tree,
                source,
            })?;
        Ok(staging)
    }

    /// Keeps what was made in `staging` as the base of this key.
    ///
    /// # Errors
    /// It cannot be renamed or locked.
    pub fn keep(&self, staging: Staging, key: Sha256) -> Result<Base, BaseError> {
        let directory = self.root.join(key.to_string());
        let folder = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| BaseError::Folder {
                doing,
                path,
                source,
            }
        };
        let boot = staging.path().join("boot");
        fs::copy(BOOT_ID, &boot).map_err(folder("write", &boot))?;
        if directory.exists()
            && lock(&directory, FlockOperation::NonBlockingLockExclusive).is_some()
        {
            // Of an earlier boot, and nobody reads it.
            fs::remove_dir_all(&directory).map_err(folder("remove the old", &directory))?;
        }
        staging.keep(&directory)?;
        let base = self.find(key).ok_or_else(|| {
            folder("use what was just kept as", &directory)(io::ErrorKind::NotFound.into())
        })?;
        self.prune();
        Ok(base)
    }

    /// Removes the least recently used ones that nobody reads. A base that
    /// cannot be removed only takes space.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return;
        };
        let mut bases: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .map(|e| e.path())
            .filter_map(|p| Some((fs::metadata(p.join("boot")).ok()?.modified().ok()?, p)))
            .filter(|(_, p)| p.file_name().is_some_and(|n| n.len() == 64))
            .collect();
        bases.sort();
        bases.reverse();
        for (_, path) in bases.into_iter().skip(BASES_KEPT) {
            if lock(&path, FlockOperation::NonBlockingLockExclusive).is_some() {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

const fn now() -> rustix::fs::Timespec {
    rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW as _,
    }
}

fn lock(directory: &Path, operation: FlockOperation) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::open(directory, flags, Mode::empty()).ok()?;
    rustix::fs::flock(&fd, operation).ok()?;
    Some(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(bases: &Bases, n: u8) -> Base {
        let staging = bases.staging().unwrap();
        fs::write(staging.path().join("tree/x"), [n]).unwrap();
        bases.keep(staging, Sha256::of(&[n])).unwrap()
    }

    #[test]
    fn a_base_is_found_again_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let bases = Bases::open(dir.path()).unwrap();
        for n in 0..5 {
            let base = make(&bases, n);
            assert_eq!(fs::read(base.tree().join("x")).unwrap(), [n]);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(bases.find(Sha256::of(&[4])).is_some());
        assert!(bases.find(Sha256::of(&[0])).is_none());
        assert_eq!(
            fs::read_dir(dir.path().join("base")).unwrap().count(),
            BASES_KEPT
        );
    }

    #[test]
    fn a_base_of_an_earlier_boot_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let bases = Bases::open(dir.path()).unwrap();
        drop(make(&bases, 1));
        let key = Sha256::of(&[1]);
        fs::write(dir.path().join(format!("base/{key}/boot")), "another").unwrap();
        assert!(bases.find(key).is_none());
        drop(make(&bases, 1));
        assert!(bases.find(key).is_some());
    }
}
