//! Frames that were made before: the archive is the same with and without.

use super::*;

/// A tree with many small files, and some in the middle that do not compress.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for n in 0..400_u32 {
        let folder = tree.path().join(format!("d{}", n % 20));
        fs::create_dir_all(&folder).unwrap();
        let bytes: Vec<u8> = (0..60_000_u32)
            .flat_map(|i| (i.wrapping_mul(n + 7) >> (n % 5)).to_le_bytes())
            .take(60_000)
            .collect();
        fs::write(folder.join(format!("f{n}")), bytes).unwrap();
    }
    tree
}

fn packed(tree: &Path, frames: Option<FrameCache>) -> (Packed, Vec<u8>) {
    let out = tempfile::tempdir().unwrap();
    let options = PackOptions {
        frames,
        ..options(2, None)
    };
    let packed = super::super::pack(tree, out.path(), "x", &options, &Progress::silent()).unwrap();
    let bytes = fs::read(out.path().join("x.tar.zst")).unwrap();
    (packed, bytes)
}

fn kept(cache: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(cache).unwrap().map(|e| e.unwrap().path());
    folders
        .flat_map(|f| fs::read_dir(f).unwrap().map(|e| e.unwrap().path()))
        .collect()
}

#[test]
fn the_bytes_do_not_depend_on_what_was_kept() {
    let (tree, cache) = (tree(), tempfile::tempdir().unwrap());
    let frames = FrameCache::open(cache.path()).unwrap();
    let without = packed(tree.path(), None);
    for _ in 0..2 {
        assert!(packed(tree.path(), Some(frames.clone())) == without);
    }
    assert!(kept(cache.path()).len() > 3);
}

#[test]
fn a_frame_that_was_damaged_is_made_again() {
    let (tree, cache) = (tree(), tempfile::tempdir().unwrap());
    let frames = FrameCache::open(cache.path()).unwrap();
    let good = packed(tree.path(), Some(frames.clone()));
    for (n, path) in kept(cache.path()).iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match n % 3 {
            0 => bytes.truncate(20),
            1 => *bytes.last_mut().unwrap() ^= 1,
            _ => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(packed(tree.path(), Some(frames)) == good);
}

#[test]
fn a_change_leaves_most_frames_as_they_were() {
    let (tree, cache) = (tree(), tempfile::tempdir().unwrap());
    let frames = FrameCache::open(cache.path()).unwrap();
    packed(tree.path(), Some(frames.clone()));
    let before = kept(cache.path()).len();
    fs::write(tree.path().join("d0/a-new-file"), vec![7; 150_000]).unwrap();
    packed(tree.path(), Some(frames));
    let new = kept(cache.path()).len() - before;
    assert!(new <= 3, "{new} of {before} frames are new");
}

#[test]
fn what_was_compressed_ahead_is_found() {
    let (tree, cache) = (tree(), tempfile::tempdir().unwrap());
    let frames = FrameCache::open(cache.path()).unwrap();
    compress_ahead(tree.path(), &frames, 1, EPOCH, &Progress::silent());
    let before = kept(cache.path()).len();
    assert!(before > 3);
    packed(tree.path(), Some(frames));
    assert_eq!(kept(cache.path()).len(), before);
}

#[test]
fn compressing_ahead_stops_when_told() {
    let (tree, cache) = (tree(), tempfile::tempdir().unwrap());
    let frames = FrameCache::open(cache.path()).unwrap();
    let stopped = Progress::silent();
    stopped
        .stop_flag()
        .store(true, std::sync::atomic::Ordering::Relaxed);
    compress_ahead(tree.path(), &frames, 1, EPOCH, &stopped);
    assert!(kept(cache.path()).is_empty());
}
