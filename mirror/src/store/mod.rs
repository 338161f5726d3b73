//! The store: a folder of published images, and every path beneath it.
//!
//! ```text
//! ROOT/repository.json                    the repository's id, made with the store
//! ROOT/catalog.json                       the signed catalog, switched last
//! ROOT/images/NAME/ARCHITECTURE/VERSION/  one version, never changed once it is there
//! ROOT/derived/…                          what is made of it once, and could be made again
//! ROOT/.lock                              held by whoever writes
//! ROOT/.#hatchery-…                       staging
//! ```
//!
//! Any static web server could serve it, less the channels. Reading goes
//! through one directory handle, `RESOLVE_BENEATH` and
//! `RESOLVE_NO_SYMLINKS`, so that neither a request nor a link planted in the
//! store reaches anything outside. Owns no policy on what is published or
//! signed, and never reads a catalog: those are `publish` and `catalog`.

mod error;
mod repository;

pub use error::StoreError;
pub use hatchery_image::layout::{CATALOG, IMAGES};
pub use repository::REPOSITORY;

use error::{Result, failed};
use hatchery_image::durable::{self, DirectoryLock};
use hatchery_image::layout;
use hatchery_image::place::{Resolve, open_in};
use hatchery_image::{Architecture, ImageName, Version};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Published files can be read by any server's user, whatever the umask.
pub(crate) const FILE_MODE: u32 = 0o644;
/// As [`FILE_MODE`], of folders.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// A folder of published images. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    directory: Arc<OwnedFd>,
    repository: String,
}

impl Store {
    /// Opens a store.
    ///
    /// # Errors
    /// The folder cannot be read, or is no store.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|e| failed("open", root)(e.into()))?;
        let mut store = Self {
            root: root.to_owned(),
            directory: Arc::new(directory),
            repository: String::new(),
        };
        store.repository = repository::read(&store)?;
        Ok(store)
    }

    /// Opens a store, and makes it where there is nothing yet or an empty
    /// folder. Its id is new and random.
    ///
    /// # Errors
    /// It cannot be made, or the folder holds something that is no store.
    pub fn create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(failed("make", root))?;
        let _lock = DirectoryLock::exclusive(root).map_err(StoreError::Write)?;
        if !root.join(REPOSITORY).exists() {
            repository::begin(root)?;
        }
        Self::open(root)
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The repository's id, a random UUID.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Where the catalog lies.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.root.join(CATALOG)
    }

    /// Where a version of an image lies, whether it is there or not.
    #[must_use]
    pub fn version(
        &self,
        name: &ImageName,
        architecture: Architecture,
        version: &Version,
    ) -> PathBuf {
        self.root
            .join(version_path(name, architecture, version.as_str()))
    }

    /// Waits until nobody else writes to the store, and keeps others from it
    /// while the returned value lives. What killed writers left is removed.
    pub(crate) fn lock(&self) -> Result<DirectoryLock> {
        let lock = DirectoryLock::exclusive(&self.root).map_err(StoreError::Write)?;
        durable::sweep(&self.root, |path| fs::remove_dir_all(path)).map_err(StoreError::Write)?;
        Ok(lock)
    }

    /// Makes the folder that holds the versions of an image, durably.
    pub(crate) fn make_listing(
        &self,
        name: &ImageName,
        architecture: Architecture,
    ) -> Result<PathBuf> {
        self.make_folder(&[IMAGES, name.as_str(), architecture.debian()])
    }

    /// Makes a folder beneath the root, and those on the way to it, durably.
    pub(crate) fn make_folder(&self, parts: &[&str]) -> Result<PathBuf> {
        let mut path = self.root.clone();
        for part in parts {
            let parent = path.clone();
            path.push(part);
            match fs::create_dir(&path) {
                Ok(()) => {
                    set_directory_mode(&path)?;
                    durable::sync_directory(&parent).map_err(StoreError::Write)?;
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(StoreError::Root {
                        doing: "make a folder in",
                        path,
                        source,
                    });
                }
            }
        }
        Ok(path)
    }

    /// Opens a regular file beneath the root; `None` where there is none,
    /// where the path leads through a link, or to something else.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<Option<File>> {
        // A FIFO opened without NONBLOCK would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        // A service with RestrictSUIDSGID= has no openat2, and this does without.
        let path = path.as_os_str().as_bytes();
        let opened = open_in(self.directory.as_fd(), path, flags, Resolve::Beneath);
        use rustix::io::Errno;
        let fd = match opened {
            Ok(fd) => fd,
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::XDEV
                | Errno::NXIO
                | Errno::NAMETOOLONG,
            ) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        Ok((kind == FileType::RegularFile).then(|| File::from(fd)))
    }

    /// What the system says about an entry of the root, without following a
    /// link.
    pub(crate) fn stat(&self, name: &str) -> io::Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::statat(&*self.directory, name, flags)?)
    }

    /// Reads a file beneath the root, up to `limit` bytes.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = |source| StoreError::Read {
            path: self.root.join(path),
            source,
        };
        let Some(file) = self.open_file(path).map_err(failed)? else {
            return Ok(None);
        };
        read_limited(&file, limit).map(Some).map_err(failed)
    }
}

/// Path of a version beneath the root.
pub(crate) fn version_path(name: &ImageName, architecture: Architecture, at: &str) -> PathBuf {
    layout::version_path(name, architecture, at).into()
}

/// All of a file that has at most `limit` bytes.
pub(crate) fn read_limited(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

fn set_directory_mode(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))
        .map_err(failed("set the mode of a folder of", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        let root = dir.path().join("store");
        let store = Store::create(&root).unwrap();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/file"), "f").unwrap();
        symlink("../secret", root.join("link")).unwrap();
        symlink("real", root.join("folder-link")).unwrap();
        symlink(dir.path(), root.join("out")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("fifo"), Mode::RWXU).unwrap();
        let open = |path: &str| store.open_file(Path::new(path)).unwrap().is_some();
        assert!(open("real/file"));
        for path in [
            "../secret",
            "link",
            "folder-link/file",
            "out/secret",
            "/etc/passwd",
            "real",
            "real/file/x",
            "fifo",
            "none",
        ] {
            assert!(!open(path), "{path}");
        }
    }
}
