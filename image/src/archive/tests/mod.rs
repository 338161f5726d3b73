//! The archive as its users see it: what goes in comes out, the bytes depend
//! on the tree alone, and what is hostile is refused.

mod frames;
mod hostile;
mod long;
mod round_trip;
mod trace;

use super::*;
use crate::manifest::ArchiveFormat;
use crate::place::{Resolve, Root};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What this thread took of the processor, however busy the machine is.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().expect("it is not negative")
}

const EPOCH: i64 = 1_700_000_000;

fn options(threads: usize, xz: Option<u32>) -> PackOptions {
    PackOptions {
        source_date_epoch: EPOCH,
        zstd_level: 1,
        xz_level: xz,
        threads,
        traces: Vec::new(),
        frames: None,
    }
}

fn pack_to(tree: &Path, directory: &Path, threads: usize, xz: Option<u32>) -> Packed {
    let progress = Progress::silent();
    super::pack(tree, directory, "image", &options(threads, xz), &progress).unwrap()
}

fn verified(directory: &Path, archive: &manifest::Archive) -> VerifiedArchive {
    let file = File::open(archive.file.beneath(directory)).unwrap();
    VerifiedArchive::verify(file, archive).unwrap()
}

fn unpack_to(
    archive: &VerifiedArchive,
    root: &Path,
    limits: &Unpacked,
    threads: usize,
) -> Result<(), ArchiveError> {
    let root = Root::open(root, Resolve::Beneath).unwrap();
    unpack(archive, &root, limits, threads, &Progress::silent())
}

/// Everything about an entry that an archive keeps.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    what: String,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    /// The first path of the same inode.
    same_as: PathBuf,
    bytes: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A tree as a map from path to what is there.
fn seen(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut all = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    let mut paths = Vec::new();
    while let Some(path) = todo.pop() {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
        if !kind.is_socket() {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let stat = fs::symlink_metadata(&path).unwrap();
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let kind = stat.file_type();
        let (what, bytes) = if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            ("link".into(), target.as_os_str().as_bytes().to_vec())
        } else if kind.is_file() {
            (format!("file {}", stat.len()), fs::read(&path).unwrap())
        } else {
            (format!("{kind:?} {}", stat.rdev()), Vec::new())
        };
        let first = inodes.entry(stat.ino()).or_insert_with(|| relative.clone());
        let mut xattrs = Vec::new();
        for name in xattr::list(&path).unwrap() {
            let value = xattr::get(&path, &name).unwrap().unwrap();
            xattrs.push((name.as_bytes().to_vec(), value));
        }
        xattrs.sort();
        let entry = Seen {
            what,
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            mtime: stat.mtime().min(EPOCH),
            same_as: first.clone(),
            bytes,
            xattrs,
        };
        all.insert(relative, entry);
    }
    all
}

fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (seen(a), seen(b));
    let paths = |m: &BTreeMap<PathBuf, Seen>| m.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&a), paths(&b));
    for (path, x) in &a {
        let y = &b[path];
        assert!(x.bytes == y.bytes, "contents of {path:?}");
        let parts = |s: &Seen| {
            let xattrs = s.xattrs.clone();
            (
                s.what.clone(),
                s.mode,
                s.owner,
                s.mtime,
                s.same_as.clone(),
                xattrs,
            )
        };
        assert_eq!(parts(x), parts(y), "{path:?}");
    }
}

/// The archive's tar, decompressed as stock tools do: skippable frames passed
/// over.
fn tar_of(directory: &Path, archive: &manifest::Archive) -> Vec<u8> {
    use std::io::Read;
    let file = File::open(archive.file.beneath(directory)).unwrap();
    let mut tar = Vec::new();
    match archive.format {
        ArchiveFormat::TarZst => {
            let mut decoder = zstd::stream::read::Decoder::new(file).unwrap();
            decoder.read_to_end(&mut tar).unwrap();
        }
        ArchiveFormat::TarXz => {
            let mut decoder = liblzma::read::XzDecoder::new(file);
            decoder.read_to_end(&mut tar).unwrap();
        }
    }
    tar
}
