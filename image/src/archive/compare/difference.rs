//! What is another in a tree than in its archive.

use serde::Serialize;
use std::collections::BTreeMap;

/// Memory that paths of differences may take, in bytes; what is beyond is
/// counted only.
const MEMORY: usize = 32 << 20;

/// What each takes besides its path, about.
const EACH: usize = 160;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A FIFO.
    Fifo,
    /// A socket, which no archive holds.
    Socket,
}

/// What is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the archive and not in the tree.
    Missing {
        /// What it was.
        kind: Type,
        /// How many more are missing beneath it.
        beneath: u64,
    },
    /// It is in the tree and not in the archive.
    Added {
        /// What it is.
        kind: Type,
        /// How many more lie beneath it.
        beneath: u64,
    },
    /// It is in both, and differs.
    Changed(Vec<Aspect>),
    /// It could not be looked at.
    Unseen(&'static str),
}

/// How one entry differs: first what the archive says, then what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// It is of another type.
    Type(Type, Type),
    /// Its contents are others, of the same length.
    Contents,
    /// Its length in bytes, and so its contents.
    Size(u64, u64),
    /// Its permission bits.
    Mode(u32, u32),
    /// Its owner and group.
    Owner((u32, u32), (u32, u32)),
    /// An extended attribute of this name is missing, added or another.
    Xattr(Vec<u8>),
    /// The target of a symbolic link.
    Target(Vec<u8>, Vec<u8>),
    /// Major and minor number of a device.
    Device((u32, u32), (u32, u32)),
    /// It is no hard link to this path any more.
    Link(Vec<u8>),
    /// Its modification time, in seconds since 1970.
    Time(i64, i64),
}

/// Differences by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    by_path: BTreeMap<Vec<u8>, Change>,
    memory: usize,
    /// Those that were found and not remembered, because there are too many.
    pub beyond: u64,
}

impl Differences {
    /// All that are remembered, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Change)> {
        self.by_path.iter().map(|(path, change)| (&**path, change))
    }

    pub(super) fn put(&mut self, path: &[u8], change: Change) {
        let change = match (self.by_path.remove(path), change) {
            (None, change) => {
                self.memory += path.len() + EACH;
                change
            }
            (Some(Change::Missing { kind, .. }), Change::Added { kind: is, .. })
            | (Some(Change::Added { kind: is, .. }), Change::Missing { kind, .. }) => {
                Change::Changed(vec![Aspect::Type(kind, is)])
            }
            (Some(Change::Changed(mut before)), Change::Changed(more)) => {
                before.extend(more);
                Change::Changed(before)
            }
            (Some(_), change) => change,
        };
        if self.memory > MEMORY {
            self.beyond += 1;
        } else {
            self.by_path.insert(path.to_vec(), change);
        }
    }

    pub(super) fn aspect(&mut self, path: &[u8], aspect: Aspect) {
        self.put(path, Change::Changed(vec![aspect]));
    }

    /// Whether this is told as added, and not as of another type.
    pub(super) fn is_added(&self, path: &[u8]) -> bool {
        matches!(self.by_path.get(path), Some(Change::Added { .. }))
    }

    /// Counts one more beneath a directory that is missing or was added.
    pub(super) fn beneath(&mut self, path: &[u8]) {
        if let Some(Change::Missing { beneath, .. } | Change::Added { beneath, .. }) =
            self.by_path.get_mut(path)
        {
            *beneath += 1;
        }
    }
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// What is another.
    pub differences: Differences,
    /// First user id of the namespace that the tree was given to.
    pub shift: Option<u32>,
    /// Entries of the archive.
    pub entries: u64,
}
