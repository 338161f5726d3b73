//! What dpkg looks up while it unpacks, and what here is only known after
//! scripts have run: owners by name, overridden owners and modes
//! (dpkg-statoverride(1)), diverted files. Rarely is there anything to amend.

use super::error::{UnpackError, shown};
use super::merge::{Merger, Staged};
use crate::beneath;
use crate::debian::diversions::Diversions;
use hatchery_image::place::Root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use std::collections::HashMap;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

/// Largest `/etc/passwd` and the like that are read, in bytes.
const TABLE_MAX: u64 = 16 << 20;

/// The diversions that are recorded in a tree.
pub(super) fn diversions(root: &Root) -> Result<Diversions, UnpackError> {
    Ok(Diversions::parse(&table(root, "var/lib/dpkg/diversions")?))
}

/// Users, groups and overrides that a tree knows.
pub(super) struct Owners {
    users: HashMap<Vec<u8>, u32>,
    groups: HashMap<Vec<u8>, u32>,
    overrides: Vec<u8>,
}

impl Owners {
    pub(super) fn read(root: &Root) -> Result<Self, UnpackError> {
        Ok(Self {
            users: ids(&table(root, "etc/passwd")?),
            groups: ids(&table(root, "etc/group")?),
            overrides: table(root, "var/lib/dpkg/statoverride")?,
        })
    }

    /// Files are given to the users and groups of the names in their package,
    /// where the tree has these names.
    pub(super) fn by_name(
        &self,
        staged: &Staged<'_>,
        merger: &Merger,
        diversions: &Diversions,
        root: &Root,
    ) -> Result<(), UnpackError> {
        for item in &staged.listing.items {
            let Some((user, group)) = item.owner.as_deref() else {
                continue;
            };
            let has = item.attributes;
            let uid = self.users.get(user).copied().unwrap_or(has.uid);
            let gid = self.groups.get(group).copied().unwrap_or(has.gid);
            if (uid, gid) != (has.uid, has.gid) {
                let package = staged.control.package();
                let mut path = merger.on_disk(&item.own, package, diversions);
                path.extend_from_slice(item.kind.suffix());
                give(root, &path, uid, gid, has.mode)?;
            }
        }
        Ok(())
    }

    /// Applies overrides to what packages brought.
    pub(super) fn overrides(&self, merger: &Merger, root: &Root) -> Result<(), UnpackError> {
        for line in self.overrides.split(|b| *b == b'\n') {
            let mut words = line.splitn(4, |b| *b == b' ');
            let (Some(user), Some(group), Some(mode), Some(path)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let path = path.strip_prefix(b"/").unwrap_or(path);
            let path = merger.on_disk(path, "", &Diversions::default());
            let mode = std::str::from_utf8(mode).ok();
            let mode = mode.and_then(|m| u32::from_str_radix(m, 8).ok());
            let (uid, gid) = (id(user, &self.users), id(group, &self.groups));
            if let (true, Some(uid), Some(gid), Some(mode)) = (merger.knows(&path), uid, gid, mode)
            {
                give(root, &path, uid, gid, mode)?;
            }
        }
        Ok(())
    }
}

/// Moves a package's files that were placed before their path was diverted.
pub(super) fn move_diverted(
    staged: &Staged<'_>,
    merger: &mut Merger,
    diversions: &Diversions,
    root: &Root,
) -> Result<(), UnpackError> {
    let package = staged.control.package();
    for item in &staged.listing.items {
        if diversions.target(&item.own, package).is_none() {
            continue;
        }
        let from = merger.on_disk(&item.own, package, &Diversions::default());
        let to = merger.on_disk(&item.own, package, diversions);
        if merger.owner(&from) != Some(staged.index) {
            continue;
        }
        match beneath::rename(root, &from, &to) {
            // If it is gone, dpkg-divert has renamed it.
            Ok(()) | Err(Errno::NOENT | Errno::EXIST) => merger.moved(&from, &to),
            Err(e) => return Err(failed("divert", &from, e.into())),
        }
    }
    Ok(())
}

fn table(root: &Root, path: &str) -> Result<Vec<u8>, UnpackError> {
    beneath::read(root, path, TABLE_MAX).map_err(|e| failed("read", path.as_bytes(), e))
}

fn give(root: &Root, path: &[u8], uid: u32, gid: u32, mode: u32) -> Result<(), UnpackError> {
    let change = || {
        let fd = beneath::open(root, path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::fs::chownat(&fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        if kind == FileType::Symlink {
            return Ok(());
        }
        let own = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::fs::chmod(own, Mode::from_raw_mode(mode))
    };
    match change() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(failed("set the owner of", path, e.into())),
    }
}

fn failed(doing: &'static str, path: &[u8], source: std::io::Error) -> UnpackError {
    UnpackError::System {
        doing,
        path: PathBuf::from(shown(path)),
        source,
    }
}

/// Names and numbers in the text of a passwd(5) or group(5).
fn ids(table: &[u8]) -> HashMap<Vec<u8>, u32> {
    table
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|b| *b == b':');
            let name = fields.next().filter(|n| !n.is_empty())?;
            let id = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
            Some((name.to_vec(), id))
        })
        .collect()
}

/// A name, or a number after `#`.
fn id(word: &[u8], names: &HashMap<Vec<u8>, u32>) -> Option<u32> {
    match word.strip_prefix(b"#") {
        Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        None => names.get(word).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up() {
        let table = ids(b"root:x:0:0::/root:/bin/sh\nbad\nmail:x:8:\n:x:9:\n");
        assert_eq!(id(b"mail", &table), Some(8));
        assert_eq!(id(b"#12", &table), Some(12));
        assert_eq!(id(b"nobody", &table), None);
        assert_eq!(table.len(), 2);
    }
}
