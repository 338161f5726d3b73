//! An entry, understood from its headers: what is out of range, or has what it
//! must not have, is refused.

use super::super::limits::PATH_MAX;
use super::super::pax;
use super::chain::Chain;
use super::step::{DUMPED, Step, Wrong};
use crate::place::Extent;
use tar_core::EntryType;
use tar_core::parse::ParsedEntry;

/// The largest numbers that a device has in the kernel; it cuts larger ones.
const MAJOR_MAX: u32 = 0xfff;
const MINOR_MAX: u32 = 0xf_ffff;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Where its data lies, if it has holes.
        extents: Option<Vec<Extent>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
    /// A hard link, and the path of what it is linked to.
    HardLink(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

/// An entry whose headers were read. Its data comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path as the tar has it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes that belong to a tree: name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of its headers.
    pub head: u64,
    /// Bytes of its data in the tar, without padding.
    pub stored: u64,
}

/// The entry of these headers, of which `consumed` bytes were read.
pub(super) fn understood(
    entry: &ParsedEntry<'_>,
    chain: &Chain,
    consumed: usize,
    size: u64,
    extents: Option<Vec<Extent>>,
) -> Result<Step, Wrong> {
    let refused = |what| Wrong::Refused(entry.path.to_vec(), what);
    let own_size = || entry.header.entry_size().unwrap_or(u64::MAX);
    let pax = entry.pax.map(|records| pax::read(records, own_size()));
    let pax = pax.transpose().map_err(refused)?.unwrap_or_default();
    chain.check(&pax).map_err(refused)?;
    let kind = kind(entry, size, extents).map_err(refused)?;
    let stored = entry.size;
    // No file system has such a file, and padding it would overflow.
    if i64::try_from(stored).is_err() {
        return Err(refused("its size is out of range"));
    }
    let has_data = matches!(kind, Kind::File { .. });
    // A dump's directory holds the names of what was in it.
    if stored > 0 && !has_data && entry.entry_type != DUMPED {
        return Err(refused("it has data though it is no file"));
    }
    if let Kind::File {
        extents: Some(extents),
        ..
    } = &kind
    {
        let sum = extents
            .iter()
            .try_fold(0_u64, |sum, e| sum.checked_add(e.length));
        if sum != Some(stored) {
            return Err(refused("the map of its holes does not match its data"));
        }
    }
    let owner = |id: u64| u32::try_from(id).map_err(|_| refused("its owner is out of range"));
    let mode = match pax.mode {
        Some(bits) => entry.mode & !0o777 | bits,
        None => entry.mode,
    };
    Ok(Step::Entry(Box::new(Entry {
        mode,
        uid: owner(entry.uid)?,
        gid: owner(entry.gid)?,
        mtime: match pax.mtime {
            Some(time) => time,
            None => (
                header_mtime(entry).ok_or_else(|| refused("its time is out of range"))?,
                0,
            ),
        },
        xattrs: pax.xattrs.into_iter().collect(),
        path: entry.path.to_vec(),
        kind,
        head: consumed as u64,
        stored,
    })))
}

fn kind(
    entry: &ParsedEntry<'_>,
    size: u64,
    extents: Option<Vec<Extent>>,
) -> Result<Kind, &'static str> {
    let target = || match &entry.link_target {
        Some(target) if target.len() > PATH_MAX as usize => Err("its target is too long"),
        Some(target) if target.contains(&0) => Err("its target contains a NUL"),
        Some(target) => Ok(target.to_vec()),
        None => Err("it is a link without a target"),
    };
    let device = || match (entry.dev_major, entry.dev_minor) {
        (Some(major), Some(minor)) if major <= MAJOR_MAX && minor <= MINOR_MAX => {
            Ok((major, minor))
        }
        (Some(_), Some(_)) => Err("it is a device with a number that no device has"),
        _ => Err("it is a device without a number"),
    };
    if extents.is_some() && !matches!(entry.entry_type, EntryType::Regular | EntryType::GnuSparse) {
        return Err("it has a map of holes though it is no file");
    }
    Ok(match entry.entry_type {
        // The oldest tars have no type for directories.
        EntryType::Regular if entry.path.ends_with(b"/") && entry.size == 0 => Kind::Directory,
        EntryType::Regular | EntryType::GnuSparse | EntryType::Continuous => {
            if entry.path.ends_with(b"/") {
                return Err("it is a file, but its name ends in '/'");
            }
            Kind::File { size, extents }
        }
        EntryType::Directory | DUMPED => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target()?),
        EntryType::Link => Kind::HardLink(target()?),
        EntryType::Char => device().map(|(major, minor)| Kind::Character(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
        EntryType::Fifo => Kind::Fifo,
        _ => return Err("it is of a type that is not supported"),
    })
}

/// The header's own time. GNU tar writes one before 1970 in base 256, as a
/// negative number.
fn header_mtime(entry: &ParsedEntry<'_>) -> Option<i64> {
    let field = entry.header.as_ustar().mtime;
    match field.split_last_chunk::<8>() {
        Some((head, tail)) if head.iter().all(|b| *b == 0xff) => Some(i64::from_be_bytes(*tail)),
        _ => i64::try_from(entry.mtime).ok(),
    }
}
