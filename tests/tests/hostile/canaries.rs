//! What lies around a target, and must be the same after each archive.

use crate::unpacking::tree::{Tree, differences, look_without};
use hatchery_tests::run::run;
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder in memory, where many small files are made and removed quickly.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Removes a tree that may be too deep for the standard library.
pub(super) fn remove(tree: &Path) {
    run(&["rm", "-rf", tree.to_str().unwrap()]).unwrap();
}

/// Inode and time of change of each path, which no unpacking may move.
type Inodes = Vec<(PathBuf, u64, i64, i64)>;

/// A folder with targets in it, and files, folders, links and a setuid
/// program beside and above them.
pub(super) struct Yard {
    folder: TempDir,
    counter: Cell<usize>,
    before: (Tree, Inodes),
}

impl Yard {
    pub(super) fn new() -> Self {
        let folder = scratch();
        for place in ["", "around/", "around/targets/"] {
            fs::create_dir_all(folder.path().join(format!("{place}outside/inner"))).unwrap();
            let at = |name: &str| folder.path().join(format!("{place}outside/{name}"));
            fs::write(at("secret"), "1").unwrap();
            fs::write(at("inner/kept"), "2").unwrap();
            fs::write(at("program"), "#!/bin/sh\n").unwrap();
            fs::set_permissions(at("program"), fs::Permissions::from_mode(0o4755)).unwrap();
            symlink("secret", at("link")).unwrap();
            symlink("inner", at("to-inner")).unwrap();
            fs::set_permissions(at("inner"), fs::Permissions::from_mode(0o750)).unwrap();
        }
        let mut yard = Self {
            folder,
            counter: Cell::new(0),
            before: Default::default(),
        };
        fs::create_dir(yard.targets()).unwrap();
        yard.before = yard.around();
        yard
    }

    fn targets(&self) -> PathBuf {
        self.folder.path().join("around/targets/all")
    }

    /// A folder beside the targets, by its whole path.
    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("around/targets/outside")
    }

    /// A new, empty target. It lies as deep as `outside` does, one folder
    /// below, so that `../../outside` would find it.
    pub(super) fn target(&self) -> PathBuf {
        let last = self.targets().join(self.counter.get().to_string());
        if last.exists() {
            remove(&last);
        }
        self.counter.set(self.counter.get() + 1);
        let target = self.targets().join(self.counter.get().to_string());
        fs::create_dir(&target).unwrap();
        target
    }

    /// What has changed around the targets since the beginning.
    pub(super) fn changed(&self) -> Vec<String> {
        let now = self.around();
        let mut changed = differences(&now.0, &self.before.0);
        if now.1 != self.before.1 {
            changed.push("inodes or times of change differ outside".to_owned());
        }
        changed
    }

    /// The tree without its targets, and inode and time of change of each.
    fn around(&self) -> (Tree, Inodes) {
        let root = self.folder.path();
        let tree = look_without(root, Some(&self.targets()));
        let inodes = tree.keys().map(|path| {
            let stat = fs::symlink_metadata(root.join(path)).unwrap();
            (path.clone(), stat.ino(), stat.ctime(), stat.ctime_nsec())
        });
        let inodes = inodes.collect();
        (tree, inodes)
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        remove(&self.targets());
    }
}
