//! A tree that is being built: its files read and written by paths inside it.
//!
//! Every path is resolved as in a chroot (`RESOLVE_IN_ROOT`), because links
//! like `/etc/localtime -> /usr/share/…` are meant from inside, and because
//! whatever a package or script has planted must not lead out of the tree.
//! What is written replaces what was there, links included, and bears the
//! build's own time.

use hatchery_image::place::{Entry, Node, PlaceError, Placed, Placer, Resolve, Root};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Largest file of a tree that is read whole, in bytes.
pub const READ_MAX: u64 = 16 << 20;

/// Most names in one folder that are listed.
pub const LIST_MAX: usize = 1_000_000;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A file or folder could not be created.
    #[error("cannot write to the tree")]
    Place(#[from] PlaceError),
    /// Something else.
    #[error("cannot {doing} /{path} in the tree")]
    System {
        /// Such as `read`.
        doing: &'static str,
        /// Path inside the tree, without the leading slash.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

type Result<T> = std::result::Result<T, RootfsError>;

fn failed<E: Into<io::Error>>(doing: &'static str, path: &str) -> impl FnOnce(E) -> RootfsError {
    let path = path.to_owned();
    move |source| RootfsError::System {
        doing,
        path,
        source: source.into(),
    }
}

/// Owner and permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

impl Access {
    /// Of root, with these bits.
    #[must_use]
    pub const fn root(mode: u32) -> Self {
        Self {
            mode,
            uid: 0,
            gid: 0,
        }
    }

    fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
        }
    }
}

/// A tree that is being built.
#[derive(Debug)]
pub struct Rootfs {
    root: Root,
    time: i64,
}

impl Rootfs {
    /// Opens the tree at `root`; `time` (seconds since 1970) is what written
    /// files bear.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(root: &Path, time: i64) -> Result<Self> {
        let root = Root::open(root, Resolve::InRoot)?;
        Ok(Self { root, time })
    }

    fn entry<'e>(&self, path: &'e str, node: Node<'e>, access: Access) -> Entry<'e> {
        Entry {
            path: path.as_bytes(),
            node,
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
            mtime: (self.time, 0),
            xattrs: &[],
        }
    }

    fn placer(&self) -> Placer<'_> {
        self.root.placer()
    }

    /// Writes a file; missing folders above it are made, 0755 and root's.
    ///
    /// # Errors
    /// A folder is there, or the system refused.
    pub fn write(&self, path: &str, bytes: &[u8], access: Access) -> Result<()> {
        let node = Node::File {
            size: bytes.len() as u64,
            extents: None,
        };
        self.placer()
            .place_slice(&self.entry(path, node, access), bytes)?;
        Ok(())
    }

    /// Writes a file anew, with the owner and mode that it has; if there was
    /// none, with those of `access`.
    ///
    /// # Errors
    /// A folder is there, or the system refused.
    pub fn rewrite(&self, path: &str, bytes: &[u8], access: Access) -> Result<()> {
        let access = self.stat(path)?.map_or(access, |s| Access::of(&s));
        self.write(path, bytes, access)
    }

    /// Makes a symbolic link, in place of whatever file or link is there.
    ///
    /// # Errors
    /// A folder is there, or the system refused.
    pub fn link(&self, path: &str, target: &str) -> Result<()> {
        self.link_of(path, target, Access::root(0o777))
    }

    /// The same with another owner. A link has no mode of its own.
    ///
    /// # Errors
    /// A folder is there, or the system refused.
    pub fn link_of(&self, path: &str, target: &str, access: Access) -> Result<()> {
        let node = Node::Symlink(target.as_bytes());
        self.placer()
            .place_slice(&self.entry(path, node, access), &[])?;
        Ok(())
    }

    /// Makes a folder. One that is there keeps its owner and mode.
    ///
    /// # Errors
    /// The system refused.
    pub fn folder(&self, path: &str, access: Access) -> Result<()> {
        let entry = self.entry(path, Node::Directory, access);
        if self.placer().place_slice(&entry, &[])? == Placed::New {
            self.root.finish_directories(&[entry])?;
        }
        Ok(())
    }

    /// Removes a file or link. Nothing there is no error.
    ///
    /// # Errors
    /// A folder is there, or the system refused.
    pub fn remove(&self, path: &str) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let Some(parent) = self.open_folder(parent)? else {
            return Ok(());
        };
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", path)(errno)),
        }
    }

    /// A regular file's bytes, links followed; none if it is not there.
    ///
    /// # Errors
    /// It is larger than [`READ_MAX`], or cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open_file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(READ_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed("read", path))?;
        if bytes.len() as u64 > READ_MAX {
            return Err(failed("read", path)(io::Error::other(
                "it is larger than 16 MiB",
            )));
        }
        Ok(Some(bytes))
    }

    /// The same as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
    }

    /// A regular file, opened, links followed; none if it is not there or is
    /// something else.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_file(&self, path: &str) -> Result<Option<File>> {
        let is_file = |s: &Stat| FileType::from_raw_mode(s.st_mode).is_file();
        if !self.stat(path)?.is_some_and(|s| is_file(&s)) {
            return Ok(None);
        }
        // NONBLOCK: should it have become a FIFO since, opening it returns.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(self.resolve(path, flags, "open")?.map(File::from))
    }

    /// What is at a path, links followed.
    ///
    /// # Errors
    /// The system refused.
    pub fn stat(&self, path: &str) -> Result<Option<Stat>> {
        match self.resolve(path, OFlags::PATH | OFlags::CLOEXEC, "look at")? {
            None => Ok(None),
            Some(fd) => rustix::fs::fstat(&fd)
                .map(Some)
                .map_err(failed("look at", path)),
        }
    }

    /// Whether something is at a path, links followed.
    ///
    /// # Errors
    /// The system refused.
    pub fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.stat(path)?.is_some())
    }

    /// The target of a symbolic link; none if there is none.
    ///
    /// # Errors
    /// The system refused.
    pub fn read_link(&self, path: &str) -> Result<Option<PathBuf>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let Some(parent) = self.open_folder(parent)? else {
            return Ok(None);
        };
        match rustix::fs::readlinkat(&parent, name, Vec::new()) {
            Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()).into())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(errno) => Err(failed("read the link", path)(errno)),
        }
    }

    /// The names in a folder, sorted; none if there is no such folder.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn list(&self, path: &str) -> Result<Vec<OsString>> {
        let Some(folder) = self.open_folder(path)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in Dir::new(folder).map_err(failed("list", path))? {
            let entry = entry.map_err(failed("list", path))?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
            if names.len() > LIST_MAX {
                return Err(failed("list", path)(io::Error::other(
                    "it has too many names",
                )));
            }
        }
        names.sort();
        Ok(names)
    }

    fn open_folder(&self, path: &str) -> Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.resolve(path, flags, "open")
    }

    fn resolve(&self, path: &str, flags: OFlags, doing: &'static str) -> Result<Option<OwnedFd>> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path_or_root = if path.is_empty() { "." } else { path };
        match rustix::fs::openat2(&self.root, path_or_root, flags, Mode::empty(), how) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(failed(doing, path)(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    /// A tree in a folder, owned by whoever runs the test.
    fn tree() -> (tempfile::TempDir, Rootfs, Access) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let rootfs = Rootfs::open(&root, 1_000_000_000).unwrap();
        let own = Access {
            mode: 0o640,
            uid: fs::metadata(&root).unwrap().uid(),
            gid: fs::metadata(&root).unwrap().gid(),
        };
        (dir, rootfs, own)
    }

    #[test]
    fn what_is_written_can_be_read_and_has_the_builds_time() {
        let (dir, rootfs, own) = tree();
        rootfs.write("etc/x/y", b"1", own).unwrap();
        assert_eq!(rootfs.read("etc/x/y").unwrap().unwrap(), b"1");
        let metadata = fs::metadata(dir.path().join("root/etc/x/y")).unwrap();
        assert_eq!(metadata.mtime(), 1_000_000_000);
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        rootfs
            .rewrite("etc/x/y", b"2", Access { mode: 0o600, ..own })
            .unwrap();
        let again = fs::metadata(dir.path().join("root/etc/x/y")).unwrap();
        assert_eq!(again.mode() & 0o7777, 0o640, "the mode stays");
        assert_eq!(rootfs.list("etc").unwrap(), ["x"]);
        rootfs.remove("etc/x/y").unwrap();
        assert!(!rootfs.exists("etc/x/y").unwrap());
        rootfs.remove("nowhere/y").unwrap();
    }

    #[test]
    fn planted_links_do_not_lead_out() {
        let (dir, rootfs, own) = tree();
        let root = dir.path().join("root");
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "s").unwrap();
        symlink(&outside, root.join("etc")).unwrap();
        symlink(outside.join("secret"), root.join("file")).unwrap();

        assert_eq!(rootfs.read("etc/secret").unwrap(), None);
        assert_eq!(rootfs.read("file").unwrap(), None);
        assert_eq!(rootfs.list("etc").unwrap(), [] as [&str; 0]);
        rootfs.remove("etc/secret").unwrap();
        rootfs.write("file", b"new", own).unwrap();
        // The link's target does not exist inside, so nothing can be made there.
        let _ = rootfs.write("etc/new", b"x", own);
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "s");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(rootfs.read("file").unwrap().unwrap(), b"new");
    }

    #[test]
    fn absolute_links_are_meant_from_inside() {
        let (dir, rootfs, own) = tree();
        rootfs.write("usr/share/zone", b"z", own).unwrap();
        symlink("/usr/share/zone", dir.path().join("root/localtime")).unwrap();
        assert_eq!(rootfs.read("localtime").unwrap().unwrap(), b"z");
        assert_eq!(
            rootfs.read_link("localtime").unwrap().unwrap(),
            Path::new("/usr/share/zone")
        );
        assert_eq!(rootfs.read_link("usr/share/zone").unwrap(), None);
    }

    #[test]
    fn a_folder_that_is_there_keeps_its_mode() {
        let (dir, rootfs, own) = tree();
        rootfs
            .folder("home/a", Access { mode: 0o700, ..own })
            .unwrap();
        rootfs
            .folder("home/a", Access { mode: 0o777, ..own })
            .unwrap();
        let mode = fs::metadata(dir.path().join("root/home/a")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn a_fifo_is_no_file() {
        let (dir, rootfs, _) = tree();
        let mode = Mode::from_raw_mode(0o600);
        let path = dir.path().join("root/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
        assert_eq!(rootfs.read("fifo").unwrap(), None);
    }
}
