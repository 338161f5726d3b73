//! What a tree says of itself before it is booted. Read beneath its root, so
//! that no link inside leads to the host's files.

use hatchery_image::place::{Resolve, open_in};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Dir, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Most bytes that are read of a machine-id.
const MACHINE_ID_MAX: u64 = 64;

/// Most folders below `usr/lib` that are searched for systemd's library.
const FOLDERS_MAX: usize = 10_000;

/// A tree that is to be booted.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

/// What `/etc/machine-id` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Empty or `uninitialized`: to be made at the first boot.
    Unset,
    /// There is no such file.
    Absent,
    /// It has been made.
    Set(String),
}

impl Tree {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    fn beneath(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        // openat2 refuses flags that O_PATH would ignore.
        let flags = flags
            | if flags.contains(OFlags::PATH) {
                OFlags::CLOEXEC
            } else {
                OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
            };
        let opened = open_in(self.0.as_fd(), path.as_bytes(), flags, Resolve::InRoot);
        Ok(opened?)
    }

    /// Whether there is an init to boot.
    pub(super) fn has_init(&self) -> bool {
        [
            "usr/lib/systemd/systemd",
            "lib/systemd/systemd",
            "sbin/init",
        ]
        .iter()
        .any(|path| self.beneath(path, OFlags::PATH).is_ok())
    }

    /// Owner of the root directory: the first user id of the tree.
    pub(super) fn owner(&self) -> io::Result<u32> {
        Ok(rustix::fs::fstat(&self.0)?.st_uid)
    }

    /// What `/etc/machine-id` says.
    pub(super) fn identity(&self) -> io::Result<Identity> {
        let fd = match self.beneath("etc/machine-id", OFlags::RDONLY) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Identity::Absent),
            result => result?,
        };
        let mut bytes = Vec::new();
        File::from(fd)
            .take(MACHINE_ID_MAX)
            .read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok(if text.is_empty() || text == "uninitialized" {
            Identity::Unset
        } else {
            Identity::Set(text)
        })
    }

    /// The version of systemd inside, from the name of its shared library.
    pub(super) fn systemd(&self) -> Option<u32> {
        for lib in ["usr/lib", "usr/lib64", "lib"] {
            if let Some(version) = self.systemd_in(&format!("{lib}/systemd")) {
                return Some(version);
            }
            // Debian: below the architecture's folder.
            let found = self
                .list(lib)
                .into_iter()
                .filter(|name| name.contains("-linux-"))
                .find_map(|name| self.systemd_in(&format!("{lib}/{name}/systemd")));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn systemd_in(&self, folder: &str) -> Option<u32> {
        self.list(folder).iter().find_map(|name| {
            let rest = name.strip_prefix("libsystemd-shared-")?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(fd) = self.beneath(folder, OFlags::RDONLY | OFlags::DIRECTORY) else {
            return Vec::new();
        };
        let entries = Dir::read_from(fd.as_fd()).into_iter().flatten().flatten();
        entries
            .take(FOLDERS_MAX)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn identity_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(tree.identity().unwrap(), Identity::Absent);
        fs::create_dir(dir.path().join("etc")).unwrap();
        for (text, identity) in [
            ("", Identity::Unset),
            ("uninitialized\n", Identity::Unset),
            ("abc\n", Identity::Set("abc".to_owned())),
        ] {
            fs::write(dir.path().join("etc/machine-id"), text).unwrap();
            assert_eq!(tree.identity().unwrap(), identity);
        }
    }

    #[test]
    fn an_init_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        assert!(!tree.has_init());
        fs::create_dir(dir.path().join("sbin")).unwrap();
        fs::write(dir.path().join("sbin/init"), "").unwrap();
        assert!(tree.has_init());
    }

    #[test]
    fn links_do_not_lead_to_the_host() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc", dir.path().join("etc")).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        // The host has one; the tree has not.
        assert!(tree.identity().is_err() || tree.identity().unwrap() == Identity::Absent);
    }

    #[test]
    fn systemds_version_is_found_where_distributions_put_it() {
        for (folder, name, version) in [
            ("usr/lib/systemd", "libsystemd-shared-258.1-1.so", 258),
            (
                "usr/lib/x86_64-linux-gnu/systemd",
                "libsystemd-shared-257.so",
                257,
            ),
            ("usr/lib64/systemd", "libsystemd-shared-249.so", 249),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let tree = Tree::open(dir.path()).unwrap();
            assert_eq!(tree.systemd(), None);
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join(name), "").unwrap();
            assert_eq!(tree.systemd(), Some(version));
        }
    }
}
