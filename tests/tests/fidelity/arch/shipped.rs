//! What Arch's packages ship, by the lists that pacman keeps in its local
//! database.

use crate::fidelity::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The local database.
const LOCAL: &str = "var/lib/pacman/local";

/// Files and links whose times come out of packages: their contents, and the
/// two files that pacman keeps of each package as they are.
pub(super) fn timed(tree: &Snapshot) -> BTreeSet<PathBuf> {
    let mut timed = BTreeSet::new();
    for path in tree.nodes.keys().filter(|p| p.starts_with(LOCAL)) {
        if path.ends_with("mtree") || path.ends_with("install") {
            timed.insert(path.clone());
        } else if path.ends_with("files") {
            let text = String::from_utf8(tree.read(path)).unwrap();
            let (list, backups) = text.split_once("%BACKUP%").unwrap_or((&text, ""));
            let shipped: BTreeSet<&str> = list.lines().collect();
            // What is the administrator's may have changed since.
            let kept = backups.lines().filter_map(|l| l.split_once('\t'));
            let kept: BTreeSet<&str> = kept.map(|(path, _)| path).collect();
            timed.extend(shipped.difference(&kept).map(PathBuf::from));
        }
    }
    timed.retain(|path| tree.is_shipped(path));
    timed
}

/// A text without the time at which a package was installed.
pub(super) fn without_install_date(path: &Path, text: Vec<u8>) -> Vec<u8> {
    if !path.starts_with(LOCAL) || !path.ends_with("desc") {
        return text;
    }
    let text = String::from_utf8(text).unwrap();
    let (before, after) = text.split_once("%INSTALLDATE%\n").unwrap();
    let (time, after) = after.split_once('\n').unwrap();
    assert!(time.parse::<u64>().is_ok(), "{}: {time}", path.display());
    format!("{before}%INSTALLDATE%\n{after}").into_bytes()
}

/// The same without what pacman before 6.1 does not keep: the host's may be
/// older than Arch's.
pub(super) fn as_any_pacman(path: &Path, text: Vec<u8>) -> Vec<u8> {
    let mut text = without_install_date(path, text);
    let start = b"%XDATA%\n";
    if path.starts_with(LOCAL)
        && let Some(at) = text.windows(start.len()).position(|w| w == start)
    {
        text.truncate(at);
    }
    text
}
