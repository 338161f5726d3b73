//! What listing and unpacking take by themselves, where the program would need
//! a larger host: measured in the test's own process.

use super::{LIMITS, MAX, header, highest};
use hatchery_image::archive::limits::LISTED_MAX;
use hatchery_image::archive::{VerifiedArchive, list, unpack};
use hatchery_image::manifest::{Archive, ArchiveFormat, Span};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use hatchery_tests::lab::noise;
use hatchery_tests::{Need, Pool, require};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

/// The most memory that this process took while `work` ran, in bytes; a test
/// has a process to itself.
#[expect(clippy::print_stdout, reason = "it is a figure of the test")]
fn peak<T>(name: &str, work: impl FnOnce() -> T) -> (T, u64) {
    // Forgets what making the input took.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let result = work();
    let own = highest(&fs::read_to_string("/proc/self/status").unwrap()) << 10;
    println!("{name}: {} MiB of this process", own >> 20);
    (result, own)
}

/// A tree that fills each of the limits of a list nearly: names that are still
/// to come, names of files that have several, and what does not compress.
#[test]
fn a_list_of_the_worst_tree() {
    if !require(&[Need::Root]) {
        return;
    }
    let memory = Pool::tmpfs(1 << 30);
    let at = |name: &str| memory.path().join("tree").join(name);
    for folder in ["a", "b", "c"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    // Some 27 MiB of targets, compressed: their letters are 64.
    for (n, target) in noise(38_000 * 1000).chunks(1000).enumerate() {
        let letters = target.iter().map(|b| char::from(b'0' + (b & 0x3f)));
        let target: String = letters.collect();
        symlink(target, at(&format!("a/{n}"))).unwrap();
    }
    for n in 0..120_000 {
        let first = at(&format!("b/{n}"));
        File::create(&first).unwrap();
        fs::hard_link(first, at(&format!("c/{n}"))).unwrap();
    }
    // They are read before all the others, and come last.
    for n in 0..245_000 {
        symlink("x", at(&format!("d{n}"))).unwrap();
    }
    let tree = memory.path().join("tree");
    let (listed, own) = peak("the worst list", || list(&tree, &Progress::silent()));
    let (table, skeleton) = listed.unwrap();
    let length = (table.len() + skeleton.len()) as u64;
    assert!(length > LISTED_MAX / 8 * 7, "{length}");
    assert!(own < MAX, "{} MiB", own >> 20);
    // What was nearly full is, of short names as of long ones.
    for n in 245_000..300_000 {
        symlink("x", at(&format!("d{n}"))).unwrap();
    }
    let error = list(&tree, &Progress::silent()).unwrap_err();
    assert!(error.to_string().contains("bytes of names"), "{error}");
}

/// As large as the headers of an entry may be, so often that each thread has
/// some at any time, in frames of which one fits for each of them.
#[test]
fn headers_of_a_megabyte_for_each_of_many_threads() {
    if !require(&[Need::Root]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar.zst");
    let archive = framed(&path, 64, &|frame| {
        let mut tar = Vec::new();
        for part in 0..4 {
            let records = records(["HATCHERY", "LIBARCHIVE.xattr"][part % 2]);
            tar.extend(header("pax", b'x', records.len() as u64, ""));
            tar.extend(&records);
            tar.resize(tar.len().next_multiple_of(512), 0);
            tar.extend(header(&format!("{frame}-{part}"), b'5', 0, ""));
        }
        tar
    });
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let archive = VerifiedArchive::verify(File::open(&path).unwrap(), &archive).unwrap();
    let root = Root::open(&tree, Resolve::Beneath).unwrap();
    let (unpacked, own) = peak("headers for 8 threads", || {
        unpack(&archive, &root, &LIMITS, 8, &Progress::silent())
    });
    unpacked.unwrap();
    assert!(own < MAX, "{} MiB", own >> 20);
}

/// Almost a megabyte of pax records that are read and passed over, with almost
/// as many keywords as there may be.
fn records(vendor: &str) -> Vec<u8> {
    let record = |n| {
        let keyword = format!("{vendor}.{n:0>20}");
        let value = "x".repeat(103 - "103 =\n".len() - keyword.len());
        format!("103 {keyword}={value}\n")
    };
    (0..9900).map(record).collect::<String>().into_bytes()
}

/// Writes an archive of these frames with a table of contents of no entries,
/// which is all that unpacking reads of it.
fn framed(path: &Path, count: usize, part: &dyn Fn(usize) -> Vec<u8>) -> Archive {
    let (mut bytes, mut frames, mut size) = (Vec::new(), Vec::new(), 0);
    for index in 0..count {
        let mut tar = part(index);
        if index + 1 == count {
            tar.extend([0; 1024]);
        }
        let frame = zstd::bulk::compress(&tar, 1).unwrap();
        number(&mut frames, frame.len() as u64);
        number(&mut frames, tar.len() as u64);
        frames.push(0);
        frames.extend(blake3::hash(&frame).as_bytes());
        bytes.extend(frame);
        size += tar.len() as u64;
    }
    let mut table = b"hatchery toc 2\n".to_vec();
    number(&mut table, count as u64);
    table.extend(frames);
    number(&mut table, size);
    table.extend(Sha256::of(b"").as_bytes());
    table.push(0);
    let table = zstd::bulk::compress(&table, 1).unwrap();
    bytes.extend(0x184d_2a5a_u32.to_le_bytes());
    bytes.extend((table.len() as u32).to_le_bytes());
    let toc = Span {
        offset: bytes.len() as u64,
        length: table.len() as u64,
        sha256: Sha256::of(&table),
    };
    bytes.extend(table);
    fs::write(path, &bytes).unwrap();
    Archive {
        file: "tar.zst".parse().unwrap(),
        format: ArchiveFormat::TarZst,
        size: bytes.len() as u64,
        sha256: Sha256::of(&bytes),
        toc: Some(toc),
        skeleton: None,
    }
}

/// LEB128.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
