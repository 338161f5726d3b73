//! A folder is taken only if everything in it agrees.

use super::*;
use crate::Architecture;
use crate::manifest::{self, Archive, ArchiveFormat, Distribution, Requires, Tar, Tool, Unpacked};
use crate::progress::Progress;
use std::fs;

const ARCHIVE: &[u8] = b"not really an archive";
const NSPAWN: &[u8] = b"[Exec]\nBoot=yes\n";

fn manifest() -> Manifest {
    Manifest {
        format: manifest::FORMAT,
        name: "debian".parse().unwrap(),
        version: "20261122.3fa9c1".parse().unwrap(),
        architecture: Architecture::Amd64,
        distribution: Distribution {
            id: "debian".into(),
            release: "trixie".into(),
        },
        source_date_epoch: 1_700_000_000,
        tool: Tool {
            name: "hatchery".into(),
            version: "0.1.0".into(),
        },
        recipe: Sha256::of(b"recipe"),
        lock: Sha256::of(b"lock"),
        tar: Tar {
            size: 10240,
            sha256: Sha256::of(b"tar"),
        },
        archives: vec![Archive {
            file: "debian.tar.zst".parse().unwrap(),
            format: ArchiveFormat::TarZst,
            size: ARCHIVE.len() as u64,
            sha256: Sha256::of(ARCHIVE),
            toc: None,
            skeleton: None,
        }],
        files: vec![manifest::File {
            file: "debian.nspawn".parse().unwrap(),
            role: FileRole::Nspawn,
            size: NSPAWN.len() as u64,
            sha256: Sha256::of(NSPAWN),
        }],
        unpacked: Unpacked {
            bytes: 1,
            entries: 1,
        },
        disk_limit: None,
        requires: Requires::default(),
        packages: Vec::new(),
    }
}

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("debian.tar.zst"), ARCHIVE).unwrap();
    fs::write(directory.path().join("debian.nspawn"), NSPAWN).unwrap();
    directory
}

fn written() -> tempfile::TempDir {
    let directory = folder();
    ImageFiles::write(directory.path(), manifest(), None).unwrap();
    directory
}

#[test]
fn what_was_written_opens() {
    let directory = written();
    let files = ImageFiles::open(directory.path()).unwrap();
    assert_eq!(*files.manifest(), manifest());
    assert_eq!(
        files.names(),
        [
            "debian.tar.zst",
            "debian.nspawn",
            "debian.manifest.json",
            SUMS_NAME
        ]
    );
    let sums = fs::read_to_string(directory.path().join(SUMS_NAME)).unwrap();
    // The archive and the settings have two names each.
    assert_eq!(sums.lines().count(), 5);
    assert_eq!(sums.as_bytes(), files.sums());
    assert!(files.signature().is_none());

    fs::write(directory.path().join(SUMS_SIGNATURE_NAME), "signature").unwrap();
    let files = ImageFiles::open(directory.path()).unwrap();
    assert_eq!(files.signature(), Some(b"signature".as_slice()));
    assert!(files.names().contains(&SUMS_SIGNATURE_NAME.to_owned()));

    // A file of something else is not of the image, and an old signature must
    // not stay beside new digests.
    fs::write(directory.path().join("build.log"), "text").unwrap();
    ImageFiles::write(directory.path(), manifest(), None).unwrap();
    let files = ImageFiles::open(directory.path()).unwrap();
    assert_eq!(files.names().len(), 4);
}

#[test]
fn every_difference_is_named() {
    type Break = fn(&Path);
    let breaks: [(&str, Break); 9] = [
        ("debian.tar.zst has another digest", |d| {
            fs::write(d.join("debian.tar.zst"), [b'x'; ARCHIVE.len()]).unwrap();
        }),
        ("debian.tar.zst is 3 bytes long, not 21", |d| {
            fs::write(d.join("debian.tar.zst"), "abc").unwrap();
        }),
        ("cannot read", |d| {
            fs::remove_file(d.join("debian.nspawn")).unwrap();
        }),
        ("debian.manifest.json has another digest", |d| {
            let path = d.join("debian.manifest.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("trixie", "forky")).unwrap();
        }),
        ("is not a regular file", |d| {
            fs::rename(d.join("debian.tar.zst"), d.join("elsewhere")).unwrap();
            std::os::unix::fs::symlink("elsewhere", d.join("debian.tar.zst")).unwrap();
        }),
        ("\"debian.nspawn\" is missing in SHA256SUMS", |d| {
            edit_sums(d, |text| {
                let kept = text.lines().filter(|l| !l.contains("nspawn"));
                kept.map(|l| format!("{l}\n")).collect()
            });
        }),
        (
            "\"other\" is not of this image and yet in SHA256SUMS",
            |d| {
                edit_sums(d, |text| format!("{text}{} *other\n", Sha256::of(b"")));
            },
        ),
        ("unlike SHA256SUMS", |d| {
            edit_sums(d, |text| {
                text.replace(
                    &Sha256::of(NSPAWN).to_string(),
                    &Sha256::of(b"x").to_string(),
                )
            });
        }),
        ("lists 0 files called NAME.manifest.json", |d| {
            edit_sums(d, |_| String::new());
        }),
    ];
    for (expected, damage) in breaks {
        let directory = written();
        damage(directory.path());
        let error = ImageFiles::open(directory.path()).unwrap_err().to_string();
        let expected = expected.replace('"', "");
        assert!(
            error.contains(&expected),
            "{expected:?} is not in {error:?}"
        );
    }
}

fn edit_sums(directory: &Path, edit: impl Fn(&str) -> String) {
    let path = directory.join(SUMS_NAME);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, edit(&text)).unwrap();
}

#[test]
fn a_manifest_cannot_name_files_elsewhere_or_twice() {
    let directory = folder();
    let mut bad = manifest();
    bad.files[0].file = "sub/debian.nspawn".parse().unwrap();
    let error = ImageFiles::write(directory.path(), bad, None).unwrap_err();
    assert!(matches!(error, ImageFilesError::Name { .. }), "{error}");

    let mut bad = manifest();
    bad.files.push(bad.files[0].clone());
    let error = ImageFiles::write(directory.path(), bad, None).unwrap_err();
    assert!(matches!(error, ImageFilesError::Twice(_)), "{error}");

    let mut bad = manifest();
    bad.archives.clear();
    let error = ImageFiles::write(directory.path(), bad, None).unwrap_err();
    assert!(matches!(error, ImageFilesError::NoArchive), "{error}");
    assert!(!directory.path().join(SUMS_NAME).exists());
}

#[test]
fn sizes_that_overflow_are_an_error_and_no_panic() {
    let directory = written();
    let mut bad = manifest();
    bad.archives[0].size = u64::MAX;
    bad.files[0].size = u64::MAX;
    let bytes = bad.to_bytes();
    edit_sums(directory.path(), |text| {
        let kept = text.lines().filter(|l| !l.contains("manifest"));
        let kept: String = kept.map(|l| format!("{l}\n")).collect();
        format!("{kept}{} *debian.manifest.json\n", Sha256::of(&bytes))
    });
    fs::write(directory.path().join("debian.manifest.json"), &bytes).unwrap();
    let error = ImageFiles::open(directory.path()).unwrap_err();
    assert!(matches!(error, ImageFilesError::Size { .. }), "{error}");
}

#[test]
fn an_interruption_ends_it() {
    let directory = written();
    let progress = Progress::silent();
    let stop = progress.stop_flag();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = ImageFiles::open_watched(directory.path(), &progress).unwrap_err();
    assert!(matches!(error, ImageFilesError::Interrupted(_)), "{error}");
}
