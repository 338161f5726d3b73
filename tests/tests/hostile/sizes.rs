//! More than the manifest declares.

use super::{Case, Verdict};
use crate::unpacking::bytes::{
    Magic, device, edited, entry, file, folder, hard, header, pax, symlink, tar,
};

pub(super) fn cases() -> Vec<Case> {
    let three = [file(b"a", b"1"), file(b"b", b"2"), file(b"c", b"3")];
    let claimed = |size| header(b"f", b'0', size, b"", Magic::Ustar);
    let wide = edited(claimed(0), 124, b"\x80\0\0\0\0\0\x7f\xff\xff\xff\xff\xff");
    let map = b"1\n99999999\n0\n";
    let hole = |real: &[u8]| {
        let records = [
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", real),
        ];
        [
            pax(&records),
            entry(b"hole", b'0', &[&map[..], &[0; 499]].concat()),
        ]
        .concat()
    };
    let of_every_type = [
        folder(b"d/"),
        symlink(b"l", b"t"),
        entry(b"p", b'6', b""),
        device(b"c", b'3', 1, 3),
        file(b"f", b""),
        hard(b"h", b"f"),
    ];
    let mut all = vec![
        Case::refused("one-entry-too-many", &three, "c: refused").limited(100, 2),
        Case::refused("no-entry-declared", &three, "a: refused").limited(100, 0),
        Case::refused("one-byte-too-many", &three, "c: refused").limited(2, 100),
        Case::refused("no-byte-declared", &three, "a: refused").limited(0, 100),
        Case::refused(
            "file-over-one-byte-too-large",
            &[file(b"f", &[1; 1001])],
            "f: refused",
        )
        .limited(1000, 10),
        Case::refused(
            "file-of-8-GiB-claimed",
            &[claimed(0o777_7777_7777)],
            "f: refused",
        ),
        Case::refused("file-of-an-exabyte-claimed", &[wide], "f: refused"),
        Case::refused(
            "hole-of-more-than-declared",
            &[hole(b"100000000")],
            "hole: refused",
        ),
        Case::refused(
            "hole-of-an-exabyte",
            &[hole(b"1000000000000000000")],
            "hole: refused",
        ),
        Case::refused(
            "the-same-file-again-and-again",
            &(0..30).map(|_| file(b"f", &[1; 1000])).collect::<Vec<_>>(),
            "f: refused",
        )
        .limited(10_000, 100),
        Case::as_tar("as-many-as-declared", &three).limited(3, 3),
        Case::as_tar("a-file-as-large-as-declared", &[file(b"f", &[1; 1000])]).limited(1000, 1),
    ];
    for count in 0..of_every_type.len() as u64 {
        let mut case = Case::refused(
            format!("{count}-entries-declared-of-six"),
            &of_every_type,
            "refused",
        );
        case.limits.entries = count;
        all.push(case);
    }
    let mut whole = Case::raw(
        "six-entries-declared-of-six",
        tar(&of_every_type),
        Verdict::AsTar,
    );
    whole.limits.entries = 6;
    all.push(whole);
    all
}
