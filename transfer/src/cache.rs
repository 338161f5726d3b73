//! Content-addressed files: `ROOT/sha256/ab/abcd…`, partial ones in
//! `ROOT/part/`.
//!
//! Any number of processes may share a cache: a file becomes visible by a
//! rename, and a partial one is locked by whoever fills it. Its folder is the
//! owner's alone: whoever can read a file can lock it, and would hold
//! everybody up. Nothing is synced
//! to disk, because nothing found here is believed: [`Cache::open_verified`]
//! digests what it hands out and throws away what does not match, whether a
//! power cut, a bad disk or somebody with write access is to blame. That
//! costs about 30 ms for the packages of a small system.

use crate::error::{TransferError, host};
use hatchery_image::Sha256;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Partial files that nobody came back for are removed after this long.
const PART_AGE_MAX: Duration = Duration::from_secs(14 * 24 * 3600);

/// Most entries of `part/` that are looked at when a cache is opened.
const SWEEP_MAX: usize = 10_000;

/// Most entries of a folder that are looked at for idle files.
const LISTED_MAX: usize = 1_000_000;

/// Content-addressed files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens (and makes) a cache.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(root: &Path) -> Result<Self, TransferError> {
        let cache = Self {
            root: root.to_owned(),
        };
        make(&root.join("sha256"))?;
        make(&cache.parts())?;
        close(&cache.parts());
        cache.sweep();
        Ok(cache)
    }

    /// A cache that is there, to look at: nothing is made, and nothing old is
    /// removed.
    #[must_use]
    pub fn existing(root: &Path) -> Option<Self> {
        let root = root.to_owned();
        root.is_dir().then_some(Self { root })
    }

    /// Path of a file of this digest if it is there. It was verified when it
    /// was put there, and may have been damaged since: what must be right is
    /// opened with [`Self::open_verified`].
    #[must_use]
    pub fn find(&self, digest: Sha256) -> Option<PathBuf> {
        let path = self.place(digest);
        path.symlink_metadata()
            .is_ok_and(|m| m.is_file())
            .then_some(path)
    }

    /// The file of this digest, digested now and positioned at its beginning.
    /// One that does not match is removed, and counts as absent.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn open_verified(&self, digest: Sha256) -> Result<Option<File>, TransferError> {
        let path = self.place(digest);
        let mut file = match open_plain(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(host("open", &path)(e)),
        };
        let (found, _) = Sha256::of_reader(&file).map_err(host("read", &path))?;
        if found != digest {
            // Another process may have replaced it already; then the good one
            // goes too, and is fetched again.
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        file.rewind().map_err(host("rewind", &path))?;
        Ok(Some(file))
    }

    /// Forgets what arrived of a file for a caller that checked it piece by
    /// piece: all of it was used, or it was not right.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_part(&self, digest: Sha256) -> Result<(), TransferError> {
        let path = self.parts().join(digest.to_string());
        for path in [&path, &path.with_extension("etag")] {
            match fs::remove_file(path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(host("remove", path)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts bytes that are in memory into the cache and returns their digest.
    ///
    /// # Errors
    /// The disk is full, or the folder is not writable.
    pub fn insert(&self, bytes: &[u8]) -> Result<Sha256, TransferError> {
        let digest = Sha256::of(bytes);
        let target = self.place(digest);
        if let Some(parent) = target.parent() {
            make(parent)?;
        }
        let mut temporary = unique(&self.parts())?;
        io::Write::write_all(&mut temporary.file, bytes).map_err(host("write", &temporary.path))?;
        fs::rename(&temporary.path, &target).map_err(host("rename a new file to", &target))?;
        temporary.kept = true;
        Ok(digest)
    }

    /// Files, whole and partial, that nobody has written or read since then,
    /// sorted. (Reading counts once a day, as file systems are mounted now, or
    /// not at all with `noatime`.) What is being filled is not among them.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn idle_since(&self, then: SystemTime) -> Result<Vec<PathBuf>, TransferError> {
        let mut idle = Vec::new();
        let mut folders = vec![self.parts()];
        folders.extend(list(&self.root.join("sha256"))?.filter(|path| path.is_dir()));
        for folder in folders {
            idle.extend(list(&folder)?.filter(|path| is_idle(path, then)));
        }
        idle.sort();
        Ok(idle)
    }

    /// Removes a file that was found so.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget(&self, path: &Path) -> Result<(), TransferError> {
        match fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(host("remove", path)),
        }
    }

    /// The folder, for other content keyed by other means.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where partial files are.
    pub(crate) fn parts(&self) -> PathBuf {
        self.root.join("part")
    }

    /// Where the file of a digest is or would be.
    pub(crate) fn place(&self, digest: Sha256) -> PathBuf {
        let name = digest.to_string();
        self.root.join("sha256").join(&name[..2]).join(name)
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.parts()) else {
            return;
        };
        for entry in entries.take(SWEEP_MAX).flatten() {
            let age = entry
                .metadata()
                .and_then(|m| m.modified())
                .ok()
                .and_then(|t| t.elapsed().ok());
            if age.is_some_and(|a| a > PART_AGE_MAX) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Paths in a folder; none if there is no folder.
fn list(folder: &Path) -> Result<impl Iterator<Item = PathBuf> + use<>, TransferError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        result => Some(result.map_err(host("list", folder))?),
    };
    let entries = entries.into_iter().flatten().flatten();
    Ok(entries.take(LISTED_MAX).map(|entry| entry.path()))
}

/// Whether a regular file was neither written nor read since then, and nobody
/// fills it.
fn is_idle(path: &Path, then: SystemTime) -> bool {
    let Ok(stat) = path.symlink_metadata() else {
        return false;
    };
    let last = [stat.modified(), stat.accessed()];
    let is_old = last.into_iter().flatten().all(|time| time < then);
    stat.is_file()
        && is_old
        && open_plain(path).is_ok_and(|file| {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        })
}

/// Makes an own folder that is there already the owner's alone. What is no
/// folder, or somebody else's, is theirs to say.
fn close(path: &Path) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = rustix::process::geteuid().as_raw();
    if let Ok(folder) = rustix::fs::open(path, flags, Mode::empty())
        && rustix::fs::fstat(&folder).is_ok_and(|stat| stat.st_uid == own)
    {
        let _ = rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o700));
    }
}

/// Makes a folder that only its owner can write to, whatever the umask lets.
pub(crate) fn make(folder: &Path) -> Result<(), TransferError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(host("make the folder", folder))
}

/// Opens a regular file for reading; not through a link, and without waiting
/// for the other end of a pipe.
fn open_plain(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ))
    }
}

struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file of a name that nobody else uses.
fn unique(folder: &Path) -> Result<Temporary, TransferError> {
    loop {
        let mut bytes = [0u8; 8];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| host("name a file in", folder)(e.into()))?;
        let path = folder.join(format!("new-{:016x}", u64::from_ne_bytes(bytes)));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)
        {
            Ok(file) => {
                return Ok(Temporary {
                    file,
                    path,
                    kept: false,
                });
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(host("create", &path)(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::io::Read as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    #[test]
    fn what_was_put_in_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let digest = cache.insert(b"hatchery").unwrap();
        assert!(cache.find(digest).is_some());
        let mut text = String::new();
        let mut file = cache.open_verified(digest).unwrap().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hatchery");
        assert_eq!(fs::read_dir(cache.parts()).unwrap().count(), 0);
    }

    #[test]
    fn nobody_else_reaches_what_is_being_filled() {
        let dir = tempfile::tempdir().unwrap();
        let mode = || fs::metadata(dir.path().join("part")).unwrap().mode() & 0o777;
        Cache::open(dir.path()).unwrap();
        assert_eq!(mode(), 0o700);
        // One that an earlier version made.
        fs::set_permissions(dir.path().join("part"), Permissions::from_mode(0o755)).unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        assert_eq!(mode(), 0o700);
        // What is whole is for everybody.
        let whole = cache.place(cache.insert(b"hatchery").unwrap());
        assert_eq!(
            fs::metadata(whole.parent().unwrap()).unwrap().mode() & 0o777,
            0o755
        );
    }

    #[test]
    fn what_nobody_used_for_long_is_found_and_what_is_being_filled_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let digest = cache.insert(b"hatchery").unwrap();
        let (dead, alive) = (cache.parts().join("dead"), cache.parts().join("alive"));
        fs::write(&dead, "").unwrap();
        let held = File::create(&alive).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        let made = fs::metadata(&alive).unwrap().modified().unwrap();
        let hour = Duration::from_secs(3600);
        assert!(cache.idle_since(made - hour).unwrap().is_empty());
        let found = cache.find(digest).unwrap();
        let idle = cache.idle_since(made + hour).unwrap();
        assert_eq!(idle, [dead, found.clone()]);
        cache.forget(&found).unwrap();
        cache.forget(&found).unwrap();
        assert!(cache.find(digest).is_none());
    }

    #[test]
    fn a_damaged_file_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let digest = cache.insert(b"hatchery").unwrap();
        fs::write(cache.find(digest).unwrap(), b"hatcherY").unwrap();
        assert!(cache.open_verified(digest).unwrap().is_none());
        assert!(cache.find(digest).is_none());
    }

    #[test]
    fn a_link_or_pipe_in_the_cache_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let digest = cache.insert(b"hatchery").unwrap();
        let path = cache.find(digest).unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(cache.find(digest).is_none());
        assert!(cache.open_verified(digest).is_err());
    }
}
