//! Everything about a tree that an archive of it could hold.

use super::accounts::Accounts;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link,
    Character,
    Block,
    Fifo,
    Socket,
}

/// A path of a tree.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    /// Names of user and group.
    pub(super) owner: (String, String),
    /// What a link leads to.
    pub(super) target: PathBuf,
    pub(super) device: u64,
    /// The names of the file, if it has several.
    pub(super) names: BTreeSet<PathBuf>,
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
    /// Seconds since 1970.
    pub(super) mtime: i64,
}

/// A tree.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) root: PathBuf,
    pub(super) accounts: Accounts,
    pub(super) nodes: BTreeMap<PathBuf, Node>,
}

impl Snapshot {
    /// Looks at everything in a tree, its top included.
    pub(super) fn take(root: &Path) -> Self {
        let accounts = Accounts::read(root);
        let mut nodes = BTreeMap::new();
        let mut files: HashMap<u64, BTreeSet<PathBuf>> = HashMap::new();
        let mut paths = vec![PathBuf::new()];
        while let Some(path) = paths.pop() {
            let full = root.join(&path);
            let stat = fs::symlink_metadata(&full).unwrap();
            if stat.is_dir() {
                let entries = fs::read_dir(&full).unwrap();
                paths.extend(entries.map(|e| path.join(e.unwrap().file_name())));
            } else if stat.nlink() > 1 {
                files.entry(stat.ino()).or_default().insert(path.clone());
            }
            nodes.insert(path, (node(&full, &stat, &accounts), stat.ino()));
        }
        let nodes = nodes.into_iter().map(|(path, (mut node, inode))| {
            if node.kind != Kind::Directory {
                node.names = files.get(&inode).cloned().unwrap_or_default();
            }
            (path, node)
        });
        Self {
            root: root.to_owned(),
            accounts,
            nodes: nodes.collect(),
        }
    }

    /// Whether it has this path, and that is no folder.
    pub(super) fn is_shipped(&self, path: &Path) -> bool {
        let node = self.nodes.get(path);
        node.is_some_and(|n| n.kind != Kind::Directory)
    }

    /// A file's bytes.
    pub(super) fn read(&self, path: &Path) -> Vec<u8> {
        fs::read(self.root.join(path)).unwrap()
    }
}

fn node(path: &Path, stat: &fs::Metadata, accounts: &Accounts) -> Node {
    let is = stat.file_type();
    let kind = match () {
        () if is.is_dir() => Kind::Directory,
        () if is.is_symlink() => Kind::Link,
        () if is.is_char_device() => Kind::Character,
        () if is.is_block_device() => Kind::Block,
        () if is.is_fifo() => Kind::Fifo,
        () if is.is_socket() => Kind::Socket,
        () => Kind::File,
    };
    let names = xattr::list(path).unwrap();
    let xattrs = names.map(|name| {
        let value = xattr::get(path, &name).unwrap().unwrap_or_default();
        let name = String::from_utf8(name.into_vec()).unwrap();
        (name, value)
    });
    Node {
        kind,
        mode: stat.mode() & 0o7777,
        owner: accounts.names(stat.uid(), stat.gid()),
        target: if is.is_symlink() {
            fs::read_link(path).unwrap()
        } else {
            PathBuf::new()
        },
        device: stat.rdev(),
        names: BTreeSet::new(),
        xattrs: xattrs.collect(),
        mtime: stat.mtime(),
    }
}
