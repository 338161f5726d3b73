//! What directories are to become, remembered until everything beneath them
//! exists, in little memory.
//!
//! They are a tree of names, so that a path costs only what it adds to its
//! parent's. A parent stands before what is in it: from the last to the first,
//! each comes before its parent, and nothing needs to be sorted. All of it
//! counts against the [`Budget`]. It makes no directory itself.
//!
//! GNU tar ("delayed_set_stat") and bsdtar ("fixups") keep whole paths, without
//! a limit.

use super::ArchiveError;
use super::entries::Entry;
use super::limits::Budget;
use super::xattrs::Xattrs;
use crate::place::{self, Node, Placer, Resolve};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// What a name in the tree takes in the table by which it is found: four
/// bytes, of which at least three eighths are in use, and while the table
/// grows there is half of it once more.
const SLOT: usize = 16;

/// What the memory allocator adds to each piece.
pub(super) const ALLOCATED: usize = 16;

/// The node of the root itself.
const ROOT: u32 = 0;

/// No attributes, or nobody in a slot.
const NONE: u32 = u32::MAX;

/// A name in the tree.
struct Name {
    parent: u32,
    /// Where it begins among all names.
    at: u32,
    /// Which attributes its directory gets, if it has an entry.
    attributes: u32,
    length: u8,
}

/// What a directory is to become.
struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
    nanoseconds: u32,
    seconds: i64,
    /// Which of several entries for one directory counts: the last.
    order: u32,
    /// Which extended attributes, if it has any.
    xattrs: u32,
}

/// Directories, whose owner, mode, attributes and time come last.
pub(super) struct Directories {
    names: Vec<Name>,
    bytes: Vec<u8>,
    attributes: Vec<Attributes>,
    xattrs: Vec<Xattrs>,
    /// Where a name stands in `names`, by its hash; a power of two of them.
    slots: Vec<u32>,
    hasher: RandomState,
}

impl Directories {
    pub(super) fn new() -> Self {
        Self {
            names: vec![Name {
                parent: NONE,
                at: 0,
                attributes: NONE,
                length: 0,
            }],
            bytes: Vec::new(),
            attributes: Vec::new(),
            xattrs: Vec::new(),
            slots: vec![NONE; 64],
            hasher: RandomState::new(),
        }
    }

    /// Remembers what a directory's entry says. Of several for one, that of
    /// the highest `order` counts, or else the last.
    pub(super) fn add(
        &mut self,
        entry: &Entry,
        order: u32,
        budget: &Budget,
    ) -> Result<(), ArchiveError> {
        let path = place::clean(&entry.path, Resolve::Beneath)?;
        let mut at = ROOT;
        for part in path.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            at = self.child(at, part, (entry, budget))?;
        }
        let known = self.names[at as usize].attributes;
        if known != NONE && self.attributes[known as usize].order > order {
            return Ok(());
        }
        let mut xattrs = NONE;
        if !entry.xattrs.is_empty() {
            let each = size_of::<(Vec<u8>, Vec<u8>)>() + 2 * ALLOCATED;
            let texts = entry.xattrs.iter().map(|(n, v)| n.len() + v.len());
            let sum = entry.xattrs.len() * each + texts.sum::<usize>();
            budget.remember(&entry.path, size_of::<Xattrs>() + ALLOCATED + sum)?;
            xattrs = index(self.xattrs.len());
            self.xattrs.push(entry.xattrs.clone());
        }
        let attributes = Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            nanoseconds: entry.mtime.1,
            seconds: entry.mtime.0,
            order,
            xattrs,
        };
        if known == NONE {
            budget.remember(&entry.path, size_of::<Attributes>())?;
            self.names[at as usize].attributes = index(self.attributes.len());
            self.attributes.push(attributes);
        } else {
            self.attributes[known as usize] = attributes;
        }
        Ok(())
    }

    /// The node of a name, which is made if it is not there.
    fn child(
        &mut self,
        parent: u32,
        name: &[u8],
        (entry, budget): (&Entry, &Budget),
    ) -> Result<u32, ArchiveError> {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one((parent, name)) as usize & mask;
        while self.slots[slot] != NONE {
            let found = self.slots[slot];
            let node = &self.names[found as usize];
            if node.parent == parent && self.name(node) == name {
                return Ok(found);
            }
            slot = (slot + 1) & mask;
        }
        let bytes = size_of::<Name>() + SLOT + name.len();
        budget.remember(&entry.path, bytes)?;
        let made = index(self.names.len());
        self.names.push(Name {
            parent,
            at: index(self.bytes.len()),
            attributes: NONE,
            length: u8::try_from(name.len()).expect("the name of a clean path is short"),
        });
        self.bytes.extend_from_slice(name);
        self.slots[slot] = made;
        if self.names.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
        Ok(made)
    }

    fn name(&self, node: &Name) -> &[u8] {
        let at = node.at as usize;
        &self.bytes[at..at + usize::from(node.length)]
    }

    fn grow(&mut self) {
        let mut slots = vec![NONE; 2 * self.slots.len()];
        let mask = slots.len() - 1;
        for (at, node) in self.names.iter().enumerate().skip(1) {
            let key = (node.parent, self.name(node));
            let mut slot = self.hasher.hash_one(key) as usize & mask;
            while slots[slot] != NONE {
                slot = (slot + 1) & mask;
            }
            slots[slot] = index(at);
        }
        self.slots = slots;
    }

    /// Makes the directories what their entries say, each before its parent.
    pub(super) fn finish(
        &self,
        placer: &mut Placer<'_>,
        mut check: impl FnMut() -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut path = Vec::new();
        for node in self.names.iter().rev() {
            let Some(attributes) = self.attributes.get(node.attributes as usize) else {
                continue;
            };
            check()?;
            self.path(node, &mut path);
            let xattrs = self.xattrs.get(attributes.xattrs as usize);
            placer.finish_directory(&place::Entry {
                path: &path,
                node: Node::Directory,
                mode: attributes.mode,
                uid: attributes.uid,
                gid: attributes.gid,
                mtime: (attributes.seconds, attributes.nanoseconds),
                xattrs: xattrs.map_or(&[], Vec::as_slice),
            })?;
        }
        Ok(())
    }

    /// The path of a node; of the root, none.
    fn path(&self, node: &Name, out: &mut Vec<u8>) {
        out.clear();
        let mut at = Some(node);
        // Its names from the last to the first, each backwards.
        while let Some(node) = at.filter(|node| node.parent != NONE) {
            if !out.is_empty() {
                out.push(b'/');
            }
            out.extend(self.name(node).iter().rev());
            at = self.names.get(node.parent as usize);
        }
        out.reverse();
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("what is remembered is bounded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::entries::Kind;
    use crate::manifest::Unpacked;
    use crate::place::Root;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    fn budget() -> Budget {
        Budget::new(&Unpacked {
            bytes: 0,
            entries: 0,
        })
    }

    fn directory(path: &str, mode: u32) -> Entry {
        Entry {
            path: path.into(),
            kind: Kind::Directory,
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            mtime: (i64::from(mode), 0),
            xattrs: Vec::new(),
            head: 0,
            stored: 0,
        }
    }

    #[test]
    fn each_directory_becomes_what_its_last_entry_says() {
        let folder = tempfile::tempdir().unwrap();
        let (mut directories, budget) = (Directories::new(), budget());
        let mut add = |path: &str, mode, order| {
            fs::create_dir_all(folder.path().join(path)).unwrap();
            directories
                .add(&directory(path, mode), order, &budget)
                .unwrap();
        };
        // What is in it comes before, between and after; enough of them for
        // the table to grow.
        add("a/b/c", 0o701, 0);
        add("./", 0o702, 0);
        add("a/", 0o500, 3);
        add("a", 0o711, 2);
        add("a//b/.", 0o704, 1);
        add("a/b", 0o500, 1);
        for n in 0..1000 {
            add(&format!("n/{n}/{n}"), 0o700 | n % 8, 0);
        }
        let root = Root::open(folder.path(), Resolve::Beneath).unwrap();
        directories.finish(&mut root.placer(), || Ok(())).unwrap();
        let mode = |path: &str| {
            let stat = fs::metadata(folder.path().join(path)).unwrap();
            assert_eq!(stat.mtime(), i64::from(stat.mode() & 0o777), "{path}");
            stat.mode() & 0o777
        };
        assert_eq!(mode("a/b/c"), 0o701);
        assert_eq!(mode(""), 0o702);
        assert_eq!((mode("a"), mode("a/b")), (0o500, 0o500));
        for n in 0..1000 {
            assert_eq!(mode(&format!("n/{n}/{n}")), 0o700 | n % 8);
        }
    }

    /// What is counted is what the tree of names takes: a quarter of a million
    /// directories fit, and as many with long names of their own do not.
    #[test]
    fn what_is_remembered_has_a_limit() {
        let count = |name: &dyn Fn(u32) -> String| {
            let (mut directories, budget) = (Directories::new(), budget());
            (0..250_000)
                .take_while(|n| {
                    let entry = directory(&name(*n), 0o755);
                    directories.add(&entry, 0, &budget).is_ok()
                })
                .count()
        };
        assert_eq!(count(&|n| format!("usr/share/doc/{n}")), 250_000);
        let long = "x".repeat(240);
        assert!(count(&|n| format!("{long}/{n}{long}")) < 100_000);
    }
}
