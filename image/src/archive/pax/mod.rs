//! The pax records of one entry, read strictly.
//!
//! `tar-core` applies names, owners and sizes. What is checked here is that
//! no reader could understand something else: records are canonical and of
//! known keywords, none comes twice, numbers are numbers, and no size stands
//! against another. Times before 1970, ACLs and what libarchive writes are
//! read here as well.

mod holes;
mod values;

use super::acl::Acl;
use super::xattrs::is_kept;
use base64::Engine as _;
use holes::Holes;
use std::collections::{BTreeMap, BTreeSet};
use tar_core::PaxExtensions;
use tar_core::builder::PaxBuilder;
use values::{number, seconds, unescaped, url_decoded};

/// The largest number of the header's octal fields for sizes: what is larger
/// stands in a pax record alone.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// Most bytes of names of an entry's extended attributes, each with a byte at
/// its end: what the kernel lists of a file (`XATTR_LIST_MAX`).
const XATTR_NAMES_MAX: usize = 64 << 10;

/// Most keywords of an entry: as many as there are names of attributes in those
/// bytes, and what else is known.
const KEYWORDS_MAX: usize = 10_000;

/// What is used for padless base64, as libarchive writes it, and with pads.
const BASE64: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// What the records say beside what `tar-core` applies.
#[derive(Debug, Default)]
pub(super) struct Pax {
    /// Modification time: seconds since 1970 and nanoseconds.
    pub(super) mtime: Option<(i64, u32)>,
    /// Extended attributes that belong to a tree, by name.
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes of their names.
    xattr_names: usize,
    /// Permission bits, by an access list that says no more than those.
    pub(super) mode: Option<u32>,
    /// Whether it has a path, and the target of a link.
    pub(super) path: bool,
    pub(super) link: bool,
}

/// Reads the records of an entry whose header says that it has `size` bytes.
pub(super) fn read(pax: &[u8], size: u64) -> Result<Pax, &'static str> {
    let mut found = Pax::default();
    let mut seen = BTreeSet::new();
    let mut again = PaxBuilder::new();
    let mut holes = Holes::default();
    let mut lists = Vec::new();
    let mut libarchive = Vec::new();
    let mut own_size = None;
    for record in PaxExtensions::new(pax) {
        let record = record.map_err(|_| "its pax header is malformed")?;
        let key = record
            .key()
            .map_err(|_| "its pax header has a keyword that is no text")?;
        let value = record.value_bytes();
        again.add(key, value);
        let repeats = matches!(key, "comment" | "GNU.sparse.offset" | "GNU.sparse.numbytes");
        if !seen.insert(key) && !repeats {
            return Err("its pax header says something twice");
        }
        if seen.len() > KEYWORDS_MAX {
            return Err("its pax header has more keywords than a file can have attributes");
        }
        match key {
            "path" | "GNU.sparse.name" => found.path = true,
            "linkpath" => found.link = true,
            "mtime" => found.mtime = Some(seconds(value).ok_or("its pax time is malformed")?),
            "size" => own_size = Some(number(value)?),
            "uid" | "gid" => drop(number(value)?),
            "SCHILY.acl.access" | "SCHILY.acl.default" => lists.push((key, value)),
            _ if key.starts_with("GNU.sparse.") => holes.record(key, value)?,
            _ => {
                if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                    found.add_xattr(unescaped(name), value.to_vec())?;
                } else if let Some(name) = key.strip_prefix("LIBARCHIVE.xattr.") {
                    libarchive.push((name, value));
                } else if !is_passed_over(key) {
                    return Err("its pax header has a keyword that is not known");
                }
            }
        }
    }
    if again.as_bytes() != pax {
        return Err("its pax header is not canonical");
    }
    holes.check()?;
    if let Some(own) = own_size {
        // The size of a file with a map of holes counts the map, too.
        if holes.has_version() || own != size && own <= OCTAL_MAX {
            return Err("it has two sizes");
        }
    }
    for (name, value) in libarchive {
        found.add_libarchive(name, value)?;
    }
    for (key, value) in lists {
        found.add_list(key, value)?;
    }
    Ok(found)
}

/// Whether the records of a global header change no entry: a comment (git's),
/// and the name that `tar --label` gives an archive.
pub(super) fn is_harmless(global: &[u8]) -> bool {
    let mut again = PaxBuilder::new();
    for record in PaxExtensions::new(global) {
        match record
            .ok()
            .and_then(|r| Some((r.key().ok()?, r.value_bytes())))
        {
            Some((key @ ("comment" | "GNU.volume.label"), value)) => {
                again.add(key, value);
            }
            _ => return false,
        }
    }
    again.as_bytes() == global
}

/// Whether a keyword changes nothing that a tree has: what is known of POSIX,
/// and what vendors other than those above add. Of the latter, lower-case
/// ones are reserved to POSIX, so that an unknown one may mean anything.
fn is_passed_over(key: &str) -> bool {
    match key {
        "atime" | "ctime" | "comment" | "charset" | "hdrcharset" | "uname" | "gname" => true,
        "GNU.dumpdir" | "SCHILY.dev" | "SCHILY.ino" | "SCHILY.nlink" | "SCHILY.fflags"
        | "SCHILY.acl.ace" => true,
        _ => {
            let vendor = key.split_once('.').map(|(vendor, _)| vendor);
            vendor.is_some_and(|vendor| {
                !matches!(vendor, "GNU" | "SCHILY")
                    && !vendor.is_empty()
                    && vendor
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            })
        }
    }
}

impl Pax {
    fn add_libarchive(&mut self, name: &str, value: &[u8]) -> Result<(), &'static str> {
        const MALFORMED: &str = "its pax header has an extended attribute that is malformed";
        let name = url_decoded(name).ok_or(MALFORMED)?;
        if !is_kept(&name) {
            return Ok(());
        }
        let value = BASE64.decode(value).map_err(|_| MALFORMED)?;
        self.add_xattr(name, value)
    }

    /// What is said twice is taken once, as libarchive writes both notations
    /// of an attribute. They escape its name in different ways, or not at all,
    /// so that two keywords may mean the same one.
    fn add_xattr(&mut self, name: Vec<u8>, value: Vec<u8>) -> Result<(), &'static str> {
        if !is_kept(&name) {
            return Ok(());
        }
        match self.xattrs.get(&name) {
            Some(other) if *other == value => return Ok(()),
            Some(_) => return Err("its pax header has two values for an extended attribute"),
            None => {}
        }
        self.xattr_names += name.len() + 1;
        if self.xattr_names > XATTR_NAMES_MAX {
            return Err("it has more extended attributes than a file can have");
        }
        self.xattrs.insert(name, value);
        Ok(())
    }

    fn add_list(&mut self, key: &str, value: &[u8]) -> Result<(), &'static str> {
        if value.is_empty() {
            return Ok(());
        }
        let list = Acl::parse(value)?;
        let is_access = key.ends_with("access");
        let name = if is_access {
            &b"system.posix_acl_access"[..]
        } else {
            b"system.posix_acl_default"
        };
        let value = list.encoded();
        match self.xattrs.get(name) {
            Some(raw) if *raw == value => return Ok(()),
            Some(_) => return Err("its pax header has two ACLs that differ"),
            None => {}
        }
        match list.as_mode() {
            Some(mode) if is_access => self.mode = Some(mode),
            _ => self.add_xattr(name.to_vec(), value)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
