//! What is created, what is kept, and what is refused.

use super::*;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

struct Tree {
    // Dropped last: it removes the directory.
    directory: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }
    fn root(&self, resolve: Resolve) -> Root {
        Root::open(self.directory.path(), resolve).unwrap()
    }
    fn path(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join(path)
    }
}

fn entry<'a>(path: &'a [u8], node: Node<'a>) -> Entry<'a> {
    Entry {
        path,
        node,
        mode: 0o640,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: (1_000_000_000, 500),
        xattrs: &[],
    }
}

fn file(size: u64) -> Node<'static> {
    Node::File {
        size,
        extents: None,
    }
}

fn put(root: &Root, path: &[u8], node: Node<'_>) -> Result<Placed, PlaceError> {
    root.placer().place_slice(&entry(path, node), b"hello")
}

#[test]
fn a_file_has_its_contents_mode_and_time() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let mut placer = root.placer();
    let mut wanted = entry(b"./a/b/f", file(5));
    wanted.mode = 0o4751;
    let placed = placer.place(&wanted, &mut &b"hello, and more"[..]).unwrap();
    assert_eq!(placed, Placed::New);
    let found = fs::metadata(tree.path("a/b/f")).unwrap();
    assert_eq!(fs::read(tree.path("a/b/f")).unwrap(), b"hello");
    assert_eq!(found.permissions().mode(), 0o104_751);
    assert_eq!((found.mtime(), found.mtime_nsec()), (1_000_000_000, 500));
    let implied = fs::metadata(tree.path("a/b")).unwrap();
    assert_eq!(implied.permissions().mode(), 0o040_755);
}

#[test]
fn short_data_is_an_error_that_says_how_much() {
    let tree = Tree::new();
    let error = put(&tree.root(Resolve::Beneath), b"f", file(6)).unwrap_err();
    assert!(
        matches!(&error, PlaceError::Short { expected: 6, got: 5, path } if path == b"f"),
        "{error}"
    );
    assert_eq!(error.to_string(), "f: its data ends after 5 of 6 bytes");
}

#[test]
fn holes_stay_holes_and_data_lands_in_its_place() {
    let tree = Tree::new();
    let size = 8 << 20;
    let extents = [
        Extent {
            offset: 1 << 20,
            length: 3,
        },
        Extent {
            offset: 4 << 20,
            length: 2,
        },
    ];
    let node = Node::File {
        size,
        extents: Some(&extents),
    };
    put(&tree.root(Resolve::Beneath), b"f", node).unwrap();
    let data = fs::read(tree.path("f")).unwrap();
    assert_eq!(data.len() as u64, size);
    assert_eq!(&data[1 << 20..][..3], b"hel");
    assert_eq!(&data[4 << 20..][..2], b"lo");
    assert_eq!(data.iter().filter(|b| **b != 0).count(), 5);
    assert!(fs::metadata(tree.path("f")).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn inconsistent_holes_are_refused() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let extent = |offset, length| Extent { offset, length };
    for (i, bad) in [
        vec![extent(0, 11)],
        vec![extent(4, 2), extent(5, 1)],
        vec![extent(u64::MAX, 2)],
        vec![extent(4, 1), extent(0, 1)],
    ]
    .iter()
    .enumerate()
    {
        let node = Node::File {
            size: 10,
            extents: Some(bad),
        };
        let result = put(&root, format!("{i}").as_bytes(), node);
        assert!(matches!(result, Err(PlaceError::BadExtents { .. })), "{i}");
    }
}

#[test]
fn links_fifos_and_names_that_are_no_text() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    put(&root, b"d/\xff\xfe", file(5)).unwrap();
    put(&root, b"e/hard", Node::HardLink(b"./d/\xff\xfe")).unwrap();
    put(&root, b"soft", Node::Symlink(b"/etc/\xff")).unwrap();
    put(&root, b"fifo", Node::Fifo).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let first = fs::metadata(tree.path("d").join(name)).unwrap();
    let second = fs::metadata(tree.path("e/hard")).unwrap();
    assert_eq!((first.ino(), first.nlink()), (second.ino(), 2));
    let target = fs::read_link(tree.path("soft")).unwrap();
    assert_eq!(target.as_os_str().as_bytes(), b"/etc/\xff");
    let soft = fs::symlink_metadata(tree.path("soft")).unwrap();
    assert_eq!(soft.mtime(), 1_000_000_000);
    let fifo = fs::metadata(tree.path("fifo")).unwrap();
    assert!(fifo.file_type().is_fifo());
    assert_eq!(fifo.permissions().mode() & 0o7777, 0o640);
}

#[test]
fn an_archive_cannot_write_through_its_own_links() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().as_os_str().as_bytes().to_vec();
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    put(&root, b"inside", Node::Directory).unwrap();
    put(&root, b"out", Node::Symlink(&target)).unwrap();
    put(&root, b"in", Node::Symlink(b"inside")).unwrap();
    put(&root, b"two", Node::Symlink(b"out")).unwrap();
    put(&root, b"magic", Node::Symlink(b"/proc/self/cwd")).unwrap();
    for path in [&b"out/f"[..], b"in/f", b"two/f", b"two/a/b", b"magic/f"] {
        for node in [
            file(5),
            Node::Directory,
            Node::Symlink(b"x"),
            Node::Fifo,
            Node::HardLink(b"in"),
        ] {
            let result = put(&root, path, node);
            assert!(
                matches!(result, Err(PlaceError::ThroughLink { .. })),
                "{result:?}"
            );
        }
    }
    let secret = outside.path().join("secret");
    fs::write(&secret, "1").unwrap();
    let result = put(&root, b"stolen", Node::HardLink(b"out/secret"));
    assert!(matches!(result, Err(PlaceError::BadTarget { .. })));
    let result = put(&root, b"stolen", Node::HardLink(b"../secret"));
    assert!(matches!(result, Err(PlaceError::BadTarget { .. })));
    // Not the link's last part either.
    for node in [file(5), Node::Directory, Node::Fifo, Node::Symlink(b"x")] {
        let result = put(&root, b"out", node);
        assert!(matches!(result, Err(PlaceError::Exists { .. })));
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(tree.path("inside")).unwrap().count(), 0);
}

#[test]
fn an_archive_replaces_nothing() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    put(&root, b"f", file(5)).unwrap();
    put(&root, b"d", Node::Directory).unwrap();
    assert_eq!(put(&root, b"d", Node::Directory).unwrap(), Placed::Kept);
    assert_eq!(put(&root, b"./", Node::Directory).unwrap(), Placed::Kept);
    assert!(put(&root, b"./", Node::Symlink(b"/")).is_err());
    for path in [&b"f"[..], b"d"] {
        for node in [file(5), Node::Symlink(b"x"), Node::Fifo] {
            let result = put(&root, path, node);
            assert!(
                matches!(result, Err(PlaceError::Exists { .. })),
                "{result:?}"
            );
        }
    }
    root.placer().remove(b"f").unwrap();
    assert_eq!(put(&root, b"f", file(4)).unwrap(), Placed::New);
}

#[test]
fn packages_meet_in_a_merged_usr_tree() {
    let tree = Tree::new();
    fs::create_dir_all(tree.path("usr/lib")).unwrap();
    fs::create_dir_all(tree.path("usr/bin")).unwrap();
    symlink("usr/bin", tree.path("bin")).unwrap();
    symlink("/usr/lib", tree.path("lib")).unwrap();
    let root = tree.root(Resolve::InRoot);
    for directory in [&b"./bin/"[..], b"./lib/", b"./usr/"] {
        let placed = put(&root, directory, Node::Directory).unwrap();
        assert_eq!(placed, Placed::Kept);
    }
    put(&root, b"./bin/ls", file(5)).unwrap();
    put(&root, b"/lib/x86_64-linux-gnu/libc.so.6", file(5)).unwrap();
    put(&root, b"./bin/vdir", Node::HardLink(b"./bin/ls")).unwrap();
    assert_eq!(fs::metadata(tree.path("usr/bin/ls")).unwrap().nlink(), 2);
    assert!(tree.path("usr/lib/x86_64-linux-gnu/libc.so.6").is_file());
    assert!(fs::symlink_metadata(tree.path("bin")).unwrap().is_symlink());
    // Newer contents get a new inode: the other link keeps the old.
    let placed = put(&root, b"./bin/ls", file(2)).unwrap();
    assert_eq!(placed, Placed::Replaced);
    assert_eq!(fs::read(tree.path("usr/bin/ls")).unwrap(), b"he");
    assert_eq!(fs::read(tree.path("usr/bin/vdir")).unwrap(), b"hello");
    // A directory stays a directory when a package ships a link for it.
    let placed = put(&root, b"usr/lib", Node::Symlink(b"lib64")).unwrap();
    assert_eq!(placed, Placed::Kept);
    // Finishing passes over the link and does its target no harm.
    let before = fs::metadata(tree.path("usr/bin")).unwrap().mode();
    root.finish_directories(&[entry(b"./bin/", Node::Directory)])
        .unwrap();
    assert_eq!(fs::metadata(tree.path("usr/bin")).unwrap().mode(), before);
}

#[test]
fn links_of_packages_stay_in_the_root() {
    let outside = tempfile::tempdir().unwrap();
    let tree = Tree::new();
    symlink(outside.path(), tree.path("absolute")).unwrap();
    let climbing = format!("../../../../../../../..{}", outside.path().display());
    symlink(climbing, tree.path("climbing")).unwrap();
    let root = tree.root(Resolve::InRoot);
    for path in [&b"absolute/f"[..], b"climbing/f"] {
        // The link's target does not exist beneath the root.
        assert!(put(&root, path, file(5)).is_err());
    }
    let inside = tree
        .directory
        .path()
        .join(outside.path().strip_prefix("/").unwrap());
    fs::create_dir_all(&inside).unwrap();
    put(&root, b"absolute/f", file(5)).unwrap();
    put(&root, b"climbing/g", file(5)).unwrap();
    let names: BTreeSet<_> = fs::read_dir(inside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["f".into(), "g".into()].into());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn directories_are_finished_children_first() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let xattrs = [(b"user.color".to_vec(), b"red\0".to_vec())];
    let mut directories = vec![
        entry(b"./", Node::Directory),
        entry(b"d/", Node::Directory),
        entry(b"d/e/", Node::Directory),
    ];
    directories[1].mode = 0o1555;
    directories[1].xattrs = &xattrs;
    directories[2].mode = 0;
    for directory in &directories {
        root.placer().place_slice(directory, b"").unwrap();
    }
    put(&root, b"d/e/f", file(5)).unwrap();
    root.finish_directories(&directories).unwrap();
    let found = fs::metadata(tree.path("d")).unwrap();
    assert_eq!(found.permissions().mode(), 0o041_555);
    assert_eq!(found.mtime(), 1_000_000_000);
    assert_eq!(fs::metadata(tree.path("")).unwrap().mtime(), 1_000_000_000);
    assert_eq!(
        xattr::get(tree.path("d"), "user.color").unwrap().unwrap(),
        b"red\0"
    );
    // So that the temporary directory can be removed by an ordinary user.
    for path in ["d", "d/e"] {
        fs::set_permissions(tree.path(path), fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_path_of_two_thousand_levels_is_made_at_once() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let deep = [b"x/".repeat(2000), b"f".to_vec()].concat();
    let begun = std::time::Instant::now();
    put(&root, &deep, file(5)).unwrap();
    put(
        &root,
        &[b"x/".repeat(1990), b"g".to_vec()].concat(),
        file(5),
    )
    .unwrap();
    // Generous: an unoptimised build on a busy machine takes 0.2 s.
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn an_owner_of_minus_one_is_refused() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let mut bad = entry(b"f", file(0));
    bad.uid = u32::MAX;
    let result = root.placer().place_slice(&bad, b"");
    assert!(matches!(result, Err(PlaceError::BadOwner { .. })));
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let tree = Tree::new();
    let root = tree.root(Resolve::Beneath);
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    put(&root, b"a", Node::Directory).unwrap();
    put(&root, b"b/c/d", file(5)).unwrap();
    rustix::process::umask(before);
    for (path, mode) in [("a", 0o755), ("b", 0o755), ("b/c", 0o755), ("b/c/d", 0o640)] {
        let found = fs::metadata(tree.path(path)).unwrap().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}
