//! Maps of holes that lie, in all formats that GNU tar has had.

use super::Case;
use crate::unpacking::bytes::{
    BLOCK, Magic, edited, entry, file, folder, header, pax, pax_raw, record, symlink, with_data,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = format_1_0();
    all.extend(format_0_1());
    all.extend(format_0_0());
    all.extend(old_gnu());
    all
}

/// A file of format 1.0 with this map and so much data.
fn mapped(map: &str, real: &str, data: usize) -> Vec<u8> {
    let mut bytes = map.as_bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes.extend(std::iter::repeat_n(b'd', data));
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", real.as_bytes()),
    ];
    [pax(&records), entry(b"GNUSparseFile.0/s", b'0', &bytes)].concat()
}

fn format_1_0() -> Vec<Case> {
    let one = |name: &str, map: &str, real: &str, data, what| {
        Case::refused(format!("1.0-{name}"), &[mapped(map, real, data)], what)
    };
    let many: String = (0..1_000_000).map(|n| format!("{}\n1\n", 2 * n)).collect();
    let version = |major: &[u8], minor: &[u8]| {
        let records = [
            ("GNU.sparse.major", major),
            ("GNU.sparse.minor", minor),
            ("GNU.sparse.realsize", b"1"),
        ];
        [pax(&records), file(b"s", b"x")]
    };
    vec![
        one(
            "parts-that-overlap",
            "2\n0\n512\n256\n512\n",
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "parts-out-of-order",
            "2\n1024\n512\n0\n512\n",
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "part-beyond-the-size",
            "1\n4096\n512\n",
            "4096",
            512,
            "s: refused",
        ),
        one(
            "part-that-overflows",
            "1\n18446744073709551615\n512\n",
            "4096",
            512,
            "s: refused",
        ),
        one("offset-negative", "1\n-512\n512\n", "4096", 512, ""),
        one("length-negative", "1\n0\n-512\n", "4096", 512, ""),
        one(
            "offset-of-70-bits",
            "1\n1180591620717411303424\n512\n",
            "4096",
            512,
            "",
        ),
        one(
            "more-data-than-parts",
            "1\n0\n512\n",
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "less-data-than-parts",
            "1\n0\n1024\n",
            "4096",
            512,
            "s: refused",
        ),
        one(
            "size-smaller-than-parts",
            "1\n0\n1024\n",
            "512",
            1024,
            "s: refused",
        ),
        one(
            "size-of-an-exabyte",
            "1\n0\n512\n",
            "1152921504606846976",
            512,
            "s: refused",
        ),
        one(
            "size-of-64-bits",
            "1\n0\n512\n",
            "18446744073709551615",
            512,
            "s: refused",
        ),
        one("size-negative", "1\n0\n512\n", "-4096", 512, ""),
        one("count-too-large", "5\n0\n512\n", "4096", 512, ""),
        one(
            "count-too-small",
            "1\n0\n512\n1024\n512\n",
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "count-of-a-million",
            &format!("1000000\n{many}"),
            "2000000",
            1_000_000,
            "too many",
        ),
        one(
            "count-of-64-bits",
            "18446744073709551615\n0\n512\n",
            "4096",
            512,
            "",
        ),
        one("count-negative", "-1\n", "4096", 0, ""),
        one("count-that-is-none", "many\n", "4096", 0, ""),
        one("map-without-line-ends", &"1".repeat(2000), "4096", 0, ""),
        one("map-with-spaces", "1\n 0\n512\n", "4096", 512, ""),
        one("map-empty", "", "4096", 0, ""),
        Case::refused(
            "1.0-size-twice",
            &[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"4096"),
                    ("GNU.sparse.size", b"8192"),
                ]),
                entry(b"s", b'0', &[b'0'; 512]),
            ],
            "",
        ),
        Case::refused(
            "1.0-without-a-size",
            &[
                pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]),
                entry(b"s", b'0', &[b'\n'; 512]),
            ],
            "",
        ),
        Case::refused(
            "1.0-with-a-pax-size",
            &[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"1"),
                    ("size", b"1024"),
                ]),
                with_data(
                    header(b"s", b'0', 1024, b"", Magic::Ustar),
                    &[&b"1\n0\n512\n"[..], &[0; 1015]].concat(),
                ),
            ],
            "two sizes",
        ),
        Case::refused(
            "1.0-of-a-folder",
            &[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"512"),
                ]),
                entry(b"d/", b'5', &[&b"1\n0\n512\n"[..], &[b'x'; 1015]].concat()),
            ],
            "d/: refused",
        ),
        Case::refused(
            "1.0-of-a-link",
            &[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"512"),
                ]),
                symlink(b"l", b"t"),
                file(b"f", b"0\n"),
            ],
            "",
        ),
        Case::refused(
            "1.0-name-that-leads-outside",
            &[
                pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"1"),
                    ("GNU.sparse.name", b"../evil"),
                ]),
                entry(b"s", b'0', &[&b"1\n0\n1\n"[..], &[0; 505], b"x"].concat()),
            ],
            "../evil: refused",
        ),
        Case::refused("version-2.0", &version(b"2", b"0"), "s: refused"),
        Case::refused("version-1.7", &version(b"1", b"7"), "s: refused"),
        Case::refused(
            "version-without-minor",
            &[
                pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"1")]),
                file(b"s", b"x"),
            ],
            "s: refused",
        ),
        Case::as_tar(
            "1.0-as-it-should-be",
            &[mapped(
                "3\n4096\n512\n65536\n700\n200000\n0\n",
                "200000",
                1212,
            )],
        ),
        Case::as_tar("1.0-all-hole", &[mapped("1\n100000\n0\n", "100000", 0)]),
    ]
}

fn format_0_1() -> Vec<Case> {
    let one = |name: &str, records: &[(&str, &[u8])], data: usize, what| {
        let parts = [pax(records), entry(b"s", b'0', &vec![b'd'; data])];
        Case::refused(format!("0.1-{name}"), &parts, what)
    };
    let map = |map: &'static [u8], size: &'static [u8]| -> [(&'static str, &'static [u8]); 3] {
        [
            ("GNU.sparse.size", size),
            ("GNU.sparse.numblocks", b"1"),
            ("GNU.sparse.map", map),
        ]
    };
    let many = vec![b'1'; 30_000]
        .iter()
        .map(|_| "1,1")
        .collect::<Vec<_>>()
        .join(",");
    vec![
        one("odd-count", &map(b"0,512,1024", b"4096"), 512, "odd number"),
        one("no-numbers", &map(b"a,b", b"4096"), 512, ""),
        one("negative", &map(b"0,-512", b"4096"), 512, ""),
        one(
            "doubled-commas",
            &map(b"0,,512", b"4096"),
            512,
            "s: refused",
        ),
        one(
            "overlap",
            &map(b"0,512,256,512", b"4096"),
            1024,
            "s: refused",
        ),
        one(
            "beyond-the-size",
            &map(b"4000,512", b"4096"),
            512,
            "s: refused",
        ),
        one("more-data", &map(b"0,512", b"4096"), 1024, "s: refused"),
        one("less-data", &map(b"0,1024", b"4096"), 512, "s: refused"),
        one(
            "without-a-size",
            &[("GNU.sparse.map", b"0,512")],
            512,
            "s: refused",
        ),
        one(
            "without-a-map",
            &[("GNU.sparse.size", b"4096"), ("GNU.sparse.numblocks", b"1")],
            512,
            "s: refused",
        ),
        one(
            "too-many-parts",
            &[
                ("GNU.sparse.size", b"4096"),
                ("GNU.sparse.map", many.as_bytes()),
            ],
            512,
            "too many",
        ),
        one(
            "two-formats",
            &[
                ("GNU.sparse.size", b"4096"),
                ("GNU.sparse.offset", b"0"),
                ("GNU.sparse.numbytes", b"512"),
                ("GNU.sparse.map", b"0,512"),
            ],
            512,
            "s: refused",
        ),
        Case::as_tar(
            "0.1-as-it-should-be",
            &[
                pax(&[
                    ("GNU.sparse.size", b"100000"),
                    ("GNU.sparse.numblocks", b"2"),
                    ("GNU.sparse.name", b"s"),
                    ("GNU.sparse.map", b"4096,512,100000,0"),
                ]),
                entry(b"GNUSparseFile.0/s", b'0', &[b'd'; 512]),
            ],
        ),
    ]
}

fn format_0_0() -> Vec<Case> {
    let one = |name: &str, records: &[(&str, &str)], data: usize| {
        let records: Vec<u8> = records
            .iter()
            .flat_map(|(k, v)| record(&format!("GNU.sparse.{k}"), v.as_bytes()))
            .collect();
        let parts = [pax_raw(&records), entry(b"s", b'0', &vec![b'd'; data])];
        (format!("0.0-{name}"), parts)
    };
    let mut all: Vec<Case> = [
        one(
            "length-missing",
            &[("size", "4096"), ("numblocks", "1"), ("offset", "0")],
            512,
        ),
        one(
            "offset-missing",
            &[("size", "4096"), ("numblocks", "1"), ("numbytes", "512")],
            512,
        ),
        one(
            "two-offsets",
            &[
                ("size", "4096"),
                ("numblocks", "1"),
                ("offset", "0"),
                ("offset", "512"),
                ("numbytes", "512"),
            ],
            512,
        ),
        one(
            "count-too-large",
            &[
                ("size", "4096"),
                ("numblocks", "2"),
                ("offset", "0"),
                ("numbytes", "512"),
            ],
            512,
        ),
        one(
            "count-too-small",
            &[
                ("size", "4096"),
                ("numblocks", "1"),
                ("offset", "0"),
                ("numbytes", "256"),
                ("offset", "512"),
                ("numbytes", "256"),
            ],
            512,
        ),
        one(
            "count-of-64-bits",
            &[
                ("size", "4096"),
                ("numblocks", "18446744073709551615"),
                ("offset", "0"),
                ("numbytes", "512"),
            ],
            512,
        ),
        one(
            "overlap",
            &[
                ("size", "4096"),
                ("numblocks", "2"),
                ("offset", "0"),
                ("numbytes", "512"),
                ("offset", "100"),
                ("numbytes", "512"),
            ],
            1024,
        ),
        one(
            "beyond-the-size",
            &[
                ("size", "100"),
                ("numblocks", "1"),
                ("offset", "0"),
                ("numbytes", "512"),
            ],
            512,
        ),
        one("unknown-record", &[("size", "512"), ("future", "1")], 512),
    ]
    .into_iter()
    .map(|(name, parts)| Case::refused(name, &parts, "s: refused"))
    .collect();
    let (name, parts) = one(
        "as-it-should-be",
        &[
            ("size", "100000"),
            ("numblocks", "2"),
            ("offset", "4096"),
            ("numbytes", "512"),
            ("offset", "99000"),
            ("numbytes", "1000"),
        ],
        1512,
    );
    all.push(Case::as_tar(name, &parts));
    all
}

/// The header of the old format with up to four parts and the real size.
fn old(parts: &[(&str, &str)], real: &str, stored: usize, extended: bool) -> Vec<u8> {
    let mut block = header(b"s", b'S', stored as u64, b"", Magic::Gnu);
    for (index, (offset, length)) in parts.iter().enumerate() {
        block = edited(block, 386 + 24 * index, &number(offset));
        block = edited(block, 398 + 24 * index, &number(length));
    }
    block = edited(block, 482, &[u8::from(extended)]);
    edited(block, 483, &number(real))
}

fn number(text: &str) -> Vec<u8> {
    match text.parse::<u64>() {
        Ok(number) => format!("{number:011o}\0").into_bytes(),
        Err(_) => text.as_bytes().to_vec(),
    }
}

fn old_gnu() -> Vec<Case> {
    let one = |name: &str, parts: &[(&str, &str)], real, data: usize, what| {
        let entry = with_data(old(parts, real, data, false), &vec![b'd'; data]);
        Case::refused(format!("old-{name}"), &[entry], what)
    };
    // Blocks of 21 parts each, each of which says that another follows.
    let chain = |blocks: usize, last: u8| {
        let mut bytes = old(&[("0", "0")], "4096", 0, true);
        for index in 0..blocks {
            let mut block = vec![0; BLOCK];
            for part in 0..21 {
                block[24 * part..24 * part + 11].copy_from_slice(b"00000000001");
                block[24 * part + 12..24 * part + 23].copy_from_slice(b"00000000001");
            }
            block[504] = if index + 1 == blocks { last } else { 1 };
            bytes.extend(block);
        }
        bytes
    };
    let ustar = edited(entry(b"s", b'S', b""), 0, b"s");
    vec![
        one(
            "overlap",
            &[("0", "512"), ("256", "512")],
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "out-of-order",
            &[("1024", "512"), ("0", "512")],
            "4096",
            1024,
            "s: refused",
        ),
        one(
            "beyond-the-size",
            &[("4096", "512")],
            "4096",
            512,
            "s: refused",
        ),
        one("more-data", &[("0", "512")], "4096", 1024, "s: refused"),
        one("less-data", &[("0", "1024")], "4096", 512, "s: refused"),
        one(
            "offset-that-is-none",
            &[("zzzzzzzzzzzz", "512")],
            "4096",
            512,
            "",
        ),
        one(
            "size-smaller-than-parts",
            &[("0", "512")],
            "100",
            512,
            "s: refused",
        ),
        one(
            "size-that-is-none",
            &[("0", "512")],
            "zzzzzzzzzzzz",
            512,
            "",
        ),
        Case::refused(
            "old-size-of-base-256",
            &[with_data(
                edited(
                    old(&[("0", "512")], "0", 512, false),
                    483,
                    b"\x80\0\0\0\x10\0\0\0\0\0\0\0",
                ),
                &[1; 512],
            )],
            "s: refused",
        ),
        Case::refused("old-more-blocks-that-never-end", &[chain(1000, 1)], ""),
        Case::refused("old-more-blocks-cut-off", &[chain(1, 1)], ""),
        Case::refused("old-more-blocks-that-lie", &[chain(2, 0)], "s: refused"),
        Case::refused("old-in-another-format", &[ustar], ""),
        Case::refused(
            "old-of-a-folder",
            &[
                folder(b"s/"),
                with_data(old(&[("0", "512")], "4096", 512, false), &[1; 512]),
            ],
            "s: refused",
        ),
        Case::as_tar(
            "old-as-it-should-be",
            &[with_data(
                old(
                    &[("4096", "512"), ("99000", "1000"), ("100000", "0")],
                    "100000",
                    1512,
                    false,
                ),
                &[b'd'; 1512],
            )],
        ),
    ]
}
