//! A package that lies unpacked in a folder of its own, as far as installing
//! must know it.

use super::{PkgInfo, Proof};
use std::collections::BTreeMap;

/// A package that was unpacked.
#[derive(Debug)]
pub(in crate::arch) struct Staged {
    pub(in crate::arch) info: PkgInfo,
    pub(in crate::arch) proof: Proof,
    /// What was unpacked, in the tar's order.
    pub(in crate::arch) items: Vec<Item>,
    /// The paths of the package, as its database lists them.
    pub(in crate::arch) paths: Vec<Vec<u8>>,
    /// MD5 of files that are kept when a package is upgraded, by path.
    pub(in crate::arch) sums: BTreeMap<Vec<u8>, String>,
    pub(in crate::arch) mtree: Option<Metadata>,
    pub(in crate::arch) install: Option<Metadata>,
    pub(in crate::arch) changelog: Option<Metadata>,
}

/// A member that is kept in the local database.
#[derive(Debug)]
pub(in crate::arch) struct Metadata {
    pub(in crate::arch) bytes: Vec<u8>,
    /// Its time in the archive, in seconds since 1970.
    pub(in crate::arch) mtime: i64,
}

/// One path of a package.
#[derive(Debug)]
pub(in crate::arch) struct Item {
    pub(in crate::arch) path: Vec<u8>,
    pub(in crate::arch) kind: Kind,
    pub(in crate::arch) attributes: Attributes,
}

/// What is there, as far as merging must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::arch) enum Kind {
    Directory,
    Other,
}

/// Owner, mode, time and extended attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::arch) struct Attributes {
    pub(in crate::arch) mode: u32,
    pub(in crate::arch) uid: u32,
    pub(in crate::arch) gid: u32,
    pub(in crate::arch) mtime: (i64, u32),
    pub(in crate::arch) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
