//! How an entry that is in both differs, contents aside.

use super::super::entries::{Entry, Kind};
use super::super::xattrs::Xattrs;
use super::{Aspect, Type};
use rustix::fs::{FileType, Stat};
use std::collections::BTreeMap;

/// User ids of a namespace, as systemd-nspawn gives them out.
pub(super) const NAMESPACE: u32 = 1 << 16;

/// Length of the header of an access control list and of each entry, and
/// where an entry's tag and id lie (`struct posix_acl_xattr_entry`).
const ACL_HEADER: usize = 4;
const ACL_ENTRY: usize = 8;
const ACL_ID: usize = 4;
/// Tags of the entries whose id counts.
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;

/// What the kernel's type is called here.
pub(super) fn type_of(kind: FileType) -> Option<Type> {
    Some(match kind {
        FileType::RegularFile => Type::File,
        FileType::Directory => Type::Directory,
        FileType::Symlink => Type::Symlink,
        FileType::CharacterDevice => Type::Character,
        FileType::BlockDevice => Type::Block,
        FileType::Fifo => Type::Fifo,
        FileType::Socket => Type::Socket,
        _ => return None,
    })
}

/// What unpacking makes of an entry. A hard link is one to a file.
pub(super) fn type_in(entry: &Entry) -> Type {
    match entry.kind {
        Kind::File { .. } | Kind::HardLink(_) => Type::File,
        Kind::Directory => Type::Directory,
        Kind::Symlink(_) => Type::Symlink,
        Kind::Character(..) => Type::Character,
        Kind::Block(..) => Type::Block,
        Kind::Fifo => Type::Fifo,
    }
}

/// How far the tree's owners were shifted, told by its root.
pub(super) fn shift(root: &Entry, stat: &Stat) -> Option<u32> {
    let base = stat.st_uid.checked_sub(root.uid)?;
    let same = stat.st_gid.checked_sub(root.gid) == Some(base);
    (base >= NAMESPACE && base % NAMESPACE == 0 && same).then_some(base)
}

/// Differences of mode, owner, device number and time.
pub(super) fn of_stat(
    entry: &Entry,
    stat: &Stat,
    shift: Option<u32>,
    times: bool,
    aspects: &mut Vec<Aspect>,
) {
    let mode = stat.st_mode & 0o7777;
    // A symbolic link has none of its own.
    if !matches!(entry.kind, Kind::Symlink(_)) && entry.mode & 0o7777 != mode {
        aspects.push(Aspect::Mode(entry.mode & 0o7777, mode));
    }
    let listed = (shifted(entry.uid, shift), shifted(entry.gid, shift));
    if listed != (stat.st_uid, stat.st_gid) {
        aspects.push(Aspect::Owner(listed, (stat.st_uid, stat.st_gid)));
    }
    if let Kind::Character(major, minor) | Kind::Block(major, minor) = entry.kind {
        let number = stat.st_rdev;
        let is = (rustix::fs::major(number), rustix::fs::minor(number));
        if (major, minor) != is {
            aspects.push(Aspect::Device((major, minor), is));
        }
    }
    if times && entry.mtime.0 != stat.st_mtime {
        aspects.push(Aspect::Time(entry.mtime.0, stat.st_mtime));
    }
}

/// An id in the namespace that the tree was given to.
fn shifted(id: u32, shift: Option<u32>) -> u32 {
    shift.map_or(id, |base| base.saturating_add(id % NAMESPACE))
}

/// Differences of extended attributes.
pub(super) fn of_xattrs(
    entry: &Entry,
    found: &Xattrs,
    shift: Option<u32>,
    aspects: &mut Vec<Aspect>,
) {
    let mut listed: BTreeMap<&[u8], Vec<u8>> = entry
        .xattrs
        .iter()
        .map(|(name, value)| (&**name, shifted_xattr(name, value, shift)))
        .collect();
    for (name, value) in found {
        if listed.remove(&**name).as_ref() != Some(value) {
            aspects.push(Aspect::Xattr(name.clone()));
        }
    }
    let missing = listed.into_keys();
    aspects.extend(missing.map(|name| Aspect::Xattr(name.to_vec())));
}

/// An attribute's value: ids in an access control list are shifted, too.
fn shifted_xattr(name: &[u8], value: &[u8], shift: Option<u32>) -> Vec<u8> {
    let mut value = value.to_vec();
    if shift.is_none() || !name.starts_with(b"system.posix_acl_") || value.len() < ACL_HEADER {
        return value;
    }
    for entry in value[ACL_HEADER..].chunks_exact_mut(ACL_ENTRY) {
        let (head, id) = entry.split_at_mut(ACL_ID);
        let tag = u16::from_le_bytes([head[0], head[1]]);
        if matches!(tag, ACL_USER | ACL_GROUP) {
            let number = u32::from_le_bytes([id[0], id[1], id[2], id[3]]);
            id.copy_from_slice(&shifted(number, shift).to_le_bytes());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_access_control_lists_are_shifted_and_others_are_not() {
        let list = |user: u32| {
            let mut list = 2_u32.to_le_bytes().to_vec();
            for (tag, id) in [(1_u16, u32::MAX), (ACL_USER, user), (4, u32::MAX)] {
                list.extend(tag.to_le_bytes());
                list.extend(7_u16.to_le_bytes());
                list.extend(id.to_le_bytes());
            }
            list
        };
        let name = b"system.posix_acl_access";
        let base = Some(3 * NAMESPACE);
        assert_eq!(
            shifted_xattr(name, &list(1000), base),
            list(3 * NAMESPACE + 1000)
        );
        assert_eq!(shifted_xattr(name, &list(1000), None), list(1000));
        assert_eq!(shifted_xattr(b"user.x", &list(1000), base), list(1000));
        assert_eq!(shifted_xattr(name, b"\x02", base), b"\x02");
    }
}
