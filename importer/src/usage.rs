//! How much space a tree takes, for people: what is shared with other trees
//! counts, and what cannot be read does not.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Most entries that are looked at.
const ENTRIES_MAX: usize = 10_000_000;

/// Bytes of a block, as `stat` counts them.
const BLOCK: u64 = 512;

/// Bytes that a file or a tree takes on its file system. No link is followed
/// and no mount entered.
pub(crate) fn of(path: &Path) -> u64 {
    let Ok(root) = path.symlink_metadata() else {
        return 0;
    };
    let device = root.dev();
    let mut bytes = root.blocks() * BLOCK;
    let mut several = HashSet::new();
    let mut folders = Vec::new();
    if root.is_dir() {
        folders.push(path.to_owned());
    }
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > ENTRIES_MAX {
                return bytes;
            }
            let Ok(stat) = entry.metadata() else {
                continue;
            };
            if stat.is_dir() && stat.dev() == device {
                folders.push(entry.path());
            }
            let is_new = stat.is_dir() || stat.nlink() < 2 || several.insert(stat.ino());
            if is_new {
                bytes += stat.blocks() * BLOCK;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("a"), vec![1; 1 << 20]).unwrap();
        let once = of(&tree);
        assert!(once >= 1 << 20, "{once}");
        fs::hard_link(tree.join("a"), tree.join("b")).unwrap();
        std::os::unix::fs::symlink("/usr", tree.join("c")).unwrap();
        assert!(of(&tree) < once + (1 << 16));
        assert_eq!(of(&tree.join("absent")), 0);
    }
}
