//! Archives that want more than to be unpacked.

use super::*;
use crate::Sha256;
use crate::manifest::{Span, Tar};
use crate::place::{Extent, PlaceError};
use header::{Head, pad};
use proptest::prelude::*;
use tar_core::EntryType;
use tar_core::builder::PaxBuilder;
use toc::{Frame, Frames};
use zstd::zstd_safe::CParameter;

pub(super) const LIMITS: Unpacked = Unpacked {
    bytes: 10 << 20,
    entries: 1000,
};

pub(super) fn head(path: &[u8], kind: EntryType) -> Head<'_> {
    Head {
        path,
        kind,
        mode: 0o755,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        mtime: 0,
        link: b"",
        device: (0, 0),
        size: 0,
        extents: None,
        xattrs: &[],
    }
}

pub(super) fn entry(head: &Head<'_>, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    head.write(&mut bytes).unwrap();
    bytes.extend_from_slice(data);
    pad(&mut bytes, data.len());
    bytes
}

pub(super) fn file(path: &[u8], data: &[u8]) -> Vec<u8> {
    let size = data.len() as u64;
    let head = Head {
        size,
        ..head(path, EntryType::Regular)
    };
    entry(&head, data)
}

pub(super) fn directory(path: &[u8]) -> Vec<u8> {
    entry(&head(path, EntryType::Directory), b"")
}

pub(super) fn link(path: &[u8], kind: EntryType, target: &[u8]) -> Vec<u8> {
    let head = Head {
        link: target,
        ..head(path, kind)
    };
    entry(&head, b"")
}

fn symlink(path: &[u8], target: &[u8]) -> Vec<u8> {
    link(path, EntryType::Symlink, target)
}

pub(super) fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// Writes any pax records before an entry.
pub(super) fn with_pax(records: &[u8], entry: &[u8]) -> Vec<u8> {
    let size = records.len() as u64;
    let head = Head {
        size,
        ..head(b"x", EntryType::XHeader)
    };
    let mut bytes = Vec::new();
    head.write(&mut bytes).unwrap();
    bytes.extend_from_slice(records);
    pad(&mut bytes, records.len());
    [&bytes, entry].concat()
}

pub(super) struct Archive {
    directory: tempfile::TempDir,
    archive: manifest::Archive,
}

impl Archive {
    fn new(bytes: &[u8], format: ArchiveFormat, toc: Option<Span>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), bytes).unwrap();
        let archive = manifest::Archive {
            file: "a".parse().unwrap(),
            format,
            size: bytes.len() as u64,
            sha256: Sha256::of(bytes),
            toc,
            skeleton: None,
        };
        Self { directory, archive }
    }

    pub(super) fn plain(tar: &[u8]) -> Self {
        let bytes = zstd::bulk::compress(tar, 1).unwrap();
        Self::new(&bytes, ArchiveFormat::TarZst, None)
    }

    /// Each part is a frame; those in `continues` continue the last file.
    pub(super) fn framed(parts: &[Vec<u8>], continues: &[usize]) -> Self {
        let mut bytes = Vec::new();
        let mut frames = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let compressed = zstd::bulk::compress(part, 1).unwrap();
            frames.push(Frame {
                offset: bytes.len() as u64,
                length: compressed.len() as u64,
                uncompressed: part.len() as u64,
                continues: continues.contains(&index),
                blake3: blake3::hash(&compressed).into(),
            });
            bytes.extend_from_slice(&compressed);
        }
        let whole = parts.concat();
        let tar = Tar {
            size: whole.len() as u64,
            sha256: Sha256::of(&whole),
        };
        let entries = toc::Entries::new(1).unwrap();
        let toc = entries.finish(&Frames { frames, tar }, 1).unwrap();
        let span = Span {
            offset: bytes.len() as u64,
            length: toc.len() as u64,
            sha256: Sha256::of(&toc),
        };
        bytes.extend_from_slice(&toc);
        Self::new(&bytes, ArchiveFormat::TarZst, Some(span))
    }

    pub(super) fn unpack(&self, to: &Path) -> Result<(), ArchiveError> {
        unpack_to(
            &verified(self.directory.path(), &self.archive),
            to,
            &LIMITS,
            3,
        )
    }
}

/// A directory to unpack into, with a neighbour that must stay as it is.
pub(super) struct Target {
    directory: tempfile::TempDir,
}

impl Target {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        fs::write(directory.path().join("outside/secret"), "1").unwrap();
        Self { directory }
    }
    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }
    fn outside(&self) -> Vec<u8> {
        let path = self.directory.path().join("outside");
        path.as_os_str().as_bytes().to_vec()
    }
    fn assert_untouched(&self) {
        let outside = self.directory.path().join("outside");
        let names: Vec<_> = fs::read_dir(&outside).unwrap().collect();
        assert_eq!(names.len(), 1);
        let secret = fs::symlink_metadata(outside.join("secret")).unwrap();
        assert_eq!((secret.nlink(), secret.len()), (1, 1));
        assert_eq!(fs::read_dir(self.directory.path()).unwrap().count(), 2);
    }
}

/// Unpacks parts of a tar in every way; all must fail.
fn all_errors(parts: &[Vec<u8>]) -> Vec<ArchiveError> {
    let mut frames = parts.to_vec();
    frames.push(end());
    let whole = frames.concat();
    let backwards: Vec<_> = parts.iter().rev().cloned().chain([end()]).collect();
    let archives = [
        Archive::plain(&whole),
        Archive::framed(&[whole], &[]),
        Archive::framed(&frames, &[]),
        Archive::framed(&backwards, &[]),
    ];
    let errors = archives.iter().map(|archive| {
        let target = Target::new();
        let error = archive.unpack(&target.root()).unwrap_err();
        target.assert_untouched();
        error
    });
    errors.collect()
}

fn all_refused(parts: &[Vec<u8>], what: &str) {
    for error in all_errors(parts) {
        let text = error.to_string();
        assert!(text.contains(what), "{text:?} does not contain {what:?}");
    }
}

#[test]
fn paths_that_leave_the_root_are_refused_by_name() {
    for path in [
        &b"../evil"[..],
        b"a/../../evil",
        b"a/..",
        b"/tmp/evil",
        b"./../evil",
    ] {
        let name = String::from_utf8(path.to_vec()).unwrap();
        for part in [file(path, b"x"), directory(path), symlink(path, b"x")] {
            all_refused(&[part], &format!("{name}: refused"));
        }
        let hard = link(b"ok", EntryType::Link, path);
        all_refused(&[hard], "ok: refused");
    }
}

#[test]
fn nothing_is_written_through_links_of_the_archive() {
    let target = Target::new();
    let outside = target.outside();
    for to in [&outside[..], b"../outside", b"inside", b"."] {
        let parts = [directory(b"inside/"), symlink(b"l", to)];
        for through in [
            file(b"l/evil", b"x"),
            directory(b"l/evil/"),
            symlink(b"l/evil", b"x"),
            link(b"l/evil", EntryType::Link, b"l"),
        ] {
            let parts = [&parts[..], &[through]].concat();
            all_errors(&parts);
        }
    }
    // In two steps, and by a hard link to a link.
    all_errors(&[
        symlink(b"a", b".."),
        symlink(b"b", b"a/outside"),
        file(b"b/evil", b"x"),
    ]);
    all_errors(&[
        symlink(b"l", &outside),
        link(b"stolen", EntryType::Link, b"l/secret"),
    ]);
    let parts = [
        symlink(b"l", &[&outside[..], b"/secret"].concat()),
        link(b"h", EntryType::Link, b"l"),
        file(b"h", b"overwritten"),
    ];
    all_errors(&parts);
}

#[test]
fn two_types_for_one_path_are_refused() {
    let kinds = [
        file(b"x", b"1"),
        symlink(b"x", b"y"),
        entry(&head(b"x", EntryType::Fifo), b""),
        file(b"x/below", b"1"),
    ];
    for (i, a) in kinds.iter().enumerate() {
        for b in &kinds[i + 1..] {
            all_errors(&[a.clone(), b.clone()]);
            all_errors(&[b.clone(), a.clone()]);
        }
    }
    all_refused(&[directory(b"x/"), file(b"x", b"1")], ": refused");
    all_errors(&[
        file(b"f", b"1"),
        file(b"x", b"1"),
        link(b"x", EntryType::Link, b"f"),
    ]);
}

#[test]
fn of_two_files_the_later_counts_as_with_tar_and_never_by_chance() {
    let parts = [file(b"x", b"first"), file(b"x", b"second"), end()];
    let target = Target::new();
    Archive::plain(&parts.concat())
        .unpack(&target.root())
        .unwrap();
    assert_eq!(fs::read(target.root().join("x")).unwrap(), b"second");
    // Frames have no order; an archive that was packed has no such entries.
    let error = Archive::framed(&parts, &[])
        .unpack(&Target::new().root())
        .unwrap_err();
    assert!(matches!(
        error,
        ArchiveError::Place(PlaceError::Exists { .. })
    ));
}

#[test]
fn more_than_the_limits_is_refused() {
    let size = LIMITS.bytes + 1;
    let large = Head {
        size,
        ..head(b"large", EntryType::Regular)
    };
    all_refused(&[entry(&large, b"")], "large: refused");
    let sparse = Head {
        size: 1 << 50,
        extents: Some(&[]),
        ..head(b"sparse", EntryType::Regular)
    };
    all_refused(&[entry(&sparse, b"")], "sparse: refused");
    let half = vec![1; 6 << 20];
    all_refused(&[file(b"a", &half), file(b"b", &half)], "bytes of files");
    let many: Vec<u8> = (0..LIMITS.entries + 1)
        .flat_map(|i| file(format!("{i}").as_bytes(), b""))
        .collect();
    all_refused(&[many], "entries");
}

#[test]
fn headers_without_end_are_refused() {
    // Each has a megabyte of attributes that compress to nothing.
    let mut pax = PaxBuilder::new();
    pax.add("comment", vec![b'x'; 1_000_000]);
    let records = pax.finish();
    let many: Vec<_> = (0..100)
        .map(|i| with_pax(&records, &file(format!("{i}").as_bytes(), b"")))
        .collect();
    let tar = [many.concat(), end()].concat();
    let error = Archive::plain(&tar)
        .unpack(&Target::new().root())
        .unwrap_err();
    assert!(error.to_string().contains("bytes of headers"), "{error}");
    pax = PaxBuilder::new();
    pax.add("comment", vec![b'x'; limits::HEAD_MAX]);
    all_errors(&[with_pax(&pax.finish(), &file(b"f", b""))]);
}

#[test]
fn long_names_are_refused_by_name() {
    all_refused(&[file(&[b'n'; 256], b"")], "longer than 255");
    all_refused(&[file(&b"n/".repeat(2049), b"")], "longer than 4095");
    all_refused(&[symlink(b"l", &[b't'; 4096])], "l: refused");
}

#[test]
fn a_window_that_is_too_large_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    let window = CParameter::WindowLog(limits::WINDOW_LOG_MAX + 1);
    encoder.set_parameter(window).unwrap();
    io::copy(&mut io::repeat(0).take(1 << 20), &mut encoder).unwrap();
    let bytes = encoder.finish().unwrap();
    let archive = Archive::new(&bytes, ArchiveFormat::TarZst, None);
    let error = archive.unpack(&Target::new().root()).unwrap_err();
    assert!(matches!(error, ArchiveError::Archive { .. }), "{error}");
}

use std::io::Read;

#[test]
fn what_readers_would_understand_differently_is_refused() {
    let data = [b'd'; 512];
    let plain = file(b"f", &data);
    for (records, what) in [
        (&b"12 size=512\n"[..], ""),
        (b"013 size=512\n", "canonical"),
        (b"13 size=0x200\n", "malformed"),
        (b"12 size=-12\n", "number"),
        (b"9 uid=1 \n", "number"),
        (b"13 mtime=now\n", "time"),
        (b"garbage", "canonical"),
    ] {
        let tar = [with_pax(records, &plain), end()].concat();
        let result = Archive::plain(&tar).unpack(&Target::new().root());
        match result {
            Ok(()) => assert_eq!(what, "", "{:?}", String::from_utf8_lossy(records)),
            Err(error) => {
                assert!(!what.is_empty(), "{error}");
            }
        }
    }
    let with_data = Head {
        size: 512,
        ..head(b"d/", EntryType::Directory)
    };
    all_refused(&[entry(&with_data, &data)], "d/: refused");
    let with_data = Head {
        size: 512,
        link: b"t",
        ..head(b"l", EntryType::Symlink)
    };
    all_refused(&[entry(&with_data, &data)], "l: refused");
    all_refused(&[file(b"f/", &data)], "f/: refused");
    all_refused(&[entry(&head(b"v", EntryType::Other(b'Z')), b"")], "type");
    let global = Head {
        size: 10,
        ..head(b"g", EntryType::XGlobalHeader)
    };
    all_errors(&[entry(&global, b"10 path=x\n"), plain]);
}

#[test]
fn maps_of_holes_that_lie_are_refused() {
    for extents in [
        vec![(0, 512), (256, 512)],
        vec![(4096, 1024)],
        vec![(512, 512), (0, 512)],
    ] {
        let extents: Vec<_> = extents
            .into_iter()
            .map(|(offset, length)| Extent { offset, length })
            .collect();
        let stored: u64 = extents.iter().map(|e| e.length).sum();
        let sparse = Head {
            size: 4096,
            extents: Some(&extents),
            ..head(b"s", EntryType::Regular)
        };
        all_refused(&[entry(&sparse, &vec![1; stored as usize])], "s: refused");
    }
}

#[test]
fn damaged_and_truncated_tars_are_refused() {
    let good = [file(b"a", b"1"), file(b"b", &[1; 5000])].concat();
    for cut in [1, 511, 513, good.len() - 1, good.len() - 600] {
        let tar = &good[..cut];
        let error = Archive::plain(tar)
            .unpack(&Target::new().root())
            .unwrap_err();
        let expected = matches!(
            error,
            ArchiveError::Stream { .. } | ArchiveError::Place(PlaceError::Short { .. })
        );
        assert!(expected, "{cut}: {error}");
    }
    let mut bad = good.clone();
    bad[1024] ^= 1;
    let error = Archive::plain(&bad)
        .unpack(&Target::new().root())
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ArchiveError::Header { .. }) && text.ends_with('a'),
        "{text}"
    );
}

#[test]
fn frames_must_make_up_one_tar() {
    let (a, b) = (file(b"a", b"1"), file(b"b", &[1; 5000]));
    let unpack = |parts: &[Vec<u8>], continues: &[usize]| {
        Archive::framed(parts, continues).unpack(&Target::new().root())
    };
    unpack(&[a.clone(), b.clone(), end()], &[]).unwrap();
    let (b1, b2) = b.split_at(3000);
    let (b1, b2) = (b1.to_vec(), b2.to_vec());
    unpack(&[a.clone(), b1.clone(), b2.clone(), end()], &[2]).unwrap();
    for (parts, continues) in [
        // Without an end, with an early one, with something after it.
        (vec![a.clone(), b.clone()], vec![]),
        (vec![a.clone(), end(), b.clone()], vec![]),
        (vec![a.clone(), end(), b.clone(), end()], vec![]),
        (vec![a.clone(), end(), b.clone(), end()], vec![1, 2]),
        // Continuations that are none, or are not marked.
        (vec![b1.clone(), b2.clone(), end()], vec![]),
        (vec![a.clone(), b.clone(), end()], vec![0]),
        (vec![b1, end()], vec![]),
    ] {
        assert!(unpack(&parts, &continues).is_err(), "{continues:?}");
    }
}

#[test]
fn a_table_that_lies_is_refused() {
    let parts = [file(b"a", b"1"), end()];
    let good = Archive::framed(&parts, &[]);
    let span = good.archive.toc.clone().unwrap();
    let bytes = fs::read(good.directory.path().join("a")).unwrap();
    let table = &bytes[span.offset as usize..];
    let raw = zstd::stream::decode_all(table).unwrap();
    for at in 0..raw.len() {
        let mut changed = raw.clone();
        changed[at] = changed[at].wrapping_add(1);
        let table = zstd::bulk::compress(&changed, 1).unwrap();
        let whole = [&bytes[..span.offset as usize], &table].concat();
        let span = Span {
            offset: span.offset,
            length: table.len() as u64,
            sha256: Sha256::of(&table),
        };
        let target = Target::new();
        let result = Archive::new(&whole, ArchiveFormat::TarZst, Some(span)).unpack(&target.root());
        // The tar's own digest, the table's last 32 bytes and end, is not
        // needed, for the archive's was compared; and that the second frame
        // continues the first does no harm.
        let flag = raw.len() - 33 - 2 - 32 - 1;
        let harmless = at == flag || at >= raw.len() - 33;
        assert_eq!(result.is_err(), !harmless, "byte {at}");
        target.assert_untouched();
    }
    for (offset, length) in [(u64::MAX, 10), (1 << 40, 10), (0, 1 << 60)] {
        let span = Span {
            offset,
            length,
            sha256: Sha256::of(b""),
        };
        let archive = Archive::new(&bytes, ArchiveFormat::TarZst, Some(span));
        assert!(archive.unpack(&Target::new().root()).is_err());
        let verified = verified(archive.directory.path(), &archive.archive);
        assert!(verified.toc().is_err());
    }
}

#[test]
fn deep_trees_are_quick() {
    let begun = std::time::Instant::now();
    let parts: Vec<_> = (0..50)
        .map(|i| {
            file(
                &[&b"d/".repeat(2000), format!("{i}").as_bytes()].concat(),
                b"1",
            )
        })
        .chain([end()])
        .collect();
    let target = Target::new();
    Archive::plain(&parts.concat())
        .unpack(&target.root())
        .unwrap();
    assert!(begun.elapsed().as_secs() < 5);
}

/// A small archive with everything in it.
fn sample(outside: &[u8]) -> Vec<u8> {
    let extents = [Extent {
        offset: 65536,
        length: 700,
    }];
    let sparse = Head {
        size: 70_000,
        extents: Some(&extents),
        ..head(b"s", EntryType::Regular)
    };
    let xattrs = [(b"user.x".to_vec(), b"value".to_vec())];
    let with_xattr = Head {
        xattrs: &xattrs,
        mtime: -3,
        ..head(b"d/x", EntryType::Regular)
    };
    [
        directory(b"./"),
        directory(b"d/"),
        entry(&with_xattr, b""),
        file(b"d/f", b"hello"),
        link(b"h", EntryType::Link, b"d/f"),
        symlink(b"l", outside),
        entry(&sparse, &[7; 700]),
        file(&[b'n'; 200], b"long"),
        end(),
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_change_of_bytes_leads_outside(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        sums in any::<bool>(),
    ) {
        let target = Target::new();
        let mut tar = sample(&target.outside());
        for (at, byte) in changes {
            let at = at.index(tar.len());
            tar[at] = byte;
            if sums {
                // Put the block's checksum right, as an attacker would.
                let block = &mut tar[at / 512 * 512..][..512];
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        // Refused or not: it comes back, and only the root has changed.
        let _ = Archive::plain(&tar).unpack(&target.root());
        target.assert_untouched();
    }
}
