//! The tar headers of an entry, byte for byte determined by what it is.
//!
//! POSIX ustar headers with numeric owners; a path of up to 255 bytes is
//! split into prefix and name where it can be. A pax header stands only before
//! an entry that needs one: longer paths, numbers beyond the octal fields
//! (files of 8 GiB, owners over 2,097,151), times before 1970, extended attributes
//! (`SCHILY.xattr.`, as star, GNU tar and libarchive write them) and holes
//! (GNU sparse format 1.0). `tar-core` encodes fields and records; what
//! stands in them is decided here.

use super::ArchiveError;
use super::limits::HEAD_MAX;
use crate::place::Extent;
use tar_core::EntryType;
use tar_core::builder::{HeaderBuilder, PaxBuilder};

/// A tar block, in bytes.
pub(super) const BLOCK: usize = 512;

/// Fields of the ustar header, in bytes.
const NAME: usize = 100;
const PREFIX: usize = 155;

/// The largest numbers of the octal fields: of owners, and of sizes and times.
const SHORT_MAX: u64 = 0o777_7777;
const LONG_MAX: u64 = 0o777_7777_7777;

/// What a header says.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// Path as the archive spells it: no `./` (but the root is `./`), and a
    /// directory ends in `/`.
    pub(super) path: &'a [u8],
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// Target of a symbolic or hard link.
    pub(super) link: &'a [u8],
    /// Major and minor number.
    pub(super) device: (u32, u32),
    /// Length of a file, holes included.
    pub(super) size: u64,
    /// Its parts with data, if it has holes.
    pub(super) extents: Option<&'a [Extent]>,
    /// Sorted by name.
    pub(super) xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl Head<'_> {
    /// Bytes of data that follow in the tar, without padding.
    pub(super) fn stored(&self) -> u64 {
        match self.extents {
            Some(extents) => extents.iter().map(|e| e.length).sum(),
            None => self.size,
        }
    }

    /// Appends the headers, and the map of the holes that precedes the data.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let mut header = HeaderBuilder::new_ustar();
        let mut pax = PaxBuilder::new();
        let map = self.extents.map(|extents| map(extents, self.size));
        if let Some(map) = &map {
            pax.add("GNU.sparse.major", "1");
            pax.add("GNU.sparse.minor", "0");
            pax.add("GNU.sparse.name", self.path);
            pax.add("GNU.sparse.realsize", self.size.to_string());
            let (_, name) = rsplit(self.path);
            self.set(&mut header, |h| {
                h.path(cut(&[b"GNUSparseFile.0/", name].concat()))?;
                h.size(self.stored() + map.len() as u64)
            })?;
        } else {
            self.set_path(&mut header, &mut pax)?;
            let size = octal(self.size, LONG_MAX, "size", &mut pax);
            self.set(&mut header, |h| h.size(size))?;
        }
        if self.link.len() > NAME {
            pax.add("linkpath", self.link);
        }
        let mtime = u64::try_from(self.mtime).unwrap_or_else(|_| {
            pax.add("mtime", self.mtime.to_string());
            0
        });
        let mtime = octal(mtime, LONG_MAX, "mtime", &mut pax);
        let uid = octal(self.uid.into(), SHORT_MAX, "uid", &mut pax);
        let gid = octal(self.gid.into(), SHORT_MAX, "gid", &mut pax);
        for (name, value) in self.xattrs {
            pax.add(&xattr_key(name, self.path)?, value);
        }
        self.set(&mut header, |h| {
            h.mode(self.mode)?;
            h.uid(uid)?;
            h.gid(gid)?;
            h.mtime(mtime)?;
            h.link_name(cut(self.link))?;
            h.device(self.device.0, self.device.1)?;
            Ok(h.entry_type(self.kind))
        })?;
        let records = pax.finish();
        // The reader's limit, less what the headers around them take.
        if records.len() > HEAD_MAX - 4 * BLOCK {
            let what = "its extended attributes take more than a megabyte";
            return Err(ArchiveError::unpackable(self.path, what));
        }
        if !records.is_empty() {
            self.write_pax(&records, out)?;
        }
        out.extend_from_slice(header.finish().as_bytes());
        out.extend_from_slice(&map.unwrap_or_default());
        Ok(())
    }

    fn set_path(
        &self,
        header: &mut HeaderBuilder,
        pax: &mut PaxBuilder,
    ) -> Result<(), ArchiveError> {
        let (prefix, name) = match split(self.path) {
            Some(both) => both,
            None => {
                pax.path(self.path);
                (&b""[..], cut(self.path))
            }
        };
        self.set(header, |h| {
            h.prefix(prefix)?;
            h.path(name)
        })
    }

    fn write_pax(&self, records: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let mut header = HeaderBuilder::new_ustar();
        let (_, name) = rsplit(self.path);
        self.set(&mut header, |h| {
            h.path(cut(&[b"PaxHeaders/", name].concat()))?;
            h.mode(0o644)?;
            h.uid(0)?;
            h.gid(0)?;
            h.mtime(0)?;
            h.size(records.len() as u64)?;
            Ok(h.entry_type(EntryType::XHeader))
        })?;
        out.extend_from_slice(header.finish().as_bytes());
        out.extend_from_slice(records);
        pad(out, records.len());
        Ok(())
    }

    fn set<'h>(
        &self,
        header: &'h mut HeaderBuilder,
        set: impl FnOnce(&'h mut HeaderBuilder) -> tar_core::Result<&'h mut HeaderBuilder>,
    ) -> Result<(), ArchiveError> {
        match set(header) {
            Ok(_) => Ok(()),
            Err(_) => Err(ArchiveError::unpackable(
                self.path,
                "a number in its metadata does not fit into a tar header",
            )),
        }
    }
}

/// Appends zeros to `out` after `length` bytes, up to a whole block.
pub(super) fn pad(out: &mut Vec<u8>, length: usize) {
    out.resize(out.len() + length.next_multiple_of(BLOCK) - length, 0);
}

/// A number for an octal field; one that does not fit stands in a record, and
/// zero in its place.
fn octal(value: u64, max: u64, key: &str, pax: &mut PaxBuilder) -> u64 {
    if value <= max {
        return value;
    }
    pax.add(key, value.to_string());
    0
}

/// Prefix and name of a path, if it fits into a ustar header.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME {
        return Some((b"", path));
    }
    // The slash between them is not stored, and the name is not empty; so the
    // last slash that leaves a name of at most 100 bytes, from the left.
    let from = path.len() - 1 - NAME;
    let at = from + path[from..path.len() - 1].iter().position(|b| *b == b'/')?;
    (at > 0 && at <= PREFIX).then(|| (&path[..at], &path[at + 1..]))
}

/// The part before and after the last slash, one at the end aside.
fn rsplit(path: &[u8]) -> (&[u8], &[u8]) {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(NAME)]
}

/// The pax keyword of an extended attribute. `%` and `=` are escaped, as GNU
/// tar does.
fn xattr_key(name: &[u8], path: &[u8]) -> Result<String, ArchiveError> {
    let name = std::str::from_utf8(name)
        .map_err(|_| ArchiveError::unpackable(path, "an extended attribute's name is not UTF-8"))?;
    let name = name.replace('%', "%25").replace('=', "%3D");
    Ok(format!("SCHILY.xattr.{name}"))
}

/// The map of GNU sparse format 1.0: decimal numbers in lines, padded to a
/// block. A file that ends in a hole has an empty part at its end.
fn map(extents: &[Extent], size: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |e| e.offset + e.length);
    let closing = (end < size).then_some(Extent {
        offset: size,
        length: 0,
    });
    let count = extents.len() + usize::from(closing.is_some());
    let mut text = format!("{count}\n");
    for extent in extents.iter().chain(&closing) {
        text.push_str(&format!("{}\n{}\n", extent.offset, extent.length));
    }
    let mut bytes = text.into_bytes();
    let length = bytes.len();
    pad(&mut bytes, length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_split_where_they_can_be() {
        let name = |n: usize| vec![b'n'; n];
        let joined = |a: usize, b: usize| [name(a), b"/".to_vec(), name(b)].concat();
        assert_eq!(split(&name(100)).unwrap().0, b"");
        assert_eq!(split(&name(101)), None);
        for (a, b) in [(1, 100), (155, 100), (155, 1)] {
            let path = joined(a, b);
            let (prefix, rest) = split(&path).unwrap();
            assert_eq!([prefix, b"/", rest].concat(), path, "{a} {b}");
        }
        for (a, b) in [(156, 100), (3, 101), (156, 1)] {
            assert_eq!(split(&joined(a, b)), None, "{a} {b}");
        }
        let directory = [joined(60, 99), b"/".to_vec()].concat();
        assert_eq!(split(&directory).unwrap().1.len(), 100);
        let directory = [joined(60, 100), b"/".to_vec()].concat();
        assert_eq!(split(&directory), None);
    }

    #[test]
    fn a_map_ends_where_the_file_ends() {
        let extents = [Extent {
            offset: 65536,
            length: 10,
        }];
        let text = |size| String::from_utf8(map(&extents, size)).unwrap();
        assert_eq!(text(65546).trim_end_matches('\0'), "1\n65536\n10\n");
        assert_eq!(
            text(200_000).trim_end_matches('\0'),
            "2\n65536\n10\n200000\n0\n"
        );
        assert_eq!(map(&[], 70_000).len(), BLOCK);
    }
}
