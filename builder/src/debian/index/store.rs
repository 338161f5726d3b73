//! Where condensed indexes are kept: `CACHE/index/DIGEST-ARCHITECTURE`, by the
//! digest of the verified file that they were made from.
//!
//! Unlike the packages in the cache, a condensed index cannot be checked
//! against anything that is signed. So the folder is ours alone (or it is not
//! used), and the text carries its own digest against bit rot and power cuts.

use super::Index;
use hatchery_image::Sha256;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Changes when the columns or how they are filled change.
const FORMAT: &str = "hatchery-index-1";

/// Largest condensed index that is read, in bytes.
const INDEX_MAX: u64 = 1 << 30;

/// How many are kept: the most recently used ones, 30 MB each for Debian's
/// main.
const KEPT: usize = 12;

/// The folder of condensed indexes; none if it cannot be used safely.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: Option<PathBuf>,
}

impl Store {
    /// Opens (and makes) the folder beneath a cache's root. One that cannot
    /// be made, or that others could write to, is not used.
    pub(crate) fn open(cache: &Path) -> Self {
        let folder = cache.join("index");
        let made = DirBuilder::new().mode(0o700).create(&folder);
        let there = made.is_ok() || made.is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists);
        let ours = |m: &fs::Metadata| {
            m.is_dir() && m.uid() == rustix::process::geteuid().as_raw() && m.mode() & 0o022 == 0
        };
        let usable = there && folder.symlink_metadata().is_ok_and(|m| ours(&m));
        Self {
            folder: usable.then_some(folder),
        }
    }

    /// The condensed index of the file with this digest, if it is there and
    /// whole.
    pub(crate) fn find(&self, source: Sha256, architecture: &str) -> Option<Index> {
        let path = self.path(source, architecture)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .ok()?;
        let text = read(&file)?;
        // The most recently used ones are kept.
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        let _ = rustix::fs::futimens(&file, &times);
        Index::new(text).ok()
    }

    /// Keeps a condensed index; if that fails, it is made again next time.
    pub(crate) fn keep(&self, source: Sha256, architecture: &str, index: &Index) {
        let (Some(path), Some(folder)) = (self.path(source, architecture), &self.folder) else {
            return;
        };
        let text = index.text();
        let digest = Sha256::of(text.as_bytes());
        let temporary = folder.join(format!(".new-{}-{digest}", std::process::id()));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            writeln!(file, "{FORMAT} {digest}")?;
            file.write_all(text.as_bytes())?;
            fs::rename(&temporary, &path)
        };
        if write().is_err() {
            let _ = fs::remove_file(&temporary);
        }
        prune(folder);
    }

    fn path(&self, source: Sha256, architecture: &str) -> Option<PathBuf> {
        Some(
            self.folder
                .as_ref()?
                .join(format!("{source}-{architecture}")),
        )
    }
}

fn read(mut file: &File) -> Option<String> {
    let length = file.metadata().ok()?.len();
    if length > INDEX_MAX {
        return None;
    }
    let mut header = vec![0; FORMAT.len() + 66];
    file.read_exact(&mut header).ok()?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).ok()?);
    file.take(INDEX_MAX).read_to_end(&mut bytes).ok()?;
    let expected = format!("{FORMAT} {}\n", Sha256::of(&bytes));
    if header != expected.as_bytes() {
        return None;
    }
    String::from_utf8(bytes).ok()
}

/// Removes all but the most recently used.
fn prune(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|e| Some((e.metadata().ok()?.modified().ok()?, e.path())))
        .collect();
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn index() -> Index {
        Index::new("0 0\n".to_owned()).unwrap()
    }

    #[test]
    fn what_was_kept_is_found_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path());
        let source = Sha256::of(b"Packages");
        assert!(store.find(source, "amd64").is_none());
        store.keep(source, "amd64", &index());
        assert!(store.find(source, "amd64").is_some());
        assert!(store.find(source, "arm64").is_none());
        let path = store.path(source, "amd64").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() = b' ';
        fs::write(&path, bytes).unwrap();
        assert!(store.find(source, "amd64").is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("index");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let store = Store::open(dir.path());
        store.keep(Sha256::of(b""), "amd64", &index());
        assert!(store.find(Sha256::of(b""), "amd64").is_none());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path());
        for i in 0..KEPT as u8 + 3 {
            store.keep(Sha256::of(&[i]), "amd64", &index());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(store.find(Sha256::of(&[0]), "amd64").is_none());
        assert!(store.find(Sha256::of(&[KEPT as u8 + 2]), "amd64").is_some());
        assert_eq!(
            fs::read_dir(dir.path().join("index")).unwrap().count(),
            KEPT
        );
    }
}
