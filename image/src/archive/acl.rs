//! Access control lists as tar writes them, made into the kernel's form.
//!
//! `SCHILY.acl.access` and `SCHILY.acl.default` hold the text of POSIX 1003.1e
//! draft 17: entries apart by commas (star, bsdtar) or line ends (GNU tar),
//! such as `user::rw-`, `user:lisa:r-x:502`, `mask::r--`. The number may come
//! fourth, or in place of the name. A name alone says nothing here: owners
//! are numbers, and the names of this host are not those of an image. Only
//! `root` is the same everywhere.

/// Version of the kernel's form (`POSIX_ACL_XATTR_VERSION`).
const VERSION: u32 = 2;

/// The id of an entry that names nobody.
const NOBODY: u32 = u32::MAX;

/// Most entries: what fits into the kernel's largest attribute.
const ENTRIES_MAX: usize = 8000;

/// The kernel's tags, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
enum Tag {
    Owner = 1,
    User = 2,
    OwningGroup = 4,
    Group = 8,
    Mask = 16,
    Other = 32,
}

/// A list, in the kernel's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acl(Vec<(Tag, u32, u16)>);

impl Acl {
    /// Reads the text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "its ACL is no text")?;
        let mut entries = Vec::new();
        for entry in text.split([',', '\n']) {
            let entry = entry.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            if entries.len() == ENTRIES_MAX {
                return Err("its ACL is too long");
            }
            entries.push(parsed(entry)?);
        }
        entries.sort_unstable();
        if entries
            .windows(2)
            .any(|w| (w[0].0, w[0].1) == (w[1].0, w[1].1))
        {
            return Err("its ACL has an entry twice");
        }
        let has = |tag| entries.iter().any(|(t, ..)| *t == tag);
        let is_extended = has(Tag::User) || has(Tag::Group);
        if ![Tag::Owner, Tag::OwningGroup, Tag::Other]
            .into_iter()
            .all(has)
        {
            return Err("its ACL lacks an entry for owner, group or others");
        }
        if is_extended && !has(Tag::Mask) {
            return Err("its ACL lacks a mask");
        }
        Ok(Self(entries))
    }

    /// As the kernel takes it in an extended attribute.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, id, permissions) in &self.0 {
            bytes.extend_from_slice(&(*tag as u16).to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    /// The permission bits, if the list says no more than those.
    pub(super) fn as_mode(&self) -> Option<u32> {
        let [owner, group, other] = self.0.as_slice() else {
            return None;
        };
        let bits = u32::from(owner.2) << 6 | u32::from(group.2) << 3 | u32::from(other.2);
        (group.0 == Tag::OwningGroup).then_some(bits)
    }
}

fn parsed(entry: &str) -> Result<(Tag, u32, u16), &'static str> {
    const MALFORMED: &str = "its ACL is malformed";
    let mut fields = entry.split(':').map(str::trim);
    let mut next = || fields.next();
    let (Some(kind), Some(name), Some(permissions)) = (next(), next(), next()) else {
        return Err(MALFORMED);
    };
    let number = next();
    if next().is_some() {
        return Err(MALFORMED);
    }
    let (own, named) = match kind {
        "user" | "u" => (Tag::Owner, Some(Tag::User)),
        "group" | "g" => (Tag::OwningGroup, Some(Tag::Group)),
        "mask" | "m" => (Tag::Mask, None),
        "other" | "o" => (Tag::Other, None),
        _ => return Err(MALFORMED),
    };
    let permissions = parsed_permissions(permissions).ok_or(MALFORMED)?;
    if name.is_empty() && number.is_none_or(str::is_empty) {
        return Ok((own, NOBODY, permissions));
    }
    let tag = named.ok_or(MALFORMED)?;
    let id = match (number, name) {
        (Some(number), _) if !number.is_empty() => number.parse().map_err(|_| MALFORMED)?,
        (_, "root") => 0,
        (_, name) if name.bytes().all(|b| b.is_ascii_digit()) => {
            name.parse().map_err(|_| MALFORMED)?
        }
        _ => return Err("its ACL has a name without a number"),
    };
    if id == NOBODY {
        return Err(MALFORMED);
    }
    Ok((tag, id, permissions))
}

/// `rwx`, with `-` for what is not allowed.
fn parsed_permissions(text: &str) -> Option<u16> {
    let [r, w, x] = text.as_bytes() else {
        return None;
    };
    let bit = |found: u8, letter: u8, bit: u16| match found {
        b'-' => Some(0),
        found => (found == letter).then_some(bit),
    };
    Some(bit(*r, b'r', 4)? | bit(*w, b'w', 2)? | bit(*x, b'x', 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_star_gnu_tar_and_bsdtar_write_is_the_same() {
        let star = b"user::rw-,user:lisa:rwx:1000,group::r--,group:3333:r--,mask::rwx,other::r--";
        let gnu = b"user::rw-\nuser:1000:rwx\ngroup::r--\ngroup:3333:r--\nmask::rwx\nother::r--\n";
        let bsd = b"user::rw-,group::r--,other::r--,user:1000:rwx,group:3333:r--,mask::rwx";
        let acl = Acl::parse(star).unwrap();
        assert_eq!(acl, Acl::parse(gnu).unwrap());
        assert_eq!(acl, Acl::parse(bsd).unwrap());
        assert_eq!(acl.as_mode(), None);
        assert_eq!(acl.encoded().len(), 4 + 6 * 8);
        let plain = Acl::parse(b"user::rwx,group::r-x,other::--x").unwrap();
        assert_eq!(plain.as_mode(), Some(0o751));
        assert!(Acl::parse(b"user::rw-,user:root:r--,group::r--,mask::r--,other::r--").is_ok());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "user::rw-",
            "user::rw-,group::r--,other::rq-",
            "user::rw-,group::r--,other::r--,user:lisa:r--,mask::r--",
            "user::rw-,group::r--,other::r--,user:1:r--",
            "user::rw-,user::r--,group::r--,other::r--",
            "user::rw-,group::r--,other::r--,user:1:r--:1:2,mask::r--",
            "user::rw-,group::r--,other::r--,user:x:r--:-1,mask::r--",
            "user::rw-,group::r--,other::r--,user:x:r--:4294967295,mask::r--",
            "user::rw-,group::r--,other::r--,mask:5:r--",
            "everyone::rwx,user::rw-,group::r--,other::r--",
        ] {
            assert!(Acl::parse(text.as_bytes()).is_err(), "{text}");
        }
        let many: String = (0..9000).map(|n| format!("user:{n}:r--,")).collect();
        assert!(Acl::parse(many.as_bytes()).is_err());
    }
}
