//! Types that are rare, unknown, or stand against another entry of the name.

use super::Case;
use crate::unpacking::bytes::{
    Magic, device, edited, entry, file, folder, hard, header, symlink, with_data,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = two_of_one_name();
    for (name, kind) in [
        ("multi-volume", b'M'),
        ("old-long-names", b'N'),
        ("solaris-acl", b'A'),
        ("solaris-extended", b'E'),
        ("solaris-inode", b'I'),
        ("solaris-headers", b'X'),
        ("unknown-z", b'Z'),
        ("unknown-8", b'8'),
        ("unknown-255", 0xff),
    ] {
        all.push(Case::refused(
            format!("type-{name}"),
            &[entry(b"odd", kind, b"data")],
            "type",
        ));
    }
    all.extend(devices());
    let gnu = |name: &[u8], kind, data: &[u8]| {
        with_data(header(name, kind, data.len() as u64, b"", Magic::Gnu), data)
    };
    let v7 = |name: &[u8], kind, data: &[u8]| {
        with_data(header(name, kind, data.len() as u64, b"", Magic::V7), data)
    };
    all.extend([
        Case::refused(
            "folder-with-data",
            &[entry(b"d/", b'5', b"data")],
            "d/: refused",
        ),
        Case::refused(
            "fifo-with-data",
            &[entry(b"p", b'6', b"data")],
            "p: refused",
        ),
        Case::refused(
            "device-with-data",
            &[entry(b"c", b'3', b"data")],
            "c: refused",
        ),
        Case::refused(
            "label-with-data",
            &[gnu(b"label", b'V', b"data")],
            "label: refused",
        ),
        Case::refused(
            "old-header-says-long-name",
            &[v7(b"x", b'L', b"../evil\0"), v7(b"f", b'0', b"x")],
            "type",
        ),
        Case::refused(
            "old-header-says-pax",
            &[v7(b"x", b'x', b"13 path=evil\n"), v7(b"f", b'0', b"x")],
            "type",
        ),
        Case::as_tar(
            "label-of-the-archive",
            &[gnu(b"label", b'V', b""), file(b"f", b"x")],
        ),
        Case::as_tar(
            "folder-of-a-dump",
            &[gnu(b"d/", b'D', b"Yf\0\0"), file(b"d/f", b"x")],
        ),
        Case::as_tar("contiguous-file", &[entry(b"f", b'7', b"data")]),
        Case::as_tar(
            "file-of-the-oldest-type",
            &[v7(b"f", 0, b"data"), v7(b"d/", 0, b"")],
        ),
        Case::as_tar("file-whose-name-says-folder", &[entry(b"d/", b'0', b"")]),
        Case::as_tar(
            "modes-of-all-bits",
            &[
                edited(file(b"a", b"x"), 100, b"0007777\0"),
                edited(folder(b"b/"), 100, b"0007000\0"),
                edited(file(b"c", b"x"), 100, b"0000000\0"),
                edited(file(b"d", b"x"), 100, b"0104755\0"),
                edited(file(b"e", b"x"), 100, b"0120777\0"),
                edited(entry(b"p", b'6', b""), 100, b"0004777\0"),
            ],
        ),
        Case::as_tar(
            "setuid-of-another-owner",
            &[edited(
                edited(file(b"a", b"x"), 100, b"0006755\0"),
                108,
                b"0001750\0",
            )],
        ),
    ]);
    all
}

fn devices() -> Vec<Case> {
    let binary = |at, bytes: &[u8; 8]| edited(device(b"odd", b'3', 1, 3), at, bytes);
    vec![
        Case::as_tar(
            "devices-as-they-are",
            &[
                device(b"null", b'3', 1, 3),
                device(b"sda", b'4', 8, 0),
                device(b"tty", b'3', 4, 255),
            ],
        ),
        Case::as_tar(
            "device-of-the-largest-numbers",
            &[device(b"big", b'3', 0xfff, 0xf_ffff)],
        ),
        Case::as_tar("character-device-0-0", &[device(b"whiteout", b'3', 0, 0)]),
        Case::refused(
            "device-major-too-large",
            &[device(b"odd", b'3', 0x1000, 0)],
            "odd: refused",
        ),
        Case::refused(
            "device-minor-too-large",
            &[device(b"odd", b'4', 8, 0x10_0000)],
            "odd: refused",
        ),
        Case::refused(
            "device-major-of-64-bits",
            &[binary(329, b"\x80\0\0\x01\0\0\0\x01")],
            "malformed",
        ),
        Case::refused(
            "device-minor-negative",
            &[binary(337, b"\xff\xff\xff\xff\xff\xff\xff\xff")],
            "",
        ),
        Case::refused(
            "device-number-that-is-none",
            &[binary(329, b"zzzzzzz\0")],
            "malformed",
        ),
    ]
}

/// Each kind over each other.
fn two_of_one_name() -> Vec<Case> {
    let kinds = [
        ("file", file(b"x", b"1")),
        ("folder", folder(b"x/")),
        ("link", symlink(b"x", b"y")),
        ("fifo", entry(b"x", b'6', b"")),
        ("character-device", device(b"x", b'3', 1, 3)),
        ("block-device", device(b"x", b'4', 7, 0)),
        ("hard-link", hard(b"x", b"f")),
    ];
    let mut all = Vec::new();
    for (first, a) in &kinds {
        for (second, b) in &kinds {
            let parts = [file(b"f", b"f"), a.clone(), b.clone()];
            let name = format!("one-name-{second}-over-a-{first}");
            // A hard link has the type of its file.
            let same = first == second && *first != "hard-link"
                || (*first, *second) == ("hard-link", "file");
            let linked_twice = (*first, *second) == ("hard-link", "hard-link");
            all.push(if same || linked_twice {
                Case::as_tar(name, &parts)
            } else {
                Case::refused(name, &parts, ": refused")
            });
        }
    }
    all
}
