//! Trees that go through an archive and come out again.

use super::*;
use proptest::prelude::*;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT};
use std::ffi::OsStr;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

fn set_mtime(path: &Path, seconds: i64) {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: 123,
        },
    };
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

/// Bytes that are not zero; they repeat, so that xz is quick about them.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length.min(10_000) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&(seed >> 20 | 1).to_le_bytes());
    }
    let mut bytes = bytes.repeat(length.div_ceil(bytes.len().max(1)));
    bytes.truncate(length);
    bytes
}

/// A tree with everything that an ordinary user can make.
fn rich_tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("usr/bin")).unwrap();
    fs::create_dir_all(at("empty/very")).unwrap();
    symlink("usr/bin", at("bin")).unwrap();
    fs::write(at("usr/bin/tool"), noise(70_000, 1)).unwrap();
    fs::set_permissions(at("usr/bin/tool"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("usr/bin/again")).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("zz")).unwrap();
    fs::write(at("usr/bin.txt"), "").unwrap();
    fs::write(at("usr/bin-"), "x").unwrap();
    // Holes: in the middle of a small file, at the end, all of it, and in a
    // file of several frames.
    let sparse = File::create(at("hole-middle")).unwrap();
    sparse.write_all_at(b"begin", 0).unwrap();
    sparse.write_all_at(b"end", 300_000).unwrap();
    File::create(at("hole-all"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let tail = File::create(at("hole-end")).unwrap();
    tail.write_all_at(b"x", 4096).unwrap();
    tail.set_len(200_001).unwrap();
    let large = File::create(at("large-hole")).unwrap();
    large.write_all_at(&noise(5 << 20, 2), 1 << 20).unwrap();
    large.write_all_at(&noise(1 << 20, 3), 30 << 20).unwrap();
    large.set_len(40 << 20).unwrap();
    fs::write(at("large"), noise((9 << 20) + 17, 4)).unwrap();
    fs::write(at("large-exact"), noise((8 << 20) - 512, 5)).unwrap();
    let name = OsStr::from_bytes(b"\xff\xfe not text\n");
    fs::write(dir.path().join(name), "1").unwrap();
    symlink(OsStr::from_bytes(b"\xf0 target"), at("link-not-text")).unwrap();
    symlink("t/".repeat(200), at("link-long")).unwrap();
    for length in [99, 100, 101, 255] {
        fs::write(at(&"n".repeat(length)), length.to_string()).unwrap();
    }
    let deep = at(&format!("{}/{}", "d".repeat(150), "e".repeat(150)));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(90)), "deep").unwrap();
    fs::hard_link(deep.join("f".repeat(90)), deep.join("g".repeat(250))).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o620),
        0,
    )
    .unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    xattr::set(at("usr"), "user.dir", b"of a directory").unwrap();
    xattr::set(at("zz"), "user.a=b%25", &noise(2000, 6)).unwrap();
    xattr::set(at("usr/bin-"), "user.empty", b"").unwrap();
    fs::set_permissions(at("empty"), fs::Permissions::from_mode(0o1777)).unwrap();
    set_mtime(&at("usr/bin/tool"), 1_000_000_000);
    set_mtime(&at("bin"), 1_000_000_001);
    set_mtime(&at("usr/bin.txt"), -5_000_000);
    set_mtime(&at("usr/bin-"), EPOCH + 1000);
    set_mtime(&at("usr"), 1_000_000_002);
    dir
}

#[test]
fn a_rich_tree_comes_out_as_it_went_in() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 3, Some(0));
    assert_eq!(packed.archives.len(), 2);
    let count = seen(tree.path()).len() as u64;
    assert_eq!(packed.unpacked.entries, count);
    for archive in &packed.archives {
        assert_eq!(
            fs::metadata(archive.file.beneath(out.path()))
                .unwrap()
                .len(),
            archive.size
        );
        for threads in [1, 4] {
            let to = tempfile::tempdir().unwrap();
            let archive = verified(out.path(), archive);
            unpack_to(&archive, to.path(), &packed.unpacked, threads).unwrap();
            assert_same(tree.path(), to.path());
            let sparse = fs::metadata(to.path().join("large-hole")).unwrap();
            assert!(sparse.blocks() * 512 < 8 << 20);
        }
    }
    // Without its table, the archive is read as any other.
    let mut plain = packed.archives[0].clone();
    plain.toc = None;
    let to = tempfile::tempdir().unwrap();
    let archive = verified(out.path(), &plain);
    unpack_to(&archive, to.path(), &packed.unpacked, 2).unwrap();
    assert_same(tree.path(), to.path());
}

#[test]
fn the_bytes_depend_on_the_tree_alone() {
    let tree = rich_tree();
    let mut all = Vec::new();
    for threads in [1, 2, 7] {
        let out = tempfile::tempdir().unwrap();
        let packed = pack_to(tree.path(), out.path(), threads, Some(0));
        all.push((packed, out));
    }
    assert_eq!(all[0].0, all[1].0);
    assert_eq!(all[0].0, all[2].0);
    // A copy without the holes and with other inodes, made in another order.
    let copy = tempfile::tempdir().unwrap();
    let archive = verified(all[0].1.path(), &all[0].0.archives[0]);
    unpack_to(&archive, copy.path(), &all[0].0.unpacked, 2).unwrap();
    let filled = copy.path().join("large-hole");
    let bytes = fs::read(&filled).unwrap();
    let mtime = fs::metadata(&filled).unwrap().mtime();
    File::options()
        .write(true)
        .open(&filled)
        .unwrap()
        .write_all_at(&bytes, 0)
        .unwrap();
    set_mtime(&filled, mtime);
    set_mtime(copy.path(), fs::metadata(tree.path()).unwrap().mtime());
    let out = tempfile::tempdir().unwrap();
    assert_eq!(pack_to(copy.path(), out.path(), 2, Some(0)), all[0].0);
}

#[test]
fn both_archives_hold_the_same_tar_and_it_has_the_named_digest() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 2, Some(1));
    for archive in &packed.archives {
        let tar = tar_of(out.path(), archive);
        assert_eq!(tar.len() as u64, packed.tar.size);
        assert_eq!(crate::Sha256::of(&tar), packed.tar.sha256);
    }
}

#[test]
fn skeleton_and_files_give_the_exact_tar() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 2, None);
    let archive = verified(out.path(), &packed.archives[0]);
    let toc = archive.toc().unwrap().unwrap();
    let skeleton = archive.skeleton().unwrap().unwrap();
    let open = |entry: &toc::Entry| {
        let path = tree.path().join(OsStr::from_bytes(&entry.path));
        Ok(File::open(path).unwrap())
    };
    let mut tar = Vec::new();
    let mut reader = toc::Reader::new(&toc).unwrap();
    let replayed = replay(&mut reader, &skeleton, open, &mut tar).unwrap();
    assert_eq!(replayed, packed.tar);
    assert_eq!(crate::Sha256::of(&tar), packed.tar.sha256);

    // One changed byte of one file is noticed, and named.
    let change = File::options()
        .write(true)
        .open(tree.path().join("large"))
        .unwrap();
    change.write_all_at(b"?", 5 << 20).unwrap();
    let mut reader = toc::Reader::new(&toc).unwrap();
    let error = replay(&mut reader, &skeleton, open, std::io::sink()).unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Contents { path } if path == b"large"),
        "{error}"
    );
}

#[test]
fn the_table_says_where_each_file_lies() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 2, None);
    let archive = verified(out.path(), &packed.archives[0]);
    let content = archive.toc().unwrap().unwrap();
    let mut reader = toc::Reader::new(&content).unwrap();
    let frames = reader.frames().frames.clone();
    let tar = tar_of(out.path(), &packed.archives[0]);
    let starts: Vec<u64> = frames
        .iter()
        .scan(0, |sum, f| {
            Some(std::mem::replace(sum, *sum + f.uncompressed))
        })
        .collect();
    let last = frames.last().unwrap();
    let skeleton = packed.archives[0].skeleton.as_ref().unwrap();
    assert_eq!(last.offset + last.length + 8, skeleton.offset);
    let mut names = Vec::new();
    while let Some(entry) = reader.entry().unwrap() {
        let path = tree.path().join(OsStr::from_bytes(&entry.path));
        let at = starts[entry.frame as usize] + entry.offset + entry.head;
        if let Some(contents) = &entry.contents {
            let bytes = fs::read(&path).unwrap();
            assert_eq!(contents.size, bytes.len() as u64, "{path:?}");
            assert_eq!(
                contents.blake3,
                *blake3::hash(&bytes).as_bytes(),
                "{path:?}"
            );
            let stored = &tar[at as usize..][..contents.stored() as usize];
            let parts = contents.extents.clone();
            let parts = parts.map_or(vec![&bytes[..]], |parts| {
                let part =
                    |e: crate::place::Extent| &bytes[e.offset as usize..][..e.length as usize];
                parts.into_iter().map(part).collect()
            });
            assert!(parts.concat() == stored, "{path:?}");
        }
        names.push(entry.path);
    }
    assert_eq!(names.len() as u64, packed.unpacked.entries);
    assert!(names.iter().any(|n| n.starts_with(b"\xff\xfe")));
}

#[test]
fn sockets_and_attributes_of_the_host_stay_out() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 2, None);
    let tar = tar_of(out.path(), &packed.archives[0]);
    let contains = |text: &[u8]| tar.windows(text.len()).any(|w| w == text);
    assert!(!contains(b"socket"));
    assert!(contains(b"SCHILY.xattr.user.a%3Db%2525="));
}

#[test]
fn what_changes_meanwhile_is_an_error_and_leaves_nothing() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("f"), noise(20 << 20, 1)).unwrap();
    let path = tree.path().join("f");
    let out = tempfile::tempdir().unwrap();
    // Stopped in the middle: as good as any other error.
    let progress = Progress::silent();
    progress
        .stop_flag()
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let result = super::super::pack(
        tree.path(),
        out.path(),
        "i",
        &options(2, Some(0)),
        &progress,
    );
    assert!(matches!(result, Err(ArchiveError::Interrupted(_))));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    // /proc has files that are longer than they say.
    let grown = Path::new("/proc/self/net");
    let result = super::super::pack(
        grown,
        out.path(),
        "i",
        &options(2, None),
        &Progress::silent(),
    );
    assert!(result.is_err());
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    drop(path);
}

#[test]
fn an_archive_that_exists_is_not_overwritten() {
    let tree = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("image.tar.xz"), "mine").unwrap();
    let progress = Progress::silent();
    let result = super::super::pack(
        tree.path(),
        out.path(),
        "image",
        &options(1, Some(0)),
        &progress,
    );
    assert!(matches!(result, Err(ArchiveError::Write { .. })));
    let names: Vec<_> = fs::read_dir(out.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["image.tar.xz"]);
    assert_eq!(fs::read(out.path().join("image.tar.xz")).unwrap(), b"mine");
}

#[test]
fn another_archive_is_not_verified() {
    let tree = rich_tree();
    let out = tempfile::tempdir().unwrap();
    let packed = pack_to(tree.path(), out.path(), 2, None);
    let expected = &packed.archives[0];
    let path = expected.file.beneath(out.path());
    let verify = || VerifiedArchive::verify(File::open(&path).unwrap(), expected);
    let bytes = fs::read(&path).unwrap();
    assert!(verify().is_ok());
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for bad in [
        &bytes[..bytes.len() - 1],
        &[&bytes[..], b"x"].concat(),
        &changed,
        b"",
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(verify(), Err(ArchiveError::Differs { .. })));
    }
    // Changed after it was verified: the frame's own digest notices.
    fs::write(&path, &bytes).unwrap();
    let archive = verify().unwrap();
    fs::write(&path, &changed).unwrap();
    let to = tempfile::tempdir().unwrap();
    let error = unpack_to(&archive, to.path(), &packed.unpacked, 2).unwrap_err();
    assert!(matches!(error, ArchiveError::Differs { .. }), "{error}");
}

/// One file or directory of an arbitrary tree.
#[derive(Debug, Clone)]
struct Arbitrary {
    path: Vec<Vec<u8>>,
    bytes: Vec<(bool, usize)>,
    mode: u32,
    mtime: i64,
    link: bool,
}

fn arbitrary() -> impl Strategy<Value = Arbitrary> {
    let name = prop_oneof!["[a-c]", "[a-c]\\.[a-c]", "[a-c]{90,110}", "[a-c]{200,255}"]
        .prop_map(String::into_bytes);
    let odd = prop::collection::vec(128_u8.., 1..4);
    let name = prop_oneof![4 => name, 1 => odd];
    (
        prop::collection::vec(name, 1..5),
        prop::collection::vec((any::<bool>(), 0_usize..100_000), 0..3),
        0_u32..0o1000,
        -1000_i64..EPOCH + 1000,
        any::<bool>(),
    )
        .prop_map(|(path, bytes, mode, mtime, link)| Arbitrary {
            path,
            bytes,
            mode: mode | 0o600,
            mtime,
            link,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]
    #[test]
    fn any_tree_comes_out_as_it_went_in(files in prop::collection::vec(arbitrary(), 0..12)) {
        let tree = tempfile::tempdir().unwrap();
        let mut before: Option<PathBuf> = None;
        for (i, file) in files.iter().enumerate() {
            let names = file.path.iter().map(|n| OsStr::from_bytes(n));
            let path = tree.path().join(names.collect::<PathBuf>());
            let made = fs::create_dir_all(path.parent().unwrap());
            if made.is_err() || fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            if let (true, Some(before)) = (file.link, &before) {
                fs::hard_link(before, &path).unwrap();
                continue;
            }
            let mut bytes = Vec::new();
            for (zero, length) in &file.bytes {
                let more = noise(*length, i as u64);
                bytes.extend(if *zero { vec![0; *length] } else { more });
            }
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
            set_mtime(&path, file.mtime);
            before = Some(path);
        }
        let out = tempfile::tempdir().unwrap();
        let packed = pack_to(tree.path(), out.path(), 2, None);
        let to = tempfile::tempdir().unwrap();
        let archive = verified(out.path(), &packed.archives[0]);
        unpack_to(&archive, to.path(), &packed.unpacked, 2).unwrap();
        assert_same(tree.path(), to.path());
    }
}
