//! `hatchery import` takes less than 128 MiB, whatever the image: in a memory
//! cgroup of that size it ends well, or refuses, and is never killed.
//!
//! Each test prints the peak of the program's own memory, and what its group
//! took with the page cache.

use crate::hatchery::Ran;
use crate::street::Street;
use hatchery_image::archive::{PackOptions, VerifiedArchive, list, pack, unpack};
use hatchery_image::manifest::{Archive, ArchiveFormat, Span, Unpacked};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use hatchery_tests::lab::noise;
use hatchery_tests::{Need, Pool, need, require, run};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What an import may take, in bytes.
const MAX: u64 = 128 << 20;

/// What is declared of the large ones.
const LIMITS: Unpacked = Unpacked {
    bytes: 4 << 30,
    entries: 2_000_000,
};

/// Parts with data of a file whose map has as many parts as an archive may say,
/// 10,000: tar adds its end.
const EXTENTS: u64 = 9999;

/// A memory cgroup below the one of this process.
struct Group {
    path: PathBuf,
    peak: &'static str,
}

impl Group {
    /// None where this host lets nobody make one.
    fn new(max: u64) -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hatchery-memory-{}-{count}", std::process::id());
        let own = |line: &str| {
            line.rsplit(':')
                .next()
                .unwrap()
                .trim_start_matches('/')
                .to_owned()
        };
        for line in membership.lines() {
            let is_old = line.contains(":memory:");
            let (root, limit, peak) = match line {
                _ if is_old => (
                    "/sys/fs/cgroup/memory",
                    "memory.limit_in_bytes",
                    "memory.max_usage_in_bytes",
                ),
                _ if line.starts_with("0::") => ("/sys/fs/cgroup", "memory.max", "memory.peak"),
                _ => continue,
            };
            let path = Path::new(root).join(own(line)).join(&name);
            // On hybrid hosts the mount itself is a plain folder.
            let is_group = path.with_file_name("cgroup.procs").exists();
            if !is_group || fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self { path, peak };
            // Without swap, so that what does not fit is seen.
            let _ = fs::write(group.path.join("memory.swap.max"), "0");
            if fs::write(group.path.join(limit), max.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// Whether the kernel killed what was in it.
    fn killed(&self) -> bool {
        let events = ["memory.events", "memory.oom_control"]
            .map(|name| fs::read_to_string(self.path.join(name)).unwrap_or_default());
        let count = |line: &str| line.strip_prefix("oom_kill ").is_some_and(|n| n != "0");
        events.iter().flat_map(|text| text.lines()).any(count)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Imports in a group of that size.
#[expect(clippy::print_stdout, reason = "it is a figure of the test")]
fn import(name: &str, street: &Street) -> Option<Ran> {
    let Some(group) = Group::new(MAX) else {
        need::skip("this host lets no memory cgroup be made");
        return None;
    };
    let import = street.import();
    let mut command = crate::hatchery::shell("echo $$ >\"$0\" && exec \"$@\"");
    command
        .arg(group.path.join("cgroup.procs"))
        .arg(import.get_program());
    command
        .args(import.get_args())
        .envs(import.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command
        .current_dir(street.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut own = 0;
    while child.try_wait().unwrap().is_none() {
        own = highest(&fs::read_to_string(&status).unwrap_or_default()).max(own);
        std::thread::sleep(Duration::from_millis(5));
    }
    let ran = crate::hatchery::ran(&child.wait_with_output().unwrap());
    println!(
        "{name}: {} MiB of its own, {} MiB with its files",
        own >> 10,
        group.peak() >> 20
    );
    assert!(!group.killed(), "{name}: killed");
    assert!(own << 10 < MAX, "{name}: {} MiB", own >> 10);
    Some(ran)
}

/// The most memory that a process had, in KiB, by its `status`.
fn highest(status: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Imports a file as an archive; it must end well.
fn succeeds(name: &str, path: &Path, format: ArchiveFormat) {
    let street = Street::new(Some((path, format, LIMITS)));
    if let Some(ran) = import(name, &street) {
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        run::run(&["rm", "-rf", street.machine().to_str().unwrap()]).unwrap();
    }
}

/// The same; it must be refused, with these words.
fn refused(name: &str, path: &Path, format: ArchiveFormat, what: &str) {
    let street = Street::new(Some((path, format, LIMITS)));
    if let Some(ran) = import(name, &street) {
        assert_ne!(ran.code, Some(0), "{name}: {ran:?}");
        assert!(
            ran.code.is_some() && ran.stderr.contains(what),
            "{name}: {ran:?}"
        );
        assert!(!street.machine().exists());
    }
}

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("gpg"),
    Need::Program("zstd"),
    Need::Program("tar"),
];

fn shell(folder: &Path, script: &str) {
    let script = format!("cd \"$0\" && {script}");
    run::run(&["sh", "-ec", &script, folder.to_str().unwrap()]).unwrap();
}

/// A tree of large and small files that do not compress.
fn large_tree(root: &Path) {
    fs::create_dir(root).unwrap();
    let noise = noise(18 << 20);
    for index in 0..4 {
        fs::write(root.join(format!("large-{index}")), &noise[index..]).unwrap();
    }
    for index in 0..1000 {
        let at = index * 10_000;
        fs::write(root.join(format!("small-{index}")), &noise[at..at + 9000]).unwrap();
    }
}

#[test]
fn frames_of_the_highest_level_and_streams_of_every_window() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    large_tree(&at("tree"));
    shell(folder.path(), "tar -cf tar tree");
    for (name, line) in [
        ("zstd --long=26", "zstd -q -3 --long=26"),
        ("zstd --ultra -20", "zstd -q -1 --zstd=wlog=26"),
    ] {
        shell(folder.path(), &format!("{line} -f tar -o tar.zst"));
        succeeds(name, &at("tar.zst"), ArchiveFormat::TarZst);
    }
    for window in [27, 31] {
        shell(
            folder.path(),
            &format!("zstd -q -1 --long={window} -f tar -o tar.zst"),
        );
        let name = format!("zstd --long={window}");
        refused(&name, &at("tar.zst"), ArchiveFormat::TarZst, "decompress");
    }
    // Long blocks, and a dictionary of 64 MiB.
    shell(
        folder.path(),
        "head -c 80000000 tar >cut; xz -0 --lzma2=preset=0,dict=64MiB -c tar >tar.xz",
    );
    succeeds(
        "xz with the dictionary of -9",
        &at("tar.xz"),
        ArchiveFormat::TarXz,
    );
    shell(folder.path(), "xz -0 -T2 --block-size=8MiB -c tar >tar.xz");
    succeeds("xz in blocks", &at("tar.xz"), ArchiveFormat::TarXz);
}

/// The program `xz` at its highest level, over a tar that fills its dictionary
/// of 64 MiB before the folders come.
#[test]
fn long_paths_of_folders_behind_the_largest_dictionary_of_xz() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let packed = |name: &str, paths: &mut dyn Iterator<Item = String>| {
        let tar = File::create(folder.path().join("tar")).unwrap();
        let mut tar = BufWriter::new(tar);
        tar.write_all(&header("zeros", b'0', 80 << 20, "")).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(80 << 20), &mut tar).unwrap();
        for path in paths {
            let padding = vec![0; path.len().next_multiple_of(512) - path.len()];
            let long = header("././@LongLink", b'L', path.len() as u64, "");
            tar.write_all(&long).unwrap();
            tar.write_all(path.as_bytes()).unwrap();
            tar.write_all(&padding).unwrap();
            tar.write_all(&header("x", b'5', 0, "")).unwrap();
        }
        tar.write_all(&[0; 1024]).unwrap();
        tar.into_inner().unwrap();
        shell(folder.path(), &format!("xz -9 -c tar >{name}"));
        folder.path().join(name)
    };
    let long = |n: usize| format!("{}/", format!("{n:0>7}").repeat(35));
    // Those in one another: what a path adds is little.
    let deep: String = (0..15).map(long).collect();
    let path = packed("deep.xz", &mut (0..20_000).map(|n| format!("{deep}{n}/")));
    succeeds(
        "xz -9 of 20000 folders with long paths",
        &path,
        ArchiveFormat::TarXz,
    );
    // Those that have each a long path of their own.
    let apart = |n: usize| (0..16).map(|level| long(16 * n + level)).collect();
    let path = packed("own.xz", &mut (0..16_000).map(apart));
    refused(
        "xz -9 of 16000 long paths",
        &path,
        ArchiveFormat::TarXz,
        "bytes of directories",
    );
}

#[test]
fn frames_with_a_table_of_contents() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    large_tree(&folder.path().join("tree"));
    let options = PackOptions {
        source_date_epoch: 0,
        zstd_level: 19,
        xz_level: None,
        threads: 2,
        traces: Vec::new(),
        frames: None,
    };
    let tree = folder.path().join("tree");
    let packed = pack(&tree, folder.path(), "lab", &options, &Progress::silent()).unwrap();
    let street = Street::packed(folder.path(), packed);
    if let Some(ran) = import("frames of level 19", &street) {
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

/// A ustar header of root's.
fn header(name: &str, kind: u8, size: u64, link: &str) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "07346545000\0");
    put(157, link);
    put(257, "ustar\x0000");
    put(148, "        ");
    block[156] = kind;
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A tar of headers, compressed.
fn tar(path: &Path, write: impl FnOnce(&mut dyn Write)) {
    let file = BufWriter::new(File::create(path).unwrap());
    let mut encoder = zstd::stream::write::Encoder::new(file, 1).unwrap();
    write(&mut encoder);
    encoder.write_all(&[0; 1024]).unwrap();
    encoder.finish().unwrap().flush().unwrap();
}

#[test]
fn entries_by_the_hundred_thousand() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar.zst");
    tar(&path, |out| {
        for n in 0..200_000 {
            out.write_all(&header(&format!("{}/{n}", n / 1000), b'0', 0, ""))
                .unwrap();
        }
    });
    succeeds("200000 small files", &path, ArchiveFormat::TarZst);
}

#[test]
fn links_and_folders_by_the_hundred_thousand() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar.zst");
    tar(&path, |out| {
        for n in 0..100_000 {
            out.write_all(&header(&format!("d{n}/"), b'5', 0, ""))
                .unwrap();
        }
        // A file takes 65,000 names on ext4.
        for n in 0..100_000 {
            let file = format!("f{}", n / 10_000);
            if n % 10_000 == 0 {
                out.write_all(&header(&file, b'0', 0, "")).unwrap();
            }
            out.write_all(&header(&format!("l{n}"), b'1', 0, &file))
                .unwrap();
        }
    });
    succeeds(
        "100000 hard links and folders",
        &path,
        ArchiveFormat::TarZst,
    );
}

#[test]
fn a_file_of_ten_thousand_holes_and_bombs() {
    if !require(&NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("holes")).unwrap();
    let file = File::create(at("holes/file")).unwrap();
    for n in 0..EXTENTS {
        file.write_all_at(b"data", n * 65_536).unwrap();
    }
    drop(file);
    shell(
        folder.path(),
        "tar --format=posix -S -C holes -c . | zstd -q >holes.zst",
    );
    succeeds("10000 parts", &at("holes.zst"), ArchiveFormat::TarZst);
    tar(&at("zeros.zst"), |out| {
        out.write_all(&header("zeros", b'0', 0o777_7777_7777, ""))
            .unwrap();
        std::io::copy(&mut std::io::repeat(0).take(64 << 20), &mut { out }).unwrap();
    });
    refused(
        "8 GiB of zeros",
        &at("zeros.zst"),
        ArchiveFormat::TarZst,
        "zeros",
    );
    tar(&at("headers.zst"), |out| {
        let records = format!("999000 comment={}\n", "x".repeat(999_000 - 16));
        for n in 0..10_000 {
            out.write_all(&header("pax", b'x', 999_000, "")).unwrap();
            out.write_all(records.as_bytes()).unwrap();
            out.write_all(&[0; 424]).unwrap();
            out.write_all(&header(&format!("{n}"), b'5', 0, ""))
                .unwrap();
        }
    });
    refused(
        "10 GB of headers",
        &at("headers.zst"),
        ArchiveFormat::TarZst,
        "bytes of headers",
    );
}

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
    // Some 20 MiB of targets, compressed: their letters are 64.
    for (n, target) in noise(26_000 * 1000).chunks(1000).enumerate() {
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
    let length = table.len() + skeleton.len();
    assert!(length > 24 << 20, "{length}");
    assert!(own < MAX, "{} MiB", own >> 20);
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
        frames.extend(Sha256::of(&frame).as_bytes());
        bytes.extend(frame);
        size += tar.len() as u64;
    }
    let mut table = b"hatchery toc 1\n".to_vec();
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
