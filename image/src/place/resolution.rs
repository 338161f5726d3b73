//! Opening a path beneath a root, so that nothing on the way leads out of it.
//!
//! Linux does that itself from 5.6 on, with `openat2`. Where it is missing, or
//! where an old seccomp filter answers `EPERM` to what it does not know, the
//! path is walked part by part: each is opened relative to the one before
//! and never followed by the kernel, and a link that may be followed is read
//! and its target walked in its place. Both refuse the same.

use super::Resolve;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

/// How often a resolution is tried again when the kernel says that a
/// directory on the way was moved meanwhile.
const AGAIN_MAX: usize = 64;

/// Links that are followed in one path, as in the kernel.
const LINKS_MAX: usize = 40;

/// Parts that are opened for one path: more than 40 links of the longest kind
/// have, but for those that go up and down again.
const STEPS_MAX: usize = 1 << 16;

/// Who resolves a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The kernel, by `openat2`.
    Kernel,
    /// The walk of this module.
    Steps,
}

impl Way {
    /// What this kernel can do; asked once.
    pub(super) fn here(root: BorrowedFd<'_>) -> Self {
        static HERE: OnceLock<Way> = OnceLock::new();
        *HERE.get_or_init(|| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let how = ResolveFlags::BENEATH;
            match rustix::fs::openat2(root, ".", flags, Mode::empty(), how) {
                Err(Errno::NOSYS | Errno::PERM) => Self::Steps,
                _ => Self::Kernel,
            }
        })
    }
}

/// Opens `path` beneath `root` as `resolve` says, with `openat2` or without.
/// Nothing is created; with `O_NOFOLLOW`, the last part is not followed.
///
/// # Errors
/// As `openat2`: `ELOOP` for a link where none may be or for too many,
/// `EXDEV` for a path that leaves the root.
pub fn open_in(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: Resolve,
) -> Result<OwnedFd, Errno> {
    open(Way::here(root), root, path, flags, resolve)
}

/// The same in a way that was chosen before.
pub(super) fn open(
    way: Way,
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: Resolve,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    match way {
        Way::Kernel => by_kernel(root, path, flags, resolve),
        Way::Steps => Walk::new(root, resolve).open(path, flags),
    }
}

fn by_kernel(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: Resolve,
) -> Result<OwnedFd, Errno> {
    let how = ResolveFlags::NO_MAGICLINKS
        | match resolve {
            Resolve::Beneath => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Resolve::InRoot => ResolveFlags::IN_ROOT,
        };
    let mut attempts = 0;
    loop {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), how) {
            Err(Errno::AGAIN) if attempts < AGAIN_MAX => attempts += 1,
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A walk from the root to what a path names.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    resolve: Resolve,
    /// Where it is; none at the root, or after going up: then the handle is
    /// got again by `names`. What lies above a handle may have been moved, so
    /// `..` is never asked of the kernel.
    at: Option<OwnedFd>,
    /// The parts from the root to there, none of them a link.
    names: Vec<Vec<u8>>,
    links: usize,
    steps: usize,
}

impl<'r> Walk<'r> {
    fn new(root: BorrowedFd<'r>, resolve: Resolve) -> Self {
        Self {
            root,
            resolve,
            at: None,
            names: Vec::new(),
            links: 0,
            steps: 0,
        }
    }

    fn open(mut self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        if path.first() == Some(&b'/') && self.resolve == Resolve::Beneath {
            return Err(Errno::XDEV);
        }
        let mut rest: VecDeque<Vec<u8>> = parts(path).collect();
        while let Some(name) = rest.pop_front() {
            if name == b".." {
                self.up()?;
                continue;
            }
            let flags = if rest.is_empty() {
                flags
            } else {
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
            };
            match self.step(&name, flags | OFlags::NOFOLLOW) {
                Ok(fd) if rest.is_empty() && !self.is_followed_link(&fd, flags)? => return Ok(fd),
                Ok(fd) if !rest.is_empty() => {
                    self.at = Some(fd);
                    self.names.push(name);
                }
                // A handle of a link itself, of one without O_DIRECTORY.
                Ok(_) => self.follow(&name, &mut rest)?,
                Err(Errno::LOOP | Errno::NOTDIR | Errno::MLINK) => {
                    let last = rest.is_empty() && flags.contains(OFlags::NOFOLLOW);
                    if last && self.target(&name)?.is_some() {
                        return Err(Errno::LOOP);
                    }
                    self.follow(&name, &mut rest)?;
                }
                Err(errno) => return Err(errno),
            }
        }
        // It ended in `.`, `..` or a link to such.
        let here = self.here()?;
        rustix::fs::openat(here, ".", flags, Mode::empty())
    }

    /// Opens a part, which is not followed.
    fn step(&mut self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        self.count()?;
        let here = self.here()?;
        loop {
            match rustix::fs::openat(here, name, flags, Mode::empty()) {
                Err(Errno::INTR) => {}
                other => return other,
            }
        }
    }

    /// `O_PATH | O_NOFOLLOW` opens a link itself, which is not what was asked
    /// for unless the caller said `O_NOFOLLOW`.
    fn is_followed_link(&self, fd: &OwnedFd, asked: OFlags) -> Result<bool, Errno> {
        if !asked.contains(OFlags::PATH) {
            return Ok(false);
        }
        let mode = rustix::fs::fstat(fd)?.st_mode;
        if !rustix::fs::FileType::from_raw_mode(mode).is_symlink() {
            return Ok(false);
        }
        match (self.resolve, asked.contains(OFlags::NOFOLLOW)) {
            // As openat2 with RESOLVE_NO_SYMLINKS: an O_PATH handle of the
            // link itself is allowed.
            (_, true) => Ok(false),
            (Resolve::Beneath, false) => Err(Errno::LOOP),
            (Resolve::InRoot, false) => Ok(true),
        }
    }

    /// Puts a link's target in its place.
    fn follow(&mut self, name: &[u8], rest: &mut VecDeque<Vec<u8>>) -> Result<(), Errno> {
        let target = self.target(name)?.ok_or(Errno::NOTDIR)?;
        self.links += 1;
        if self.resolve == Resolve::Beneath || self.links > LINKS_MAX {
            return Err(Errno::LOOP);
        }
        if target.first() == Some(&b'/') {
            self.at = None;
            self.names.clear();
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(part);
        }
        Ok(())
    }

    /// What a link says; none if it is no link.
    fn target(&mut self, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let here = self.here()?;
        match rustix::fs::readlinkat(here, name, Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Above the root is the root, as in a chroot.
    fn up(&mut self) -> Result<(), Errno> {
        if self.resolve == Resolve::Beneath {
            return Err(Errno::XDEV);
        }
        self.names.pop();
        self.at = None;
        Ok(())
    }

    /// The directory that the walk is in.
    fn here(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        if self.at.is_none() && !self.names.is_empty() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut at: Option<OwnedFd> = None;
            for index in 0..self.names.len() {
                self.count()?;
                let above = at.as_ref().map_or(self.root, AsFd::as_fd);
                let name = self.names[index].as_slice();
                at = Some(rustix::fs::openat(above, name, flags, Mode::empty())?);
            }
            self.at = at;
        }
        Ok(self.at.as_ref().map_or(self.root, AsFd::as_fd))
    }

    fn count(&mut self) -> Result<(), Errno> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Errno::LOOP);
        }
        Ok(())
    }
}

/// The parts of a path that say something; a `/` or `.` at the end means that
/// it is a directory.
fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|b| *b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, symlink};

    /// Both ways, which must agree on what is opened or refused.
    fn both(root: &File, path: &str, flags: OFlags, resolve: Resolve) -> Result<u64, Errno> {
        let found = [Way::Kernel, Way::Steps].map(|way| {
            let fd = open(way, root.as_fd(), path.as_bytes(), flags, resolve)?;
            Ok(File::from(fd).metadata().unwrap().ino())
        });
        let shown = format!("{path} {flags:?} {resolve:?}");
        match found {
            [Ok(a), Ok(b)] => assert_eq!(a, b, "{shown}"),
            // Which of the refusals that mean a link or no directory is said
            // does not matter.
            [Err(_), Err(_)] => {}
            other => panic!("{shown}: {other:?}"),
        }
        found[1]
    }

    #[test]
    fn the_walk_opens_and_refuses_what_the_kernel_does() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir_all(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), "1").unwrap();
        fs::write(root.join("a/b/file"), "2").unwrap();
        for (target, link) in [
            ("a", "to-a"),
            ("/a/b", "absolute"),
            ("../../../../a/b", "a/b/above"),
            ("../outside", "out"),
            ("../outside/secret", "out-file"),
            ("loop-2", "loop-1"),
            ("loop-1", "loop-2"),
            ("self", "self"),
            ("absent", "dangling"),
            ("a/b/file", "to-file"),
            ("/", "to-root"),
            ("..", "up"),
            ("to-a/b/../b/./c", "winding"),
            ("/proc/self/cwd", "magic"),
            ("to-file", "to-to-file"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let handle = File::open(&root).unwrap();
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        let all = [
            "a",
            "a/b",
            "a/b/c",
            "a/b/file",
            "a/b/file/x",
            "to-a",
            "to-a/b",
            "absolute/c",
            "a/b/above/c",
            "out",
            "out/secret",
            "out-file",
            "loop-1",
            "loop-1/x",
            "self",
            "dangling",
            "dangling/x",
            "to-file",
            "to-file/x",
            "to-root/a",
            "up/a",
            "up/outside",
            "winding",
            "magic/x",
            "absent",
            "a/./b//c",
            ".",
            "..",
            "../outside",
            "a/../../outside",
            "/a",
            "/../outside",
            "to-root",
            "up/up/up/a/b",
            "to-to-file",
            "",
            "a/b/c/..",
        ];
        for resolve in [Resolve::Beneath, Resolve::InRoot] {
            for flags in [
                directory,
                directory | OFlags::NOFOLLOW,
                OFlags::PATH,
                OFlags::RDONLY | OFlags::NONBLOCK,
                OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW,
            ] {
                for path in all {
                    // `..` in a path itself is refused before it comes here,
                    // and the kernel would let some of them stay beneath.
                    if resolve == Resolve::Beneath && path.contains("..") {
                        let steps =
                            open(Way::Steps, handle.as_fd(), path.as_bytes(), flags, resolve);
                        assert!(steps.is_err(), "{path}");
                        continue;
                    }
                    let _ = both(&handle, path, flags, resolve);
                }
            }
        }
        let secret = fs::metadata(folder.path().join("outside")).unwrap().ino();
        for path in all {
            let found = both(&handle, path, directory, Resolve::InRoot);
            assert_ne!(found, Ok(secret), "{path}");
        }
        let b = fs::metadata(root.join("a/b")).unwrap().ino();
        for path in ["to-a/b", "absolute", "a/b/above", "up/up/up/a/b"] {
            assert_eq!(
                both(&handle, path, directory, Resolve::InRoot),
                Ok(b),
                "{path}"
            );
        }
        assert!(both(&handle, "to-a/b", directory, Resolve::Beneath).is_err());
    }

    #[test]
    fn links_that_multiply_come_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("d/".repeat(200))).unwrap();
        let deep = "d/".repeat(200);
        let winding = format!("{}{deep}", format!("{}../", "d/".repeat(3)).repeat(200));
        symlink(&winding[..winding.len().min(4000)], folder.path().join("l")).unwrap();
        for n in 0..60 {
            let target = if n == 0 {
                "l".to_owned()
            } else {
                format!("l{}", n - 1)
            };
            symlink(target, folder.path().join(format!("l{n}"))).unwrap();
        }
        let handle = File::open(folder.path()).unwrap();
        let begun = std::time::Instant::now();
        let path = b"l59/x";
        assert!(
            open(
                Way::Steps,
                handle.as_fd(),
                path,
                OFlags::PATH,
                Resolve::InRoot
            )
            .is_err()
        );
        let _ = open(
            Way::Steps,
            handle.as_fd(),
            b"l20",
            OFlags::PATH,
            Resolve::InRoot,
        );
        assert!(begun.elapsed().as_secs() < 5);
    }
}
