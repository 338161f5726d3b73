//! A file system in a file, mounted for one test and gone after it.

use crate::run::run;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A mounted file system. Unmounted and removed when dropped.
#[derive(Debug)]
pub struct Pool {
    mountpoint: PathBuf,
    _folder: TempDir,
}

impl Pool {
    /// A btrfs of `size` bytes (at least 128 MiB), sparse. Ask for
    /// [`crate::Need::Btrfs`] first.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn btrfs(size: u64) -> Self {
        Self::new("btrfs", &["mkfs.btrfs", "--quiet"], size)
    }

    /// An ext4 of `size` bytes, sparse. Ask for [`crate::Need::Root`] first.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn ext4(size: u64) -> Self {
        Self::new("ext4", &["mkfs.ext4", "-q", "-F"], size)
    }

    /// A tmpfs of at most `size` bytes. Ask for [`crate::Need::Root`] first.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn tmpfs(size: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mountpoint = folder.path().join("mnt");
        std::fs::create_dir(&mountpoint).expect("a folder in it");
        let target = mountpoint.to_str().expect("temporary names are UTF-8");
        let size = format!("size={size},mode=755");
        run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", target]).expect("mount");
        Self {
            mountpoint,
            _folder: folder,
        }
    }

    fn new(kind: &str, mkfs: &[&str], size: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let image = folder.path().join("image");
        let mountpoint = folder.path().join("mnt");
        std::fs::create_dir(&mountpoint).expect("a folder in it");
        let file = std::fs::File::create(&image).expect("a file in it");
        file.set_len(size).expect("a sparse file");
        let image = image.to_str().expect("temporary names are UTF-8");
        let target = mountpoint.to_str().expect("temporary names are UTF-8");
        run(&[mkfs, &[image]].concat()).expect("mkfs");
        run(&["mount", "-t", kind, "-o", "loop", image, target]).expect("mount");
        Self {
            mountpoint,
            _folder: folder,
        }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mountpoint
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Lazily as a second try: a test that failed may still have it open.
        let target = self.mountpoint.to_string_lossy();
        if run(&["umount", &target]).is_err() {
            let _ = run(&["umount", "--lazy", &target]);
        }
    }
}
