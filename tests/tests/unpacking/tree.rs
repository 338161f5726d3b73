//! Everything about a tree that an archive could have said, and in what two
//! trees differ.

use hatchery_image::Sha256;
use rustix::fs::SeekFrom;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes that are read at a time.
const PIECE: u64 = 1 << 20;

/// A path of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    device: u64,
    /// None of what was made just now without a time of its own.
    mtime: Option<(i64, i64)>,
    size: u64,
    /// Digest of the data, or a link's target.
    content: String,
    /// Parts with data.
    data: Vec<(u64, u64)>,
    /// The first path of the same file.
    first: PathBuf,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A tree, its root included.
pub(crate) type Tree = BTreeMap<PathBuf, Node>;

/// Looks at everything in a tree. Extended attributes are those that belong
/// to a tree, not to its host.
pub(crate) fn look(root: &Path) -> Tree {
    look_without(root, None)
}

/// The same without one of its folders.
pub(crate) fn look_without(root: &Path, hidden: Option<&Path>) -> Tree {
    let mut paths = Vec::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let full = root.join(&path);
        if hidden.is_some_and(|hidden| full == hidden) {
            continue;
        }
        // A path that is too long for one call is looked at in part only.
        let Ok(stat) = fs::symlink_metadata(&full) else {
            paths.push((path, None));
            continue;
        };
        if stat.is_dir() {
            let entries = fs::read_dir(&full).into_iter().flatten();
            todo.extend(entries.map(|e| path.join(e.unwrap().file_name())));
        }
        paths.push((path, Some(stat)));
    }
    paths.sort_by(|a, b| a.0.cmp(&b.0));
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs()
        .cast_signed();
    let mut inodes = HashMap::new();
    let mut tree = Tree::new();
    for (path, stat) in paths {
        let Some(stat) = stat else {
            continue;
        };
        let first = inodes.entry(stat.ino()).or_insert_with(|| path.clone());
        let node = node(&root.join(&path), &stat, first.clone(), now);
        tree.insert(path, node);
    }
    tree
}

fn node(path: &Path, stat: &fs::Metadata, first: PathBuf, now: i64) -> Node {
    let is = stat.file_type();
    let kind = match () {
        () if is.is_dir() => "directory",
        () if is.is_symlink() => "link",
        () if is.is_char_device() => "character device",
        () if is.is_block_device() => "block device",
        () if is.is_fifo() => "FIFO",
        () if is.is_socket() => "socket",
        () => "file",
    };
    let (content, data) = match kind {
        "file" => contents(path, stat.len()),
        "link" => {
            let target = fs::read_link(path).unwrap();
            (
                target.as_os_str().as_bytes().escape_ascii().to_string(),
                Vec::new(),
            )
        }
        _ => Default::default(),
    };
    let names = xattr::list(path).unwrap();
    let kept = |name: &[u8]| {
        name.starts_with(b"user.")
            || name == b"security.capability"
            || name.starts_with(b"system.posix_acl_")
    };
    let xattrs = names.filter(|name| kept(name.as_bytes())).map(|name| {
        let value = xattr::get(path, &name).unwrap().unwrap_or_default();
        (name.as_bytes().to_vec(), value)
    });
    let mut xattrs: Vec<_> = xattrs.collect();
    xattrs.sort();
    let is_new = (now - 3600..=now + 60).contains(&stat.mtime());
    Node {
        kind,
        mode: stat.mode() & 0o7777,
        owner: (stat.uid(), stat.gid()),
        device: stat.rdev(),
        mtime: (!is_new).then(|| (stat.mtime(), stat.mtime_nsec())),
        size: if kind == "file" { stat.len() } else { 0 },
        content,
        data,
        first,
        xattrs,
    }
}

/// Digest of a file's data, and where it lies.
fn contents(path: &Path, size: u64) -> (String, Vec<(u64, u64)>) {
    let file = File::open(path).unwrap();
    let mut parts = Vec::new();
    let mut at = 0;
    let mut bytes = Vec::new();
    let mut digests = String::new();
    while at < size {
        let Ok(begin) = rustix::fs::seek(&file, SeekFrom::Data(at)) else {
            break;
        };
        let end = rustix::fs::seek(&file, SeekFrom::Hole(begin)).unwrap();
        parts.push((begin, end));
        at = begin;
        while at < end {
            let length = (end - at).min(PIECE);
            bytes.resize(usize::try_from(length).unwrap(), 0);
            file.read_exact_at(&mut bytes, at).unwrap();
            digests.push_str(&Sha256::of(&bytes).to_string());
            at += length;
        }
    }
    (Sha256::of(digests.as_bytes()).to_string(), parts)
}

/// In what two trees differ, a line each.
pub(crate) fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, a) in ours {
        match theirs.get(path) {
            None => found.push(format!("{path:?} is only in ours")),
            Some(b) if a != b => found.push(format!("{path:?}\n  ours   {a:?}\n  theirs {b:?}")),
            Some(_) => {}
        }
    }
    let missing = theirs.keys().filter(|path| !ours.contains_key(*path));
    found.extend(missing.map(|path| format!("{path:?} is only in theirs")));
    found
}

/// Cuts times to whole seconds.
pub(crate) fn whole_seconds(tree: &mut Tree) {
    for node in tree.values_mut() {
        if let Some((_, nanoseconds)) = &mut node.mtime {
            *nanoseconds = 0;
        }
    }
}
