//! What lies in a package, and the tar that holds it: pax(5) as bsdtar writes
//! it, a ustar header with pax records only where ustar has no room.
//!
//! Headers are filled in as they are asked for: a tar library refuses the
//! paths of a hostile package.

use tar::{Builder, EntryType, Header};

/// Longest path or link that is written into a ustar header, in bytes.
const USTAR_MAX: usize = 100;

/// What something in a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(String),
    /// Another name of the file with this path.
    HardLink(String),
    /// Something that packages do not have, such as a device.
    Other(EntryType),
}

/// Something in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative path without a final `/`; anything else is written as it is.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Seconds since 1970.
    pub time: i64,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// File flags, such as `nodump`.
    pub flags: Option<String>,
    /// Whether `.MTREE` has it, too.
    pub listed: bool,
}

impl Member {
    /// One of root's, with the mode that is usual for its kind.
    #[must_use]
    pub fn new(path: &str, kind: Kind) -> Self {
        let mode = match kind {
            Kind::Folder => 0o755,
            Kind::Link(_) => 0o777,
            _ => 0o644,
        };
        Self {
            path: path.to_owned(),
            kind,
            mode,
            user: 0,
            group: 0,
            time: super::BUILT,
            xattrs: Vec::new(),
            flags: None,
            listed: true,
        }
    }

    /// Its bytes; none but a file has any.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.kind {
            Kind::File(bytes) => bytes,
            _ => b"",
        }
    }

    fn entry_type(&self) -> EntryType {
        match self.kind {
            Kind::Folder => EntryType::Directory,
            Kind::File(_) => EntryType::Regular,
            Kind::Link(_) => EntryType::Symlink,
            Kind::HardLink(_) => EntryType::Link,
            Kind::Other(kind) => kind,
        }
    }
}

/// An uncompressed tar of them, in this order.
pub(super) fn tar(members: &[Member]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for member in members {
        append(&mut tar, member);
    }
    tar.into_inner().expect("memory takes everything")
}

fn append(tar: &mut Builder<Vec<u8>>, member: &Member) {
    let mut path = member.path.clone();
    if member.kind == Kind::Folder && !path.ends_with('/') {
        path.push('/');
    }
    let target = match &member.kind {
        Kind::Link(target) | Kind::HardLink(target) => target.as_str(),
        _ => "",
    };
    let mut header = Header::new_ustar();
    let mut records: Vec<(String, &[u8])> = Vec::new();
    let old = header.as_old_mut();
    if !put(&mut old.name, &path) {
        records.push(("path".to_owned(), path.as_bytes()));
    }
    if !put(&mut old.linkname, target) {
        records.push(("linkpath".to_owned(), target.as_bytes()));
    }
    if let Some(flags) = &member.flags {
        records.push(("SCHILY.fflags".to_owned(), flags.as_bytes()));
    }
    for (name, value) in &member.xattrs {
        records.push((format!("SCHILY.xattr.{name}"), value));
    }
    let records = records.iter().map(|(name, value)| (name.as_str(), *value));
    tar.append_pax_extensions(records)
        .expect("memory takes everything");
    header.set_entry_type(member.entry_type());
    header.set_mode(member.mode);
    header.set_size(member.bytes().len() as u64);
    header.set_uid(member.user.into());
    header.set_gid(member.group.into());
    header.set_mtime(u64::try_from(member.time).unwrap_or(0));
    if member.user == 0 {
        header.set_username("root").expect("a short name");
    }
    if member.group == 0 {
        header.set_groupname("root").expect("a short name");
    }
    header.set_cksum();
    tar.append(&header, member.bytes())
        .expect("memory takes everything");
}

/// Writes what ustar can hold of a text; whether that is all of it.
fn put(field: &mut [u8; USTAR_MAX], text: &str) -> bool {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
    length == text.len() && text.is_ascii()
}
