//! Trees with what archives can hold, a tree a theme.

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;

/// Makes one in an empty folder.
pub(super) type Make = fn(&Path);

/// All of them.
pub(super) const ALL: [(&str, Make); 4] = [
    ("plain", plain),
    ("finest", finest),
    ("holes", holes),
    ("attributes", attributes),
];

/// Sets a time of modification; a link's own.
pub(super) fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What every format can say.
pub(super) fn plain(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("etc/deep/er")).unwrap();
    fs::create_dir_all(at("usr/bin")).unwrap();
    fs::write(at("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(at("etc/empty"), "").unwrap();
    fs::write(at("usr/bin/tool"), hatchery_tests::lab::noise(70_001)).unwrap();
    fs::write(at("usr/block"), [7; 512]).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("usr/bin/again")).unwrap();
    fs::hard_link(at("usr/bin/tool"), at("etc/tool")).unwrap();
    symlink("usr/bin", at("bin")).unwrap();
    symlink("/etc/hosts", at("etc/absolute")).unwrap();
    for (path, mode) in [
        ("usr/bin/tool", 0o6755),
        ("etc/hosts", 0o600),
        ("etc/deep", 0o1777),
        ("etc/deep/er", 0o555),
        ("etc/empty", 0o000),
    ] {
        fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    chown(at("etc/hosts"), Some(1000), Some(1001)).unwrap();
    lchown(at("bin"), Some(12), Some(34)).unwrap();
    // The modes again, of which chown has taken some.
    fs::set_permissions(at("usr/bin/tool"), fs::Permissions::from_mode(0o6755)).unwrap();
    for (index, path) in [
        "etc/hosts",
        "etc/empty",
        "usr/bin/tool",
        "bin",
        "usr/block",
        "etc/deep/er",
        "etc/deep",
        "usr/bin",
        "etc",
        "usr",
        "",
    ]
    .iter()
    .enumerate()
    {
        set_time(&at(path), 1_000_000_000 + index as i64, 0);
    }
}

/// What only newer formats can say.
pub(super) fn rich(root: &Path) {
    plain(root);
    let at = |name: &str| root.join(name);
    let bytes = |name: &[u8]| root.join(OsStr::from_bytes(name));
    fs::write(bytes(b"line\nend\ttab \\ quote\" '"), "1").unwrap();
    fs::write(at("caf\u{e9}"), "composed").unwrap();
    fs::write(at(" white space "), "1").unwrap();
    for length in [98, 99, 100, 101, 155, 156, 255] {
        fs::write(at(&"n".repeat(length)), length.to_string()).unwrap();
        symlink("t".repeat(length), at(&format!("l{length}"))).unwrap();
    }
    let deep = at(&format!(
        "{}/{}/{}",
        "a".repeat(90),
        "b".repeat(120),
        "c".repeat(250)
    ));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("f".repeat(200)), "deep").unwrap();
    fs::hard_link(deep.join("f".repeat(200)), deep.join("g".repeat(240))).unwrap();
    symlink("up/".repeat(400), at("long-target")).unwrap();
    fs::create_dir_all(at(&"d/".repeat(300))).unwrap();
    let mode = Mode::from_raw_mode(0o640);
    for (name, kind, device) in [
        ("fifo", FileType::Fifo, 0),
        ("null", FileType::CharacterDevice, makedev(1, 3)),
        ("disk", FileType::BlockDevice, makedev(259, 70_000)),
        ("whiteout", FileType::CharacterDevice, makedev(0, 0)),
    ] {
        mknodat(CWD, at(name), kind, mode, device).unwrap();
        set_time(&at(name), 900_000_000, 0);
    }
    fs::hard_link(at("bin"), at("bin-again")).unwrap();
    for (name, owner, group) in [
        ("large-owner", 2_097_152, 2_097_151),
        ("larger-owner", 3_000_000_000, 4_294_967_294),
    ] {
        fs::write(at(name), name).unwrap();
        chown(at(name), Some(owner), Some(group)).unwrap();
    }
    for (name, seconds, nanoseconds) in [
        ("before-1970", -86_400, 0),
        ("long-before", -1_500_000_000, 0),
        ("parts-of-a-second", 1_234_567_890, 123_456_789),
        ("after-2106", 5_000_000_000, 1),
    ] {
        fs::write(at(name), name).unwrap();
        set_time(&at(name), seconds, nanoseconds);
    }
    symlink("x", at("old-link")).unwrap();
    set_time(&at("old-link"), 1_111_111_111, 5);
}

/// What bsdtar does not keep: the decomposed of two names, and parts of a
/// second before 1970.
pub(super) fn finest(root: &Path) {
    rich(root);
    let at = |name: &str| root.join(name);
    fs::write(at("cafe\u{301}"), "decomposed").unwrap();
    fs::write(at("just-before"), "1").unwrap();
    set_time(&at("just-before"), -1, 250_000_000);
    fs::create_dir(at("old-folder")).unwrap();
    set_time(&at("old-folder"), -5, 500_000_000);
    // Its time is that of what was made in it last.
    set_time(root, 1_000_000_010, 0);
}

/// Names that are no text; bsdtar complains of them.
pub(super) fn no_text(root: &Path) {
    let bytes = |name: &[u8]| root.join(OsStr::from_bytes(name));
    fs::create_dir(bytes(b"\xff\xfe")).unwrap();
    fs::write(bytes(b"\xff\xfe/\x80 caf\xe9"), "1").unwrap();
    fs::write(bytes(&[0xe9; 180]), "long").unwrap();
    symlink(OsStr::from_bytes(b"\xf0 target"), bytes(b"l\xfe")).unwrap();
}

/// Files with holes, long enough that our packer keeps them.
pub(super) fn holes(root: &Path) {
    let at = |name: &str| root.join(name);
    let sparse = |name: &str, size: u64, parts: &[(u64, usize)]| {
        let file = File::create(at(name)).unwrap();
        for (offset, length) in parts {
            file.write_all_at(&vec![b'd'; *length], *offset).unwrap();
        }
        file.set_len(size).unwrap();
    };
    sparse("all", 1 << 20, &[]);
    sparse("begin", 1 << 20, &[(512 << 10, 512 << 10)]);
    sparse("end", 1_000_001, &[(0, 4096)]);
    sparse("middle", 300_003, &[(0, 5), (300_000, 3)]);
    let many: Vec<(u64, usize)> = (0..300).map(|n| (n * 131_072, 100)).collect();
    sparse("many", 300 * 131_072 + 5, &many);
    let name = format!("{}-long", "n".repeat(200));
    sparse(&name, 1 << 20, &[(131_072, 4096)]);
    fs::write(at("none"), [1; 10_000]).unwrap();
    fs::hard_link(at("middle"), at("middle-again")).unwrap();
}

/// A file that does not fit into the header's fields.
pub(super) fn huge(root: &Path) {
    let file = File::create(root.join("huge")).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    file.write_all_at(b"end", 9 << 30).unwrap();
    file.set_len((9 << 30) + 100_000).unwrap();
    fs::write(root.join("after"), "small").unwrap();
}

/// An access list in the kernel's form: tag, permissions, id.
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Extended attributes, capabilities, access lists.
pub(super) fn attributes(root: &Path) {
    let at = |name: &str| root.join(name);
    for name in ["file", "program", "listed", "both"] {
        fs::write(at(name), name).unwrap();
    }
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("folder/inside"), "1").unwrap();
    xattr::set(at("file"), "user.text", b"value").unwrap();
    xattr::set(at("file"), "user.empty", b"").unwrap();
    xattr::set(at("file"), "user.bytes", b"\0\xff\n=\x80").unwrap();
    xattr::set(at("file"), "user.long", &[b'x'; 1500]).unwrap();
    xattr::set(at("folder"), "user.folder", b"1").unwrap();
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    xattr::set(at("program"), "security.capability", &capability).unwrap();
    let nobody = u32::MAX;
    let access = list(&[
        (1, 6, nobody),
        (2, 7, 0),
        (2, 5, 12_345),
        (4, 4, nobody),
        (8, 4, 3333),
        (16, 7, nobody),
        (32, 4, nobody),
    ]);
    for name in ["listed", "both", "folder"] {
        xattr::set(at(name), "system.posix_acl_access", &access).unwrap();
    }
    xattr::set(at("both"), "user.both", b"1").unwrap();
    xattr::set(at("folder"), "system.posix_acl_default", &access).unwrap();
    set_time(&at("folder"), 1_000_000_000, 0);
}

/// And a name that bsdtar reads as two.
pub(super) fn escaped(root: &Path) {
    attributes(root);
    xattr::set(root.join("file"), "user.a=b%", b"equals").unwrap();
}
