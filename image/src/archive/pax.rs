//! The pax records of one entry, read strictly.
//!
//! `tar-core` applies names, owners and sizes. What is checked here is that
//! no reader could understand something else: records are canonical and of
//! known keywords, none comes twice, numbers are numbers, and no size stands
//! against another. Times before 1970, ACLs and what libarchive writes are
//! read here as well.

use super::acl::Acl;
use super::limits::EXTENTS_MAX;
use super::xattrs::is_kept;
use base64::Engine as _;
use std::collections::{BTreeMap, BTreeSet};
use tar_core::PaxExtensions;
use tar_core::builder::PaxBuilder;

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

/// A hole map's records that have been seen.
#[derive(Default)]
struct Holes {
    version: (Option<u64>, Option<u64>),
    blocks: Option<u64>,
    /// Of format 0.0: how many numbers, an offset and a length in turn.
    numbers: usize,
    map: bool,
    real: Option<u64>,
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
        if holes.version.0.is_some() || own != size && own <= OCTAL_MAX {
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

impl Holes {
    fn record(&mut self, key: &str, value: &[u8]) -> Result<(), &'static str> {
        match key {
            "GNU.sparse.major" => self.version.0 = Some(number(value)?),
            "GNU.sparse.minor" => self.version.1 = Some(number(value)?),
            "GNU.sparse.numblocks" => self.blocks = Some(number(value)?),
            "GNU.sparse.realsize" | "GNU.sparse.size" => {
                let value = number(value)?;
                if self.real.is_some_and(|real| real != value) {
                    return Err("it has two sizes");
                }
                self.real = Some(value);
            }
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => {
                number(value)?;
                let expected = ["GNU.sparse.offset", "GNU.sparse.numbytes"][self.numbers % 2];
                if key != expected {
                    return Err("its map of holes is malformed");
                }
                self.numbers += 1;
            }
            "GNU.sparse.map" => {
                self.map = true;
                let mut numbers = value.split(|b| *b == b',');
                let count = numbers.try_fold(0, |n, text| number(text).map(|_| n + 1));
                let is_paired = value.is_empty() || count.is_ok_and(|n: usize| n.is_multiple_of(2));
                if !is_paired {
                    return Err("its map of holes is malformed");
                }
            }
            _ => return Err("its pax header has a keyword that is not known"),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let formats = [
            self.numbers > 0,
            self.map,
            self.version == (Some(1), Some(0)),
        ];
        let is_known = matches!(self.version, (None, None) | (Some(0), Some(0 | 1)))
            || self.version == (Some(1), Some(0));
        if !is_known {
            return Err("its map of holes is of an unknown version");
        }
        let count = formats.iter().filter(|f| **f).count();
        let is_said = self.real.is_some() || self.blocks.is_some();
        if count > 1 || self.numbers % 2 == 1 || count == 1 && self.real.is_none() {
            return Err("its map of holes is malformed");
        }
        // A file that is all hole has no parts in format 0.0 and 0.1.
        if count == 0 && is_said && self.blocks != Some(0) {
            return Err("its map of holes is missing");
        }
        let parts = self.numbers as u64 / 2;
        if self.numbers > 0 && self.blocks.is_some_and(|blocks| blocks != parts)
            || self
                .blocks
                .is_some_and(|blocks| blocks > EXTENTS_MAX as u64)
        {
            return Err("its map of holes does not have as many parts as it says");
        }
        Ok(())
    }
}

/// A number without sign.
fn number(value: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(value).ok();
    let digits = text.filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let number = digits.and_then(|t| t.parse().ok());
    number.ok_or("its pax header has a number that is none")
}

/// A pax time: seconds with a fraction, maybe before 1970.
fn seconds(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || whole.starts_with('+') {
        return None;
    }
    let negative = whole.starts_with('-');
    let whole: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if negative && nanoseconds > 0 {
        return Some((whole.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((whole, nanoseconds))
}

/// The name of an extended attribute, in which GNU tar escapes `=` and `%`.
fn unescaped(name: &str) -> Vec<u8> {
    name.replace("%3D", "=").replace("%25", "%").into_bytes()
}

/// A name as in a URL.
fn url_decoded(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::cpu_time;

    fn records(all: &[(&str, &str)]) -> Vec<u8> {
        let mut pax = PaxBuilder::new();
        for (key, value) in all {
            pax.add(key, value);
        }
        pax.finish()
    }

    #[test]
    fn times_have_a_sign_and_a_fraction() {
        for (text, time) in [
            ("0", (0, 0)),
            ("1795719102.126230679", (1_795_719_102, 126_230_679)),
            ("-1.5", (-2, 500_000_000)),
            ("-0.25", (-1, 750_000_000)),
            ("3.1", (3, 100_000_000)),
            ("3.1234567899", (3, 123_456_789)),
        ] {
            assert_eq!(seconds(text.as_bytes()), Some(time), "{text}");
        }
        for text in ["", "now", "+1", "1.x", "1e9", "--1", "1.-5"] {
            assert_eq!(seconds(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn both_notations_of_an_attribute_are_one() {
        let both = [
            ("LIBARCHIVE.xattr.user.a%3Db%25", "AAF2YWw"),
            ("SCHILY.xattr.user.a%3Db%25", "\0\u{1}val"),
        ];
        let name = b"user.a=b%".to_vec();
        for all in [&both[..], &both[..1], &both[1..]] {
            let found = read(&records(all), 0).unwrap().xattrs;
            assert_eq!(found, [(name.clone(), b"\0\x01val".to_vec())].into());
        }
        let differ = [both[0], ("SCHILY.xattr.user.a%3Db%25", "other")];
        assert!(read(&records(&differ), 0).is_err());
        assert!(read(&records(&[("LIBARCHIVE.xattr.user.a", "!")]), 0).is_err());
        // `%3D` itself is escaped once.
        assert_eq!(unescaped("user.%253D"), b"user.%3D");
    }

    #[test]
    fn an_attribute_that_two_spellings_give_two_values_is_refused() {
        let spellings = [
            // GNU tar escapes what others write as it is.
            [
                ("SCHILY.xattr.user.a%", "1"),
                ("SCHILY.xattr.user.a%25", "2"),
            ],
            [
                ("SCHILY.xattr.user.a%", "1"),
                ("LIBARCHIVE.xattr.user.a%25", "Mg"),
            ],
            [
                ("LIBARCHIVE.xattr.user.a", "MQ"),
                ("LIBARCHIVE.xattr.user.%61", "Mg"),
            ],
        ];
        for [first, second] in spellings {
            for all in [[first, second], [second, first]] {
                let why = read(&records(&all), 0).unwrap_err();
                assert!(why.contains("two values"), "{all:?}: {why}");
            }
            let once = read(&records(&[first]), 0).unwrap().xattrs;
            assert_eq!(once.into_values().next().unwrap(), b"1", "{first:?}");
        }
        let same = [spellings[0][0], ("SCHILY.xattr.user.a%25", "1")];
        assert_eq!(read(&records(&same), 0).unwrap().xattrs.len(), 1);
        // Of what belongs to the host and is passed over, nothing counts.
        let hosts = [
            ("SCHILY.xattr.trusted.a%", "1"),
            ("SCHILY.xattr.trusted.a%25", "2"),
        ];
        assert!(read(&records(&hosts), 0).unwrap().xattrs.is_empty());
    }

    #[test]
    fn a_list_of_permissions_that_differs_from_the_raw_one_is_refused() {
        let text = "user::rwx,user:7:r--,group::r-x,mask::r-x,other::---";
        let raw = Acl::parse(text.as_bytes()).unwrap().encoded();
        let with = |list: &str| {
            let mut pax = PaxBuilder::new();
            pax.add("SCHILY.xattr.system.posix_acl_access", &raw);
            pax.add("SCHILY.acl.access", list);
            read(&pax.finish(), 0)
        };
        assert_eq!(with(text).unwrap().xattrs.len(), 1);
        for other in [
            "user::rwx,user:8:r--,group::r-x,mask::r-x,other::---",
            // One that says no more than a mode.
            "user::rwx,group::r-x,other::---",
        ] {
            assert!(with(other).unwrap_err().contains("two ACLs"), "{other}");
        }
    }

    /// With each compared with all others, this would take a minute.
    #[test]
    fn many_attributes_are_read_quickly_and_more_than_a_file_has_are_refused() {
        let begun = cpu_time();
        for (count, is_read) in [(6000, true), (7000, false), (100_000, false)] {
            let mut pax = PaxBuilder::new();
            for index in 0..count {
                let name = index.to_string();
                pax.add(&format!("LIBARCHIVE.xattr.user.{name:0>4}"), "");
            }
            let found = read(&pax.finish(), 0);
            assert_eq!(found.is_ok(), is_read, "{count}");
        }
        assert!((cpu_time() - begun).as_secs() < 20);
    }

    #[test]
    fn what_is_said_twice_or_unknown_is_refused() {
        for all in [
            &[("size", "5"), ("size", "5")][..],
            &[("path", "a"), ("path", "b")],
            &[("size", "6")],
            &[("size", "+5")],
            &[("realsize", "5")],
            &[("GNU.future", "5")],
            &[("SCHILY.realsize", "5")],
            &[("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")],
            &[("GNU.sparse.major", "1")],
            &[("GNU.sparse.numblocks", "2"), ("GNU.sparse.size", "9")],
            &[("GNU.sparse.offset", "2"), ("GNU.sparse.size", "9")],
            &[("GNU.sparse.map", "1,2,3"), ("GNU.sparse.size", "9")],
            &[("GNU.sparse.size", "8"), ("GNU.sparse.realsize", "9")],
        ] {
            assert!(read(&records(all), 5).is_err(), "{all:?}");
        }
        for all in [
            &[("size", "5")][..],
            &[("size", "9000000000")],
            &[("comment", "a"), ("comment", "b")],
            &[
                ("atime", "1"),
                ("hdrcharset", "BINARY"),
                ("RHT.security.selinux", "x"),
            ],
        ] {
            assert!(read(&records(all), 5).is_ok(), "{all:?}");
        }
    }
}
