//! Pax records that lie, and that one reader would read as another does not.

use super::Case;
use crate::unpacking::bytes::{
    BLOCK, Magic, edited, end, file, folder, global, hard, header, long, pax, pax_raw, pax1,
    symlink, tar, with_data,
};

pub(super) fn cases() -> Vec<Case> {
    let mut all = sizes();
    all.extend(malformed());
    all.extend(keywords());
    all.extend(attributes());
    all
}

fn before_a_file(name: &str, records: &[u8], what: &'static str) -> Case {
    Case::refused(name, &[pax_raw(records), file(b"f", b"x")], what)
}

/// Sizes that stand against the header's.
fn sizes() -> Vec<Case> {
    // The tar in the tar is what one of the two sizes would show.
    let hidden = tar(&[file(b"../evil", b"x")]);
    let size = hidden.len().to_string();
    let empty = header(b"f", b'0', 0, b"", Magic::Ustar);
    let real = header(b"f", b'0', hidden.len() as u64, b"", Magic::Ustar);
    vec![
        Case::refused(
            "pax-size-over-none-CVE-2025-62518",
            &[pax1("size", &size), empty.clone(), hidden.clone()],
            "f: refused, it has two sizes",
        ),
        Case::refused(
            "pax-size-under-the-header",
            &[pax1("size", b"0"), with_data(real.clone(), &hidden)],
            "f: refused, it has two sizes",
        ),
        Case::refused(
            "pax-size-of-one-block-CVE-2026-33055",
            &[pax1("size", b"512"), with_data(real, &hidden)],
            "f: refused, it has two sizes",
        ),
        Case::refused(
            "pax-size-twice",
            &[pax(&[("size", b"1"), ("size", b"1")]), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-twice-and-different",
            &[pax(&[("size", b"0"), ("size", b"1")]), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-of-a-folder",
            &[pax1("size", &size), folder(b"d/"), hidden.clone()],
            "d/: refused",
        ),
        Case::refused(
            "pax-size-of-a-link",
            &[pax1("size", &size), symlink(b"l", b"t"), hidden.clone()],
            "l: refused",
        ),
        Case::refused(
            "pax-size-of-a-hard-link",
            &[
                file(b"f", b"x"),
                pax1("size", &size),
                hard(b"h", b"f"),
                hidden.clone(),
            ],
            "h: refused",
        ),
        Case::refused(
            "pax-size-before-a-long-name",
            &[pax1("size", b"1024"), long(b'L', b"name"), file(b"f", b"x")],
            "name: refused, it has two sizes",
        ),
        Case::refused(
            "pax-size-huge",
            &[pax1("size", b"9000000000000"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-of-64-bits",
            &[pax1("size", b"18446744073709551615"), file(b"f", b"x")],
            "refused",
        ),
        Case::refused(
            "pax-size-of-70-bits",
            &[pax1("size", b"1180591620717411303424"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-negative",
            &[pax1("size", b"-1"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-with-a-plus",
            &[pax1("size", b"+1"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-with-a-point",
            &[pax1("size", b"1.0"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-with-a-space",
            &[pax1("size", b" 1"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-in-hexadecimal",
            &[pax1("size", b"0x1"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "pax-size-empty",
            &[pax1("size", b""), file(b"f", b"x")],
            "f: refused",
        ),
        Case::as_tar(
            "pax-size-as-in-the-header",
            &[pax1("size", b"1"), file(b"f", b"x")],
        ),
    ]
}

/// Records that are none.
fn malformed() -> Vec<Case> {
    let mut all: Vec<Case> = [
        ("pax-length-too-short", &b"5 path=evil\n"[..]),
        ("pax-length-too-long", b"99 path=evil\n"),
        ("pax-length-zero", b"0 path=evil\n"),
        ("pax-length-negative", b"-12 path=evil\n"),
        ("pax-length-huge", b"99999999999999999999999 path=evil\n"),
        ("pax-length-with-a-zero-before-it", b"013 path=evil\n"),
        ("pax-length-in-hexadecimal", b"0xd path=evil\n"),
        ("pax-length-missing", b" path=evil\n"),
        ("pax-length-with-two-spaces", b"14  path=evil\n"),
        ("pax-without-a-line-end", b"12 path=evil"),
        ("pax-with-a-nul-for-the-line-end", b"13 path=evil\0"),
        ("pax-without-an-equals-sign", b"13 path evil\n"),
        ("pax-without-a-keyword", b"9 =evil\n"),
        ("pax-that-is-garbage", b"garbage"),
        ("pax-with-garbage-after-a-record", b"13 path=evil\ngarbage"),
        ("pax-with-zeros-after-a-record", b"13 path=evil\n\0\0\0\0"),
        ("pax-keyword-that-is-no-text", b"9 \xff\xfe=x\n\n"),
        ("pax-record-in-a-record", b"26 comment=13 path=evil\n"),
    ]
    .map(|(name, records)| before_a_file(name, records, ""))
    .into();
    all.push(before_a_file(
        "pax-of-more-than-a-megabyte",
        &vec![b'x'; 2 << 20],
        "metadata exceeds",
    ));
    all.push(Case::refused(
        "pax-alone-and-cut-by-the-end",
        &[pax_raw(b"13 path=evil\n")],
        "",
    ));
    all.push(Case::refused(
        "pax-whose-header-size-lies",
        &[
            edited(pax1("path", b"evil"), 124, b"00000000005\0"),
            file(b"f", b"x"),
        ],
        "",
    ));
    all.push(Case::as_tar(
        "pax-without-records",
        &[pax_raw(b""), file(b"f", b"x")],
    ));
    all
}

/// Keywords that are unknown, global, or for somebody else.
fn keywords() -> Vec<Case> {
    let one = |name: &str, key: &str, value: &[u8], what| {
        Case::refused(name, &[pax1(key, value), file(b"f", b"x")], what)
    };
    let many: Vec<Vec<u8>> = (0..40).map(|_| global("comment", b"x")).collect();
    vec![
        one("keyword-unknown", "newsize", b"5", "f: refused"),
        one("keyword-realtime", "realtime.any", b"5", "f: refused"),
        one("keyword-security", "security.any", b"5", "f: refused"),
        one("keyword-of-gnu-unknown", "GNU.future", b"5", "f: refused"),
        one(
            "keyword-of-star-realsize",
            "SCHILY.realsize",
            b"5",
            "f: refused",
        ),
        one(
            "keyword-of-star-offset",
            "SCHILY.offset",
            b"5",
            "f: refused",
        ),
        one(
            "keyword-of-star-filetype",
            "SCHILY.filetype",
            b"sparse",
            "f: refused",
        ),
        one(
            "keyword-of-gnu-volume",
            "GNU.volume.offset",
            b"5",
            "f: refused",
        ),
        one("keyword-in-capitals", "PATH", b"evil", "f: refused"),
        one("owner-by-pax-negative", "uid", b"-1", "f: refused"),
        one(
            "owner-by-pax-4294967296",
            "uid",
            b"4294967296",
            "f: refused",
        ),
        one(
            "group-by-pax-4294967295",
            "gid",
            b"4294967295",
            "f: refused",
        ),
        one("group-by-pax-no-number", "gid", b"root", "f: refused"),
        one("time-by-pax-no-number", "mtime", b"nan", "f: refused"),
        one("time-by-pax-exponent", "mtime", b"1e9", "f: refused"),
        one(
            "time-by-pax-of-70-bits",
            "mtime",
            b"1180591620717411303424",
            "f: refused",
        ),
        one(
            "time-by-pax-with-two-points",
            "mtime",
            b"1.2.3",
            "f: refused",
        ),
        Case::refused(
            "path-twice",
            &[
                pax(&[("path", b"a"), ("path", b"../evil")]),
                file(b"f", b"x"),
            ],
            "refused",
        ),
        Case::refused(
            "target-twice",
            &[
                pax(&[("linkpath", b"a"), ("linkpath", b"b")]),
                symlink(b"l", b"t"),
            ],
            "l: refused",
        ),
        Case::refused(
            "global-path",
            &[global("path", b"../evil"), file(b"f", b"x")],
            "global header",
        ),
        Case::refused(
            "global-size",
            &[global("size", b"1024"), file(b"f", b"x")],
            "global header",
        ),
        Case::refused(
            "global-owner",
            &[global("uid", b"0"), file(b"f", b"x")],
            "global header",
        ),
        Case::refused(
            "global-target",
            &[global("linkpath", b"/etc/passwd"), symlink(b"l", b"t")],
            "global header",
        ),
        Case::refused(
            "global-garbage",
            &[
                with_data(header(b"g", b'g', 7, b"", Magic::Ustar), b"garbage"),
                file(b"f", b"x"),
            ],
            "global header",
        ),
        Case::refused(
            "globals-without-end",
            &[many.concat(), file(b"f", b"x")],
            "too many global",
        ),
        Case::refused(
            "global-between-pax-and-entry",
            &[
                pax1("path", b"g"),
                global("comment", b"x"),
                file(b"f", b"x"),
            ],
            "",
        ),
        Case::as_tar(
            "global-comment-of-git",
            &[
                global("comment", b"0123456789012345678901234567890123456789"),
                file(b"f", b"x"),
            ],
        ),
        Case::as_tar(
            "keywords-of-vendors",
            &[
                pax(&[
                    ("SUN.any", b"x"),
                    ("LIBARCHIVE.creationtime", b"5"),
                    ("RHT.security.selinux", b"x"),
                ]),
                file(b"f", b"x"),
            ],
        ),
        Case::as_tar(
            "keywords-that-change-nothing",
            &[
                pax(&[
                    ("atime", b"5"),
                    ("ctime", b"6.5"),
                    ("uname", b"nobody"),
                    ("gname", b"x"),
                    ("comment", b"c"),
                ]),
                file(b"f", b"x"),
            ],
        ),
        Case::as_tar(
            "time-of-nanoseconds",
            &[pax1("mtime", b"1000000000.123456789"), file(b"f", b"x")],
        ),
        Case::as_tar(
            "time-before-1970",
            &[pax1("mtime", b"-1000.25"), file(b"f", b"x")],
        ),
        Case::as_tar(
            "owner-by-pax",
            &[
                pax(&[("uid", b"4294967294"), ("gid", b"3000000000")]),
                file(b"f", b"x"),
            ],
        ),
        Case::as_tar(
            "target-of-a-file",
            &[pax1("linkpath", b"../evil"), file(b"f", b"x")],
        ),
    ]
}

/// Extended attributes and access lists.
fn attributes() -> Vec<Case> {
    let xattr = |name: &str, value: &[u8]| {
        [
            pax1(&format!("SCHILY.xattr.{name}"), value),
            file(b"f", b"x"),
        ]
    };
    let acl = |text: &str| [pax1("SCHILY.acl.access", text), file(b"f", b"x")];
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let list = "user::rwx,user:root:r--:0,group::r-x,mask::r-x,other::r-x";
    let mut all: Vec<Case> = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "trusted.any",
        "security.selinux",
        "security.ima",
        "security.evm",
        "security.apparmor",
        "system.nfs4_acl",
        "btrfs.compression",
    ]
    .map(|name| {
        let why = "what belongs to a host is left out";
        let tar = tar(&xattr(name, b"x"));
        Case::raw(
            format!("attribute-{name}"),
            tar,
            super::Verdict::Accepted(why),
        )
    })
    .into();
    all.extend([
        Case::refused(
            "attribute-of-64-KiB-and-more",
            &xattr("user.x", &vec![b'x'; (64 << 10) + 1]),
            "extended attribute of f",
        ),
        Case::refused(
            "attribute-with-a-long-name",
            &xattr(&format!("user.{}", "n".repeat(300)), b"x"),
            "extended attribute of f",
        ),
        Case::refused(
            "attribute-twice",
            &[
                pax(&[("SCHILY.xattr.user.x", b"1"), ("SCHILY.xattr.user.x", b"2")]),
                file(b"f", b"x"),
            ],
            "f: refused",
        ),
        Case::refused(
            "attribute-in-two-notations-that-differ",
            &[
                pax(&[
                    ("SCHILY.xattr.user.x", b"1"),
                    ("LIBARCHIVE.xattr.user.x", b"Mg=="),
                ]),
                file(b"f", b"x"),
            ],
            "f: refused",
        ),
        Case::refused(
            "attribute-in-base64-that-is-none",
            &[pax1("LIBARCHIVE.xattr.user.x", b"***"), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "attribute-with-a-name-that-is-no-escape",
            &[pax1("LIBARCHIVE.xattr.user.%zz", b"MQ=="), file(b"f", b"x")],
            "f: refused",
        ),
        Case::refused(
            "capability-that-is-none",
            &xattr("security.capability", b"garbage"),
            "extended attribute of f",
        ),
        Case::refused(
            "raw-acl-that-is-none",
            &xattr("system.posix_acl_access", b"garbage"),
            "extended attribute of f",
        ),
        Case::refused(
            "acl-that-is-none",
            &acl("everything for everyone"),
            "f: refused",
        ),
        Case::refused(
            "acl-without-an-owner",
            &acl("group::r--,other::r--"),
            "f: refused",
        ),
        Case::refused(
            "acl-with-a-name-alone",
            &acl("user::rwx,user:nobody-here:r--,group::r-x,mask::r-x,other::r-x"),
            "f: refused",
        ),
        Case::refused(
            "acl-with-a-number-that-is-none",
            &acl("user::rwx,user:x:r--:-5,group::r-x,mask::r-x,other::r-x"),
            "f: refused",
        ),
        Case::refused(
            "acl-with-an-entry-twice",
            &acl("user::rwx,user::r--,group::r-x,other::r-x"),
            "f: refused",
        ),
        Case::refused(
            "acls-that-differ",
            &[
                pax(&[
                    ("SCHILY.acl.access", list.as_bytes()),
                    ("SCHILY.xattr.system.posix_acl_access", b"\x02\0\0\0"),
                ]),
                file(b"f", b"x"),
            ],
            "f: refused",
        ),
        Case::refused(
            "acl-of-a-link",
            &[pax1("SCHILY.acl.access", list), symlink(b"l", b"t")],
            "extended attribute of l",
        ),
        Case::refused(
            "default-acl-of-a-file",
            &[pax1("SCHILY.acl.default", list), file(b"f", b"x")],
            "extended attribute of f",
        ),
        Case::refused(
            "acl-of-100000-entries",
            &acl(&(0..50_000)
                .map(|n| format!("user:{n}:r--,"))
                .collect::<String>()),
            "f: refused",
        ),
        Case::as_tar(
            "attributes-of-users",
            &xattr("user.any=thing%", b"\0\xff\n"),
        ),
        Case::as_tar("a-capability", &xattr("security.capability", &capability)),
        Case::as_tar("an-acl", &acl(list)),
        Case::as_tar(
            "default-acl-of-a-folder",
            &[
                pax1("SCHILY.acl.default", list),
                folder(b"d/"),
                file(b"d/f", b"x"),
            ],
        ),
    ]);
    let many: Vec<u8> = [vec![0; BLOCK], end()].concat();
    all.push(Case::refused(
        "attributes-and-no-entry",
        &[pax1("SCHILY.xattr.user.x", b"1"), many],
        "",
    ));
    all
}
