//! What Debian's packages ship, by the lists that dpkg keeps.

use crate::fidelity::snapshot::Snapshot;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Files and links whose times come out of packages: their contents, and the
/// control files that dpkg keeps.
pub(super) fn timed(tree: &Snapshot) -> BTreeSet<PathBuf> {
    let info = Path::new("var/lib/dpkg/info");
    let mut timed = BTreeSet::new();
    let mut parents = HashMap::new();
    for path in tree.nodes.keys().filter(|p| p.parent() == Some(info)) {
        if path.ends_with("format") {
            continue;
        }
        if path.extension().is_none_or(|e| e != "list") {
            timed.insert(path.clone());
            continue;
        }
        for line in tree.read(path).split(|b| *b == b'\n') {
            let shipped = Path::new(OsStr::from_bytes(line));
            timed.extend(on_disk(tree, shipped, &mut parents));
        }
    }
    timed.retain(|path| tree.is_shipped(path));
    timed
}

/// Where a path lies that leads through links.
fn on_disk(
    tree: &Snapshot,
    path: &Path,
    parents: &mut HashMap<PathBuf, Option<PathBuf>>,
) -> Option<PathBuf> {
    let parent = path.parent()?.strip_prefix("/").ok()?;
    let real = parents.entry(parent.to_owned()).or_insert_with(|| {
        let real = fs::canonicalize(tree.root.join(parent)).ok()?;
        Some(real.strip_prefix(&tree.root).ok()?.to_owned())
    });
    Some(real.as_ref()?.join(path.file_name()?))
}
