//! A whole archive whose digest is right, as a zstd or an xz stream, or as the
//! tar in either, unpacked. Nothing outside of the target may change, and what
//! is unpacked keeps to the limits.

#![no_main]

use hatchery_image::archive::{VerifiedArchive, unpack};
use hatchery_image::manifest::{Archive, ArchiveFormat, Unpacked};
use hatchery_image::place::{Resolve, Root};
use hatchery_image::{Progress, Sha256};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// What the manifest allows.
const LIMITS: Unpacked = Unpacked {
    bytes: 4 << 20,
    entries: 64,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    // 0: a zstd stream; 1: an xz stream; otherwise the tar in a zstd stream.
    let format = match kind % 3 {
        1 => ArchiveFormat::TarXz,
        _ => ArchiveFormat::TarZst,
    };
    if kind % 3 == 2 {
        let compressed = zstd::encode_all(rest, 1).expect("memory takes everything");
        try_unpack(&compressed, format);
    } else {
        try_unpack(rest, format);
    }
});

fn try_unpack(bytes: &[u8], format: ArchiveFormat) {
    let scratch = tempfile::tempdir_in("/dev/shm").expect("a tmpfs");
    let outside = scratch.path();
    fs::write(outside.join("canary"), "alive").expect("a tmpfs");
    fs::create_dir(outside.join("root")).expect("a tmpfs");
    let mut file = tempfile::tempfile_in("/dev/shm").expect("a tmpfs");
    file.write_all(bytes).expect("a tmpfs");
    let expected = Archive {
        file: "lab.tar".parse().expect("a plain name"),
        format,
        size: bytes.len() as u64,
        sha256: Sha256::of(bytes),
        toc: None,
        skeleton: None,
    };
    let verified = VerifiedArchive::verify(file, &expected).expect("the digest is right");
    let root = Root::open(&outside.join("root"), Resolve::Beneath).expect("an empty root");
    let unpacked = unpack(&verified, &root, &LIMITS, 1, &Progress::silent());
    if unpacked.is_ok() {
        let (bytes, entries) = taken(&outside.join("root"));
        assert!(bytes <= LIMITS.bytes, "{bytes} bytes were unpacked");
        // Directories that the archive does not name have a limit of their own.
        assert!(entries <= LIMITS.entries, "{entries} entries were unpacked");
    }
    let canary = fs::read(outside.join("canary")).expect("nothing outside is removed");
    assert_eq!(canary, b"alive");
    let beside = fs::read_dir(outside).expect("a tmpfs").count();
    assert_eq!(beside, 2, "something was made outside of the root");
}

/// Bytes of regular files, and how many names there are besides directories'.
fn taken(folder: &Path) -> (u64, u64) {
    let (mut bytes, mut entries) = (0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        entries += u64::from(!metadata.is_dir());
        if metadata.is_dir() {
            let (inner_bytes, inner_entries) = taken(&entry.path());
            bytes += inner_bytes;
            entries += inner_entries;
        } else if metadata.is_file() {
            // A hard link shares its file's bytes.
            bytes += metadata.len() / std::os::unix::fs::MetadataExt::nlink(&metadata);
        }
    }
    (bytes, entries)
}
