//! `hatchery import` takes less than 128 MiB, whatever the image: in a memory
//! cgroup of that size it ends well, or refuses, and is never killed.
//!
//! Each test prints the peak of the program's own memory, and what its group
//! took with the page cache.

mod group;
mod library;

use crate::hatchery::Ran;
use crate::street::Street;
use group::Group;
use hatchery_image::Progress;
use hatchery_image::archive::{PackOptions, pack};
use hatchery_image::manifest::{ArchiveFormat, Unpacked};
use hatchery_tests::lab::noise;
use hatchery_tests::{Need, need, require, run};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;
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
