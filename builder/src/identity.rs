//! Strips from a finished tree what marks one machine, or the build itself:
//! ids, keys, seeds, logs, caches, backups and temporary files.
//!
//! The list is what mmdebstrap removes, what mkosi removes, and what
//! systemd's "Building Images" page names. A log that a package ships empty
//! (`wtmp`, `lastlog`) stays; one with text in it goes. [`crate::lint`] then
//! looks whether anything is left, and refuses.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Files that go: folder, and a name in it, where one `*` stands for any text.
const FILES: [(&str, &str); 32] = [
    ("var/lib/dbus", "machine-id"),
    ("etc/ssh", "ssh_host_*"),
    ("var/lib/systemd", "random-seed"),
    ("var/lib/systemd", "credential.secret"),
    ("var/lib/urandom", "random-seed"),
    ("etc", "passwd-"),
    ("etc", "shadow-"),
    ("etc", "group-"),
    ("etc", "gshadow-"),
    ("etc", "subuid-"),
    ("etc", "subgid-"),
    ("etc", ".pwd.lock"),
    ("etc", ".updated"),
    ("var", ".updated"),
    ("usr/sbin", "policy-rc.d"),
    ("var/cache/ldconfig", "aux-cache"),
    ("var/cache/debconf", "*-old"),
    ("var/cache/apt", "*.bin"),
    ("var/lib/dpkg", "*-old"),
    ("var/lib/dpkg", "lock*"),
    ("var/lib/apt", "extended_states*"),
    ("var/lib/apt", "daily_lock"),
    ("etc/pacman.d", "gnupg*"),
    ("var/lib/pacman", "sync"),
    ("var/lib/pacman", "db.lck"),
    ("root", ".bash_history"),
    ("root", ".lesshst"),
    ("root", ".viminfo"),
    ("root", ".wget-hsts"),
    ("root", ".python_history"),
    ("root", ".cache"),
    ("root", ".gnupg"),
];

/// Folders that stay and are emptied.
const EMPTIED: [&str; 7] = [
    "tmp",
    "var/tmp",
    "run",
    "var/backups",
    "var/cache/man",
    "var/log/journal",
    "var/lib/systemd/coredump",
];

/// Folders whose files go and whose folders, which belong to a package, stay.
const CLEARED: [&str; 3] = [
    "var/lib/apt/lists",
    "var/cache/apt/archives",
    "var/cache/pacman/pkg",
];

/// Deepest folder beneath a folder of logs or caches that is looked into.
const DEPTH: usize = 8;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {} in the tree, to strip what marks one machine", .path.display())]
pub struct IdentityError {
    /// Such as `remove`.
    doing: &'static str,
    /// Path inside the tree.
    path: PathBuf,
    /// What the system said.
    #[source]
    source: io::Error,
}

type Result<T> = std::result::Result<T, IdentityError>;

fn failed<E: Into<io::Error>>(
    doing: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> IdentityError {
    let path = Path::new("/").join(path);
    move |source| IdentityError {
        doing,
        path,
        source: source.into(),
    }
}

/// Strips the tree at `root`. Links in it are resolved beneath it.
///
/// # Errors
/// What could not be removed.
pub fn strip(root: &Path) -> Result<()> {
    let root = open(None, root).map_err(failed("open", root))?;
    for (folder, pattern) in FILES {
        let Some(directory) = beneath(&root, folder)? else {
            continue;
        };
        for name in names(&directory, folder)? {
            if matches(pattern, name.as_bytes()) {
                remove(&directory, folder, &name)?;
            }
        }
    }
    for folder in EMPTIED {
        let Some(directory) = beneath(&root, folder)? else {
            continue;
        };
        for name in names(&directory, folder)? {
            remove(&directory, folder, &name)?;
        }
    }
    for folder in CLEARED {
        if let Some(directory) = beneath(&root, folder)? {
            clear(&directory, Path::new(folder), DEPTH, &|_| true)?;
        }
    }
    if let Some(directory) = beneath(&root, "var/log")? {
        // Programs expect those that are shipped empty.
        let has_text =
            |stat: &Stat| FileType::from_raw_mode(stat.st_mode).is_file() && stat.st_size > 0;
        clear(&directory, Path::new("var/log"), DEPTH, &has_text)?;
    }
    empty_machine_id(&root)
}

/// Present and empty: systemd makes a new one at boot, and without the file
/// Arch Linux comes up `degraded`.
fn empty_machine_id(root: &OwnedFd) -> Result<()> {
    let Some(etc) = beneath(root, "etc")? else {
        return Ok(());
    };
    let path = "etc/machine-id";
    match rustix::fs::unlinkat(&etc, "machine-id", AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(e) => return Err(failed("remove", path)(e)),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o444);
    let file = rustix::fs::openat(&etc, "machine-id", flags, mode).map_err(failed("make", path))?;
    rustix::fs::fchmod(&file, mode).map_err(failed("set the mode of", path))
}

/// Removes what `goes` of all that is no folder.
fn clear(
    directory: &OwnedFd,
    path: &Path,
    depth: usize,
    goes: &dyn Fn(&Stat) -> bool,
) -> Result<()> {
    for name in names(directory, path)? {
        let here = path.join(&name);
        let stat = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("look at", &here))?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            if depth > 0 {
                let inner =
                    open(Some(directory), Path::new(&name)).map_err(failed("open", &here))?;
                clear(&inner, &here, depth - 1, goes)?;
            }
        } else if goes(&stat) {
            rustix::fs::unlinkat(directory, &name, AtFlags::empty())
                .map_err(failed("remove", &here))?;
        }
    }
    Ok(())
}

/// Whether a name is of a pattern in which one `*` stands for any text.
fn matches(pattern: &str, name: &[u8]) -> bool {
    match pattern.split_once('*') {
        None => name == pattern.as_bytes(),
        Some((begin, end)) => {
            name.len() >= begin.len() + end.len()
                && name.starts_with(begin.as_bytes())
                && name.ends_with(end.as_bytes())
        }
    }
}

/// A folder beneath the root, if it is there.
fn beneath(root: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            Ok(None)
        }
        Err(e) => Err(failed("open", path)(e)),
    }
}

fn open(parent: Option<&OwnedFd>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(match parent {
        Some(parent) => rustix::fs::openat(parent, path, flags, Mode::empty())?,
        None => rustix::fs::open(path, flags, Mode::empty())?,
    })
}

fn names(directory: &OwnedFd, path: impl AsRef<Path>) -> Result<Vec<OsString>> {
    let path = path.as_ref();
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

/// Removes a file, link or whole folder.
fn remove(directory: &OwnedFd, path: impl AsRef<Path>, name: &OsStr) -> Result<()> {
    let here = path.as_ref().join(name);
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(rustix::io::Errno::ISDIR) => {
            // The handle cannot be exchanged for a link to elsewhere, and what
            // is beneath it is removed without following any.
            let handle = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
            fs::remove_dir_all(handle.join(name)).map_err(failed("remove", &here))
        }
        Err(e) => Err(failed("remove", &here)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_marks_a_machine_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let gone = [
            "var/lib/dbus/machine-id",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssh/ssh_host_ed25519_key.pub",
            "var/lib/systemd/random-seed",
            "etc/shadow-",
            "var/cache/debconf/config.dat-old",
            "var/log/dpkg.log",
            "var/log/apt/history.log",
            "var/lib/apt/lists/partial/x",
            "etc/pacman.d/gnupg/private-keys-v1.d/x.key",
            "var/lib/pacman/sync/core.db",
            "var/cache/pacman/pkg/a.pkg.tar.zst",
            "tmp/a/b",
            "root/.bash_history",
        ];
        let kept = [
            "etc/ssh/sshd_config",
            "etc/shadow",
            "var/cache/debconf/config.dat",
            "root/.profile",
        ];
        for path in gone.iter().chain(&kept) {
            write(root, path, "x");
        }
        write(root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        write(root, "var/log/wtmp", "");
        strip(root).unwrap();
        for path in gone {
            assert!(!root.join(path).exists(), "{path}");
        }
        for path in kept {
            assert!(root.join(path).exists(), "{path}");
        }
        assert_eq!(fs::read(root.join("etc/machine-id")).unwrap(), b"");
        assert!(root.join("var/log/wtmp").exists() && root.join("tmp").exists());
        assert!(root.join("var/lib/apt/lists/partial").is_dir());
    }

    #[test]
    fn a_link_in_the_tree_does_not_lead_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        let root = dir.path().join("root");
        write(&outside, "precious", "x");
        fs::create_dir_all(root.join("var")).unwrap();
        symlink(&outside, root.join("tmp")).unwrap();
        symlink(&outside, root.join("var/tmp")).unwrap();
        strip(&root).unwrap();
        assert!(outside.join("precious").exists());
    }
}
