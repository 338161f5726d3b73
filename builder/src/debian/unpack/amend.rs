//! What dpkg looks up while it unpacks, and what here is only known after the
//! preinst scripts have run: owners by name, overridden owners and modes
//! (dpkg-statoverride(1)), diverted files. Rarely is there anything to amend.

use super::Unpacking;
use super::alias::resolve;
use super::error::{UnpackError, shown};
use super::walk::Owner;
use crate::debian::beneath;
use crate::debian::diversions::Diversions;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::process::{Gid, Uid};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

/// Largest `/etc/passwd` and the like that are read, in bytes.
const TABLE_MAX: u64 = 16 << 20;

impl Unpacking {
    /// Files are given to the users and groups of the names in their package,
    /// where the tree has these names, as dpkg does.
    pub(super) fn amend_owners(&mut self) -> Result<(), UnpackError> {
        let users = ids(&self.read_table("etc/passwd"));
        let groups = ids(&self.read_table("etc/group"));
        for index in 0..self.expected.len() {
            let owners = match &mut self.unpacked(index)?.listing {
                Some(listing) => std::mem::take(&mut listing.owners),
                None => continue,
            };
            for Owner {
                path,
                attributes,
                user,
                group,
            } in owners
            {
                let uid = users.get(&user).copied().unwrap_or(attributes.uid);
                let gid = groups.get(&group).copied().unwrap_or(attributes.gid);
                if (uid, gid) != (attributes.uid, attributes.gid) {
                    self.give(&path, uid, gid, attributes.mode)?;
                }
            }
        }
        Ok(())
    }

    /// Applies what `dpkg-statoverride` recorded to what packages brought.
    pub(super) fn apply_overrides(&self) -> Result<(), UnpackError> {
        let text = self.read_table("var/lib/dpkg/statoverride");
        if text.is_empty() {
            return Ok(());
        }
        let users = ids(&self.read_table("etc/passwd"));
        let groups = ids(&self.read_table("etc/group"));
        for line in text.split(|b| *b == b'\n') {
            let mut words = line.splitn(4, |b| *b == b' ');
            let (Some(user), Some(group), Some(mode), Some(path)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let path = resolve(&self.aliases, path.strip_prefix(b"/").unwrap_or(path));
            let mode = std::str::from_utf8(mode)
                .ok()
                .and_then(|m| u32::from_str_radix(m, 8).ok());
            let claim = self.ledger.get(&path);
            let ours = claim.other.is_some() || claim.directory.is_some();
            if let (true, Some(uid), Some(gid), Some(mode)) =
                (ours, id(user, &users), id(group, &groups), mode)
            {
                self.give(&path, uid, gid, mode)?;
            }
        }
        Ok(())
    }

    /// Moves files that were placed before their path was diverted.
    pub(super) fn move_diverted(&mut self, diversions: &Diversions) -> Result<(), UnpackError> {
        for diversion in diversions.iter() {
            let from = resolve(&self.aliases, &diversion.from).into_owned();
            let Some((owner, class)) = self.ledger.get(&from).other else {
                continue;
            };
            let package = self.unpacked(owner)?;
            let diverted =
                package.control().package() != diversion.package && package.lists(&diversion.from);
            let to = resolve(&self.aliases, &diversion.to).into_owned();
            if diverted && self.rename(&from, &to)? {
                self.ledger.assign(&to, owner, class);
                self.ledger.unassign(&from);
            }
        }
        Ok(())
    }

    pub(super) fn read_table(&self, path: &str) -> Vec<u8> {
        use io::Read as _;
        let mut text = Vec::new();
        let file = beneath::open(
            &self.root,
            path.as_bytes(),
            OFlags::RDONLY | OFlags::NONBLOCK,
        );
        if let Ok(file) = file {
            let file = std::fs::File::from(file);
            // What cannot be read is as good as not there: nothing to amend.
            let _ = file.take(TABLE_MAX).read_to_end(&mut text);
        }
        text
    }

    fn give(&self, path: &[u8], uid: u32, gid: u32, mode: u32) -> Result<(), UnpackError> {
        let change = || {
            let fd = beneath::open(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW)?;
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
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("set the owner of", path, e)),
        }
    }

    /// False if there is nothing to rename, or something there already.
    fn rename(&self, from: &[u8], to: &[u8]) -> Result<bool, UnpackError> {
        match beneath::rename(&self.root, from, to) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::EXIST) => Ok(false),
            Err(e) => Err(failed("divert", from, e)),
        }
    }
}

fn failed(doing: &'static str, path: &[u8], source: rustix::io::Errno) -> UnpackError {
    UnpackError::System {
        doing,
        path: PathBuf::from(shown(path)),
        source: source.into(),
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
