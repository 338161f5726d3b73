//! A tree as text, so that two can be compared: every name with its type,
//! mode, owner, time, links, attributes and contents.

use hatchery_image::Sha256;
use rustix::fs::{FileType, Stat};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Most bytes of attributes that a file of the test's image has.
const ATTRIBUTES_MAX: usize = 4096;

/// One line a name, sorted.
pub(super) fn of(root: &Path) -> String {
    let mut lines = Vec::new();
    describe(root, Path::new(""), &mut lines);
    lines.sort();
    lines.join("\n")
}

fn describe(root: &Path, path: &Path, lines: &mut Vec<String>) {
    let full = root.join(path);
    let stat: Stat = rustix::fs::lstat(&full).unwrap();
    let kind = FileType::from_raw_mode(stat.st_mode);
    // That of a folder depends on the file system.
    let links = if kind == FileType::RegularFile {
        stat.st_nlink
    } else {
        0
    };
    let content = match kind {
        FileType::RegularFile => Sha256::of(&fs::read(&full).unwrap()).to_string(),
        FileType::Symlink => fs::read_link(&full).unwrap().display().to_string(),
        _ => String::new(),
    };
    lines.push(format!(
        "{} {:o} {}:{} {}.{} links {links} device {} {} {content}",
        path.display(),
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_rdev,
        attributes(&full),
    ));
    if kind == FileType::Directory {
        let entries: Vec<_> = fs::read_dir(&full).unwrap().flatten().collect();
        for entry in entries {
            describe(root, &path.join(entry.file_name()), lines);
        }
    }
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0_u8; ATTRIBUTES_MAX];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut shown: Vec<String> = names[..length]
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0_u8; ATTRIBUTES_MAX];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            let name = String::from_utf8_lossy(name);
            format!("{name}={}", Sha256::of(&value[..length]))
        })
        .collect();
    shown.sort();
    shown.join(",")
}

/// All names beneath a folder, with folders that end with `/`, sorted.
pub(super) fn names(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = folder.join(entry.file_name());
            if entry.metadata().is_ok_and(|m| m.is_dir() && m.nlink() > 0) {
                found.push(format!("{}/", path.display()));
                folders.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}
