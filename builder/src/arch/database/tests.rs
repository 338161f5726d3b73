//! Tests of [`super`].

use super::*;
use std::io::Write as _;

const SIGNED: &str = "%FILENAME%\na-1:2-3-any.pkg.tar.zst\n\n%NAME%\na\n\n%BASE%\nall\n\n\
    %VERSION%\n1:2-3\n\n%DESC%\nAn a\n\n%GROUPS%\ng\nh\n\n%CSIZE%\n100\n\n%ISIZE%\n2000\n\n\
    %MD5SUM%\nwhatever\n\n%PGPSIG%\niQ==\n\n%URL%\nhttps://a.example\n\n%LICENSE%\nMIT\n\n\
    %ARCH%\nany\n\n%BUILDDATE%\n1700000000\n\n%PACKAGER%\nUnknown Packager\n\n\
    %REPLACES%\nold\n\n%CONFLICTS%\nb<2\n\n%PROVIDES%\nlibx.so=1-64\nc\n\n\
    %DEPENDS%\nglibc\n\n%OPTDEPENDS%\nd: for e\n\n%XDATA%\npkgtype=pkg\n\n";

/// A tar of files, and of folders where there is no content.
fn tar(files: &[(&str, Option<&[u8]>)], time: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(time);
        header.set_mode(0o644);
        header.set_size(content.map_or(0, <[u8]>::len) as u64);
        if content.is_none() {
            header.set_entry_type(tar::EntryType::Directory);
        }
        let content = content.unwrap_or_default();
        // Not `append_data`, which refuses the paths of hostile tests.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn one(path: &str, desc: &str) -> Result<Database, DatabaseError> {
    Database::parse(&tar(&[(path, Some(desc.as_bytes()))], 1))
}

#[test]
fn every_heading_is_read() {
    let files = [
        ("a-1:2-3/", None),
        ("a-1:2-3/desc", Some(SIGNED.as_bytes())),
    ];
    let database = Database::parse(&tar(&files, 1_700_000_001)).unwrap();
    assert_eq!(database.newest, 1_700_000_001);
    assert_eq!(database.warnings, [""; 0]);
    let [a] = database.packages.as_slice() else {
        panic!("{database:?}")
    };
    assert_eq!(a.file_name, "a-1:2-3-any.pkg.tar.zst");
    assert_eq!((a.name.as_str(), a.base.as_str()), ("a", "all"));
    assert_eq!(a.version.as_str(), "1:2-3");
    assert_eq!(a.description, "An a");
    assert_eq!(a.groups, ["g", "h"]);
    assert_eq!((a.compressed_size, a.installed_size), (100, 2000));
    assert_eq!(a.sha256, None);
    assert_eq!(a.signature, Some(vec![0x89]));
    assert_eq!(a.url, "https://a.example");
    assert_eq!(a.licenses, ["MIT"]);
    assert_eq!(a.architecture, "any");
    assert_eq!(a.build_date, 1_700_000_000);
    assert_eq!(a.packager, "Unknown Packager");
    assert_eq!(a.replaces, [Dependency::parse("old")]);
    assert_eq!(a.conflicts, [Dependency::parse("b<2")]);
    assert_eq!(a.provides, ["libx.so=1-64", "c"].map(Provision::parse));
    assert_eq!(a.depends, [Dependency::parse("glibc")]);
    assert_eq!(a.opt_depends, [Dependency::parse("d: for e")]);
}

#[test]
fn what_pacman_does_without_may_be_missing() {
    let a = one("a-1-1/desc", "%FILENAME%\na.pkg.tar\n").unwrap();
    let a = &a.packages[0];
    assert_eq!((a.name.as_str(), a.version.as_str()), ("a", "1-1"));
    assert_eq!((a.build_date, a.compressed_size), (0, 0));
    // The time of the newest package stands in for a time that is missing.
    let desc = b"%FILENAME%\na\n\n%BUILDDATE%\n5\n\n%BUILDDATE%\nno date\n\n%BUILDDATE%\n7\n";
    let database = Database::parse(&tar(&[("a-1-1/desc", Some(desc))], 0)).unwrap();
    assert_eq!(database.newest, 7);
    assert!(Database::parse(b"").unwrap().packages.is_empty());
    assert!(Database::parse(&tar(&[], 0)).unwrap().packages.is_empty());
}

#[test]
fn packages_are_sorted_and_names_come_from_folders() {
    let files: Vec<(&str, Option<&[u8]>)> = vec![
        ("b-1-1/desc", Some(b"%FILENAME%\nb\n\n%DEPENDS%\nx\n")),
        ("a-b-1-1/desc", Some(b"%FILENAME%\nab\n\n%NAME%\nother\n")),
        ("b-1-1/depends", Some(b"%DEPENDS%\ny\n")),
        ("b-1-1/files", Some(b"%DEPENDS%\nz\n")),
        ("b-2-1/desc", Some(b"%FILENAME%\nb2\n\n%VERSION%\n2-1\n")),
    ];
    let database = Database::parse(&tar(&files, 1)).unwrap();
    let names: Vec<_> = database.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["a-b", "b"]);
    let b = &database.packages[1];
    assert_eq!((b.version.as_str(), b.file_name.as_str()), ("1-1", "b2"));
    assert_eq!(b.depends, ["x", "y"].map(Dependency::parse));
    assert_eq!(database.warnings.len(), 2, "{:?}", database.warnings);
}

#[test]
fn every_compression_is_read_and_others_are_named() {
    let tar = tar(&[("a-1-1/desc", Some(SIGNED.as_bytes()))], 1);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&tar).unwrap();
    let zstd = zstd::encode_all(tar.as_slice(), 1).unwrap();
    for bytes in [gzip.finish().unwrap(), xz.finish().unwrap(), zstd, tar] {
        assert_eq!(Database::parse(&bytes).unwrap().packages.len(), 1);
        let cut = Database::parse(&bytes[..bytes.len() / 3]);
        assert!(matches!(cut, Err(DatabaseError::Read(_))), "{cut:?}");
    }
    let bzip2 = Database::parse(b"BZh91AY");
    assert!(matches!(bzip2, Err(DatabaseError::Compression("bzip2"))));
    let page = Database::parse(b"<html>not found</html>".repeat(100).as_slice());
    assert!(matches!(page, Err(DatabaseError::Read(_))), "{page:?}");
}

#[test]
fn a_database_bomb_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_path("a-1-1/other").unwrap();
    header.set_size(DECOMPRESSED_MAX * 2);
    header.set_mode(0o644);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..(DECOMPRESSED_MAX >> 20) {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let refused = Database::parse(&bomb);
    assert!(
        matches!(refused, Err(DatabaseError::TooLarge)),
        "{refused:?}"
    );
    let long = vec![b'x'; DESC_MAX as usize + 1];
    let refused = Database::parse(&tar(&[("a-1-1/desc", Some(&long))], 1));
    assert!(matches!(refused, Err(DatabaseError::LongDesc(_))));
    let many = format!("%GROUPS%\n{}", "a\n".repeat(50_001));
    let refused = one("a-1-1/desc", &many).unwrap_err();
    assert!(
        matches!(&refused, DatabaseError::Desc { source: DescError::TooMany(h), .. } if h == "%GROUPS%")
    );
}

#[test]
fn names_that_are_no_names_are_refused() {
    for path in [
        "desc",
        "a/desc",
        "a-1/desc",
        "-1-1/desc",
        "../desc",
        "./a-1-1/desc",
        "/a-1-1/desc",
        ".a-1-1/desc",
        "a b-1-1/desc",
        "a-1 1-1/desc",
        "a-1-1",
    ] {
        let refused = one(path, "%FILENAME%\na\n");
        assert!(
            matches!(refused, Err(DatabaseError::Entry(_))),
            "{path}: {refused:?}"
        );
    }
    for file in [
        "", ".", "..", ".hidden", "a/b", "../a", "/a", "a\rb", "a\0", "a\u{85}",
    ] {
        let refused = one("a-1-1/desc", &format!("%FILENAME%\n{file}\n"));
        assert!(
            matches!(refused, Err(DatabaseError::Desc { .. })),
            "{file:?}: {refused:?}"
        );
    }
    let none = one("a-1-1/desc", "%NAME%\na\n");
    assert!(matches!(none, Err(DatabaseError::NoFile(_))));
}

#[test]
fn values_that_are_none_are_refused() {
    for (heading, value) in [
        ("%CSIZE%", "-1"),
        ("%CSIZE%", "+1"),
        ("%CSIZE%", ""),
        ("%ISIZE%", "99999999999999999999"),
        ("%SHA256SUM%", "abc"),
        ("%PGPSIG%", "no base64"),
        ("%PGPSIG%", ""),
    ] {
        let refused = one("a-1-1/desc", &format!("{heading}\n{value}\n"));
        assert!(
            matches!(&refused, Err(DatabaseError::Desc { source: DescError::Value { heading: h, .. }, .. }) if h == heading),
            "{heading}: {refused:?}"
        );
    }
    let cut = one("a-1-1/desc", "%FILENAME%\na\n\n%DESC%").unwrap_err();
    assert!(matches!(
        cut,
        DatabaseError::Desc {
            source: DescError::Cut(_),
            ..
        }
    ));
}

#[test]
fn a_database_of_nothing_but_dependencies_is_refused() {
    let depends = "a\n".repeat(50_000);
    let desc = format!("%FILENAME%\nx\n\n%DEPENDS%\n{depends}\n%PROVIDES%\n{depends}\n");
    let names: Vec<String> = (0..21).map(|n| format!("p{n}-1-1/desc")).collect();
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Some(desc.as_bytes())))
        .collect();
    assert!(Database::parse(&tar(&files[..20], 1)).is_ok());
    let refused = Database::parse(&tar(&files, 1));
    assert!(matches!(refused, Err(DatabaseError::TooManyValues)));
}
