//! Hard links, remembered until all files exist, in little memory: each costs
//! what its two paths add to those of the link before it, and counts against
//! the [`Budget`]. Only paths are kept: all else is that of the file.

use super::ArchiveError;
use super::directories::ALLOCATED;
use super::limits::Budget;
use crate::place::{self, Node, Placer, Resolve};

/// Hard links, in the order in which they came.
#[derive(Default)]
pub(super) struct Links {
    bytes: Vec<u8>,
    last: Link,
}

/// Two clean paths.
#[derive(Clone, Default)]
struct Link {
    path: Vec<u8>,
    target: Vec<u8>,
}

/// Length of a number in [`Links`], which is that of a part of a path.
const NUMBER: usize = 2;

impl Links {
    /// Remembers a hard link.
    pub(super) fn add(
        &mut self,
        path: &[u8],
        target: &[u8],
        budget: &Budget,
    ) -> Result<(), ArchiveError> {
        let clean = place::clean(path, Resolve::Beneath)?;
        let before = self.bytes.len();
        add_part(&mut self.bytes, &mut self.last.path, &clean);
        add_part(&mut self.bytes, &mut self.last.target, target);
        // The first one has a piece of memory made.
        let made = if before == 0 {
            size_of::<Self>() + ALLOCATED
        } else {
            0
        };
        budget.remember(path, self.bytes.len() - before + made)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// No more will be added.
    pub(super) fn close(&mut self) {
        self.last = Link::default();
        self.bytes.shrink_to_fit();
    }

    /// Makes the links.
    pub(super) fn make(
        &self,
        placer: &mut Placer<'_>,
        mut check: impl FnMut() -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut link = Link::default();
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() {
            check()?;
            rest = take_part(rest, &mut link.path);
            rest = take_part(rest, &mut link.target);
            let made = place::Entry::of_root(&link.path, Node::HardLink(&link.target), 0, 0);
            placer.place_slice(&made, b"")?;
        }
        Ok(())
    }
}

/// Writes what `next` has beyond `last`, which becomes `next`.
fn add_part(out: &mut Vec<u8>, last: &mut Vec<u8>, next: &[u8]) {
    let same = last.iter().zip(next).take_while(|(a, b)| a == b).count();
    let number = |n: usize| u16::try_from(n).expect("a path is short").to_le_bytes();
    out.extend_from_slice(&number(same));
    out.extend_from_slice(&number(next.len() - same));
    out.extend_from_slice(&next[same..]);
    last.truncate(same);
    last.extend_from_slice(&next[same..]);
}

/// Reads what was written so; what comes after it.
fn take_part<'b>(bytes: &'b [u8], last: &mut Vec<u8>) -> &'b [u8] {
    let number = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (same, more) = (number(0), number(NUMBER));
    let (head, rest) = bytes[2 * NUMBER..].split_at(more);
    last.truncate(same);
    last.extend_from_slice(head);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Unpacked;
    use crate::place::Root;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    const LIMITS: Unpacked = Unpacked {
        bytes: 0,
        entries: 0,
    };

    #[test]
    fn links_come_back_as_they_were_said() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("usr/share")).unwrap();
        fs::write(folder.path().join("usr/share/file"), "x").unwrap();
        let (mut links, budget) = (Links::default(), Budget::new(&LIMITS));
        // Each of the later ones is a link to the one before.
        let mut target = "usr/share/file".to_owned();
        let paths = [
            "usr/share/fi",
            "usr/share/file-2",
            "x",
            "usr/share/fi2",
            "y/z/deep",
        ];
        for path in paths {
            links
                .add(format!("./{path}").as_bytes(), target.as_bytes(), &budget)
                .unwrap();
            target = path.to_owned();
        }
        links.close();
        let root = Root::open(folder.path(), Resolve::Beneath).unwrap();
        links.make(&mut root.placer(), || Ok(())).unwrap();
        let inode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().ino();
        for path in paths {
            assert_eq!(inode(path), inode("usr/share/file"), "{path}");
        }
        let long = [b"../".to_vec(), vec![b'x'; 5000]].concat();
        assert!(links.add(&long, b"x", &budget).is_err());
    }
}
