//! The file of networkd in the machine's tree that gives host0 its address.
//!
//! networkd takes the first file that matches a link, and sorts them by name
//! alone, whichever of its folders they are in. systemd's own for host0 is
//! `80-container-host0.network`; an image may have another, as one that was
//! built with a fixed address. So this one sorts before what an image has for
//! every link, and neither of the others is touched: removing it gives the
//! image's own network back.
//!
//! The tree is somebody else's until the machine runs in it. The file is
//! placed without following any link of the tree, what is looked for is looked
//! for as in a chroot, and only a plain file is ever replaced.

use super::NetworkError;
use crate::record::WrittenFile;
use hatchery_image::place::{Entry, FileType, Node, Resolve, Root, open_in};
use hatchery_image::settings::Host0;
use hatchery_image::{RelativePath, Sha256};
use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

/// Its path in the tree.
pub const FILE: &str = "etc/systemd/network/05-hatchery-host0.network";

/// What it begins with.
const HEAD: &str = "# Written by hatchery import, which takes it back with the machine.\n\n";

/// Where networkd is, in every layout of distributions.
const NETWORKD: [&str; 2] = [
    "usr/lib/systemd/systemd-networkd",
    "lib/systemd/systemd-networkd",
];

/// Where resolved is.
const RESOLVED: [&str; 2] = [
    "usr/lib/systemd/systemd-resolved",
    "lib/systemd/systemd-resolved",
];

/// What enables networkd, in the image's configuration or by its vendor.
const ENABLED: [&str; 3] = [
    "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
    "etc/systemd/system/sysinit.target.wants/systemd-networkd.service",
    "usr/lib/systemd/system/multi-user.target.wants/systemd-networkd.service",
];

/// Folders in which networkd looks for its files.
const FOLDERS: [&str; 4] = [
    "etc/systemd/network",
    "usr/local/lib/systemd/network",
    "usr/lib/systemd/network",
    "lib/systemd/network",
];

/// Most entries of such a folder that are looked at.
const ENTRIES_MAX: usize = 10_000;

/// The text of the file for this network; none where the image's own will do.
fn text(host0: &Host0) -> Option<String> {
    host0.render().map(|text| format!("{HEAD}{text}"))
}

/// Whether this network needs a file.
pub(super) fn is_needed(host0: &Host0) -> bool {
    text(host0).is_some()
}

/// Writes the file into the tree, if the network needs one; `mtime` is in
/// seconds since 1970. What was written, and lines that a user should know.
///
/// # Errors
/// Nobody in the tree would read it, something is in its way, or the system
/// refused.
pub fn write(
    tree: &Path,
    host0: &Host0,
    mtime: i64,
) -> Result<(Vec<WrittenFile>, Vec<String>), NetworkError> {
    let Some(text) = text(host0) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let root = Root::open(tree, Resolve::Beneath).map_err(NetworkError::Place)?;
    if !has_any(&root, &NETWORKD)? {
        return Err(NetworkError::NoNetworkd);
    }
    let warnings = warnings(&root, host0)?;
    place(&root, text.as_bytes(), mtime)?;
    let written = WrittenFile {
        path: FILE.parse::<RelativePath>().expect("the path is one"),
        sha256: Sha256::of(text.as_bytes()),
    };
    Ok((vec![written], warnings))
}

fn place(root: &Root, text: &[u8], mtime: i64) -> Result<(), NetworkError> {
    let mut placer = root.placer();
    let path = FILE.as_bytes();
    match placer.found(path).map_err(NetworkError::Place)? {
        None => (),
        Some(FileType::RegularFile) => placer.remove(path).map_err(NetworkError::Place)?,
        Some(_) => return Err(NetworkError::InTheWay { path: FILE }),
    }
    let entry = Entry::of_root(path, Node::file(text.len() as u64), 0o644, mtime);
    let placed = placer.place_slice(&entry, text);
    placed.map(drop).map_err(NetworkError::Place)
}

/// What does not stop the import, but the network from being as it should.
fn warnings(root: &Root, host0: &Host0) -> Result<Vec<String>, NetworkError> {
    let mut lines = Vec::new();
    if !has_any(root, &ENABLED)? {
        lines.push(
            "systemd-networkd is in the image but not enabled there, so host0 may stay without \
             an address; enable it in the tree with systemctl --root=TREE enable systemd-networkd"
                .to_owned(),
        );
    }
    if !host0.dns.is_empty() && !has_any(root, &RESOLVED)? {
        lines.push(
            "the image has no systemd-resolved, so nobody in it asks the DNS servers that were \
             given; name them in its /etc/resolv.conf"
                .to_owned(),
        );
    }
    for folder in FOLDERS {
        for name in earlier(root, folder)? {
            lines.push(format!(
                "the image's /{folder}/{name} comes before the network that was asked for; \
                 if it matches host0 too, it wins"
            ));
        }
    }
    Ok(lines)
}

/// Whether one of these is in the tree, seen from inside.
fn has_any(root: &Root, paths: &[&str]) -> Result<bool, NetworkError> {
    for path in paths {
        if open(root, path, OFlags::PATH | OFlags::NOFOLLOW)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Names of networkd's files in a folder that sort before ours.
fn earlier(root: &Root, folder: &str) -> Result<Vec<String>, NetworkError> {
    let Some(open) = open(root, folder, OFlags::RDONLY | OFlags::DIRECTORY)? else {
        return Ok(Vec::new());
    };
    let own = FILE.rsplit('/').next().unwrap_or(FILE);
    let mut names = Vec::new();
    for entry in Dir::new(open).map_err(failed(folder))?.take(ENTRIES_MAX) {
        let entry = entry.map_err(failed(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".network") && name.as_str() < own {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is at a path of the tree, as a process in it would find it; none if
/// nothing is, or not what was wanted.
fn open(root: &Root, path: &str, flags: OFlags) -> Result<Option<OwnedFd>, NetworkError> {
    let flags = flags | OFlags::CLOEXEC;
    match open_in(root.as_fd(), path.as_bytes(), flags, Resolve::InRoot) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
        Err(errno) => Err(failed(path)(errno)),
    }
}

fn failed(path: &str) -> impl FnOnce(Errno) -> NetworkError {
    let path = path.to_owned();
    move |errno| NetworkError::Tree {
        path,
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn host0() -> Host0 {
        serde_json::from_str(r#"{"address": "172.23.0.2/24", "dns": "172.23.0.1"}"#).unwrap()
    }

    /// A tree with networkd in it, enabled, and resolved.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("usr/lib/systemd");
        let wants = dir
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        for folder in [&lib, &wants] {
            fs::create_dir_all(folder).unwrap();
        }
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        fs::write(lib.join("systemd-networkd"), "").unwrap();
        fs::write(lib.join("systemd-resolved"), "").unwrap();
        let unit = "/lib/systemd/system/systemd-networkd.service";
        symlink(unit, wants.join("systemd-networkd.service")).unwrap();
        dir
    }

    #[test]
    fn the_file_comes_before_the_image_own_and_says_what_was_asked_for() {
        let dir = tree();
        let (written, warnings) = write(dir.path(), &host0(), 0).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.contains("Name=host0\n") && text.contains("Address=172.23.0.2/24\n"));
        assert_eq!(written[0].sha256, Sha256::of(text.as_bytes()));
        let own = FILE.rsplit('/').next().unwrap();
        let of_image = hatchery_image::settings::host0::FILE.rsplit('/').next();
        assert!(own < of_image.unwrap());
        // Again, over its own; and nothing for plain DHCP.
        write(dir.path(), &host0(), 0).unwrap();
        let (none, _) = write(dir.path(), &Host0::default(), 0).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn what_the_image_lacks_is_an_error_or_told() {
        let dir = tree();
        let path = |name: &str| dir.path().join(name);
        fs::remove_file(path("usr/lib/systemd/systemd-resolved")).unwrap();
        fs::remove_dir_all(path("etc/systemd/system")).unwrap();
        fs::create_dir_all(path("usr/lib/systemd/network")).unwrap();
        for name in ["00-all.network", "04-x.link", "80-container-host0.network"] {
            fs::write(path("usr/lib/systemd/network").join(name), "").unwrap();
        }
        let (_, warnings) = write(dir.path(), &host0(), 0).unwrap();
        for wanted in ["not enabled", "no systemd-resolved", "00-all.network"] {
            assert!(warnings.iter().any(|w| w.contains(wanted)), "{warnings:?}");
        }
        assert!(
            !warnings
                .iter()
                .any(|w| w.contains("04-x") || w.contains("80-"))
        );
        fs::remove_file(path("usr/lib/systemd/systemd-networkd")).unwrap();
        let error = write(dir.path(), &host0(), 0).unwrap_err();
        assert!(matches!(error, NetworkError::NoNetworkd), "{error}");
    }

    #[test]
    fn links_of_the_tree_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        for part in ["etc", "etc/systemd", "etc/systemd/network"] {
            let dir = tree();
            let link = dir.path().join(part);
            let _ = fs::remove_dir_all(&link);
            symlink(outside.path(), &link).unwrap();
            let error = write(dir.path(), &host0(), 0).unwrap_err();
            assert!(matches!(error, NetworkError::Place(_)), "{part}: {error}");
        }
        let dir = tree();
        fs::create_dir_all(dir.path().join("etc/systemd/network")).unwrap();
        symlink(outside.path().join("file"), dir.path().join(FILE)).unwrap();
        let error = write(dir.path(), &host0(), 0).unwrap_err();
        assert!(matches!(error, NetworkError::InTheWay { .. }), "{error}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
