//! Headers that are damaged, and numbers that are none; what ends too early
//! or goes on too long.

use super::{Case, Verdict};
use crate::unpacking::Packed;
use crate::unpacking::bytes::{
    BLOCK, Magic, edited, end, file, folder, global, header, long, pax1, sum, tar, with_data,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = numbers();
    all.extend(ends());
    all.extend(damaged());
    all
}

fn with_sum(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut block = file(b"f", b"x");
    block[at..at + bytes.len()].copy_from_slice(bytes);
    block
}

fn damaged() -> Vec<Case> {
    let mut signed = header(b"caf\xe9", b'0', 0, b"", Magic::Ustar);
    signed[148..156].fill(b' ');
    let of_signed: i32 = signed.iter().map(|b| i32::from(b.cast_signed())).sum();
    signed[148..156].copy_from_slice(format!("{of_signed:06o}\0 ").as_bytes());
    let text = b"This is no archive at all. ".repeat(100);
    vec![
        Case::refused(
            "wrong-checksum",
            &[file(b"a", b"1"), with_sum(0, b"g")],
            "malformed after a",
        ),
        Case::refused(
            "checksum-of-zeros",
            &[file(b"a", b"1"), with_sum(148, &[0; 8])],
            "malformed after a",
        ),
        Case::refused(
            "checksum-of-spaces",
            &[file(b"a", b"1"), with_sum(148, b"        ")],
            "malformed after a",
        ),
        Case::refused(
            "checksum-that-is-no-number",
            &[file(b"a", b"1"), with_sum(148, b"zzzzzz\0 ")],
            "malformed after a",
        ),
        Case::refused("checksum-of-signed-bytes", &[signed], "malformed"),
        Case::refused(
            "garbage-between-entries",
            &[file(b"a", b"1"), vec![0xa5; BLOCK], file(b"b", b"2")],
            "malformed after a",
        ),
        Case::raw("text", text, Verdict::Refused("malformed")),
        Case::raw(
            "zip",
            [&b"PK\x03\x04"[..], &[7; 2000]].concat(),
            Verdict::Refused("malformed"),
        ),
        Case::raw(
            "gzip-in-zstd",
            [&b"\x1f\x8b\x08\0"[..], &[7; 2000]].concat(),
            Verdict::Refused("malformed"),
        ),
        Case::raw(
            "elf",
            [&b"\x7fELF"[..], &[7; 2000]].concat(),
            Verdict::Refused("malformed"),
        ),
        Case::refused(
            "one-block-of-zeros-between-entries",
            &[file(b"a", b"1"), vec![0; BLOCK], file(b"b", b"2")],
            "after a",
        ),
        Case::refused(
            "zeros-between-pax-and-entry",
            &[pax1("path", b"g"), vec![0; BLOCK], file(b"b", b"2")],
            "zeros",
        ),
        Case::refused(
            "zeros-between-long-name-and-entry",
            &[long(b'L', b"g"), vec![0; BLOCK], file(b"b", b"2")],
            "zeros",
        ),
        Case::refused(
            "pax-without-an-entry",
            &[file(b"a", b"1"), pax1("path", b"g")],
            "after a",
        ),
        Case::refused(
            "long-name-without-an-entry",
            &[file(b"a", b"1"), long(b'L', b"g")],
            "after a",
        ),
        Case::refused(
            "two-long-names",
            &[long(b'L', b"a"), long(b'L', b"b"), file(b"c", b"x")],
            "malformed",
        ),
        Case::refused(
            "two-long-targets",
            &[long(b'K', b"a"), long(b'K', b"b"), file(b"c", b"x")],
            "malformed",
        ),
        Case::refused(
            "two-pax-headers",
            &[pax1("path", b"a"), pax1("path", b"b"), file(b"c", b"x")],
            "malformed",
        ),
        Case::refused(
            "long-name-and-pax-path",
            &[long(b'L', b"a"), pax1("path", b"b"), file(b"c", b"x")],
            "two long names",
        ),
        Case::refused(
            "pax-path-and-long-name",
            &[pax1("path", b"b"), long(b'L', b"a"), file(b"c", b"x")],
            "two long names",
        ),
        Case::refused(
            "long-name-before-pax-before-global",
            &[long(b'L', b"a"), global("comment", b"x"), file(b"c", b"x")],
            "",
        ),
        Case::as_tar(
            "long-target-of-a-file",
            &[long(b'K', b"a"), file(b"c", b"x")],
        ),
        Case::as_tar(
            "long-name-that-is-short",
            &[long(b'L', b"a"), file(b"c", b"x")],
        ),
        Case::as_tar(
            "other-magic",
            &[edited(file(b"f", b"x"), 257, b"uSTAR\0"), file(b"g", b"y")],
        ),
        Case::as_tar(
            "no-magic-with-a-prefix",
            &[edited(
                with_data(header(b"f", b'0', 1, b"", Magic::V7), b"x"),
                345,
                b"prefix",
            )],
        ),
    ]
}

fn numbers() -> Vec<Case> {
    let sized = |bytes: &[u8]| [file(b"a", b"1"), edited(file(b"f", b"x"), 124, bytes)];
    let mut all = Vec::new();
    let wrong: [(&str, &[u8]); 9] = [
        ("negative-in-base-256", &[0xff; 12]),
        (
            "minus-one-in-base-256",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
        ),
        (
            "overflow-in-base-256",
            b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        (
            "almost-all-of-64-bits",
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        ("with-a-sign", b"-0000000001\0"),
        ("in-hexadecimal", b"0x000000001\0"),
        ("with-digits-8-and-9", b"00000000098\0"),
        ("with-letters", b"0000000001x\0"),
        ("with-a-number-after-it", b"0000001 777\0"),
    ];
    for (name, bytes) in wrong {
        all.push(Case::refused(format!("size-{name}"), &sized(bytes), ""));
    }
    let owned = |at, bytes: &[u8]| [edited(file(b"f", b"x"), at, bytes)];
    all.extend([
        Case::refused(
            "owner-4294967295",
            &owned(108, b"\x80\0\0\0\xff\xff\xff\xff"),
            "f: refused",
        ),
        Case::refused(
            "group-4294967295",
            &owned(116, b"\x80\0\0\0\xff\xff\xff\xff"),
            "f: refused",
        ),
        Case::refused(
            "owner-4294967296",
            &owned(108, b"\x80\0\0\x01\0\0\0\0"),
            "f: refused",
        ),
        Case::refused("owner-negative", &owned(108, &[0xff; 8]), ""),
        Case::refused(
            "owner-that-is-no-number",
            &owned(108, b"zzzzzzz\0"),
            "malformed",
        ),
        Case::refused(
            "mode-that-is-no-number",
            &owned(100, b"rwxr-xr-"),
            "malformed",
        ),
        Case::refused(
            "time-that-is-no-number",
            &owned(136, b"yesterday  \0"),
            "malformed",
        ),
        Case::refused(
            "time-of-128-bits",
            &owned(136, b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            "",
        ),
        Case::as_tar(
            "owner-in-base-256",
            &owned(108, b"\x80\0\0\0\xff\xff\xff\xfe"),
        ),
        Case::as_tar(
            "time-before-1970-in-base-256",
            &owned(136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x9c"),
        ),
        Case::as_tar(
            "numbers-with-spaces",
            &[edited(
                edited(file(b"f", b"x"), 100, b"   644 \0"),
                124,
                b"          1 ",
            )],
        ),
        Case::as_tar(
            "size-without-an-end",
            &[edited(file(b"f", b"x"), 124, b"000000000001")],
        ),
        Case::as_tar(
            "size-in-base-256",
            &[edited(
                file(b"f", b"x"),
                124,
                b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
            )],
        ),
    ]);
    all
}

/// What is cut off, and what follows the end.
fn ends() -> Vec<Case> {
    let good = [
        file(b"a", b"1"),
        pax1("comment", [b'c'; 700]),
        file(b"b", &[b'b'; 2000]),
        long(b'L', &[b'n'; 600]),
        file(b"c", b"3"),
    ];
    let whole = good.concat();
    let mut all = Vec::new();
    for (name, at, what) in [
        ("a-header", 100, ""),
        ("data", BLOCK + 1, ""),
        ("padding", BLOCK + 200, "ends in the middle"),
        ("a-pax-header", 2 * BLOCK + 100, "after a"),
        ("pax-records", 3 * BLOCK + 100, "after a"),
        ("the-header-after-pax", 5 * BLOCK + 1, "after a"),
        ("long-data", 6 * BLOCK + 1500, "b"),
        ("a-long-name", 11 * BLOCK + 20, "after b"),
        ("the-header-after-a-long-name", 13 * BLOCK, "after b"),
    ] {
        let cut = whole[..at].to_vec();
        all.push(Case::raw(
            format!("cut-in-{name}"),
            cut,
            Verdict::Refused(what),
        ));
    }
    let one = tar(&[file(b"a", b"1")]);
    all.extend([
        Case::raw(
            "one-block-of-zeros-at-the-end",
            [file(b"a", b"1"), vec![0; BLOCK]].concat(),
            Verdict::Refused("after a"),
        ),
        Case::raw(
            "half-a-block-of-zeros-at-the-end",
            [file(b"a", b"1"), vec![0; 100]].concat(),
            Verdict::Refused("after a"),
        ),
        Case::raw("no-end", file(b"a", b"1"), Verdict::AsTar),
        Case::raw("nothing-but-the-end", end(), Verdict::AsTar),
        Case::raw(
            "garbage-after-the-end",
            [one.clone(), vec![0xa5; 5000]].concat(),
            Verdict::AsTar,
        ),
        Case::raw(
            "two-tars",
            [one.clone(), tar(&[file(b"b", b"2")])].concat(),
            Verdict::AsTar,
        ),
        Case::raw(
            "an-entry-after-the-end",
            [one.clone(), file(b"../evil", b"2")].concat(),
            Verdict::AsTar,
        ),
        Case::raw(
            "zeros-after-the-end",
            [one.clone(), vec![0; 20 << 20]].concat(),
            Verdict::AsTar,
        ),
        Case::raw(
            "folders-alone",
            tar(&[folder(b"a/"), folder(b"a/b/")]),
            Verdict::AsTar,
        ),
        Case::packed(
            "two-archives-after-each-other",
            Packed::zst(
                [
                    Packed::tar(&one).bytes,
                    Packed::tar(&tar(&[file(b"b", b"2")])).bytes,
                ]
                .concat(),
            ),
            Verdict::AsTar,
        ),
    ]);
    let mut resummed = file(b"f", b"x");
    resummed[300] = 0xff;
    sum(&mut resummed);
    all.push(Case::raw(
        "odd-bytes-in-the-padding",
        tar(&[resummed]),
        Verdict::AsTar,
    ));
    all
}
