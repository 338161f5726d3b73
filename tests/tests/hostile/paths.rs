//! Names that lead out of the target, or that no file system has.

use super::Case;
use crate::unpacking::bytes::{edited, file, folder, long, pax1, symlink};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn cases(outside: &Path) -> Vec<Case> {
    let mut all = Vec::new();
    let outside = outside.as_os_str().as_bytes();
    let absolute = [outside, b"/evil"].concat();
    let climbing: [(&str, &[u8], &'static str); 18] = [
        ("dot-dot", b"../evil", "../evil: refused"),
        (
            "dot-dot-twice",
            b"../../outside/evil",
            "../../outside/evil: refused",
        ),
        (
            "dot-dot-in-the-middle",
            b"a/../../evil",
            "a/../../evil: refused",
        ),
        ("dot-dot-that-stays-inside", b"a/../b", "a/../b: refused"),
        ("dot-slash-dot-dot", b"./../evil", "./../evil: refused"),
        ("dot-dot-at-the-end", b"a/..", "a/..: refused"),
        ("dot-dot-alone", b"..", "..: refused"),
        ("dot-dot-slash", b"../", "../: refused"),
        ("dot-slash-dot-dot-alone", b"./..", "./..: refused"),
        (
            "dot-dot-deep",
            b"a/b/c/../../../../evil",
            "a/b/c/../../../../evil: refused",
        ),
        (
            "dot-dot-doubled-slash",
            b"a//..//..//evil",
            "a//..//..//evil: refused",
        ),
        (
            "dot-dot-after-dots",
            b".././././evil",
            ".././././evil: refused",
        ),
        ("slash-dot-dot", b"/../evil", "/../evil: refused"),
        (
            "absolute",
            b"/tmp/hostile-evil",
            "/tmp/hostile-evil: refused",
        ),
        (
            "absolute-doubled",
            b"//tmp/hostile-evil",
            "//tmp/hostile-evil: refused",
        ),
        ("the-root-of-the-host", b"/", "/: refused"),
        (
            "absolute-dot",
            b"/./tmp/hostile-evil",
            "/./tmp/hostile-evil: refused",
        ),
        (
            "absolute-device",
            b"/dev/shm/hostile-evil",
            "/dev/shm/hostile-evil: refused",
        ),
    ];
    for (name, path, what) in climbing {
        for (kind, part) in [
            ("file", file(path, b"x")),
            ("folder", folder(path)),
            ("link", symlink(path, b"x")),
        ] {
            // A file whose name ends in a slash is another matter.
            if kind == "file" && path.ends_with(b"/") {
                continue;
            }
            all.push(Case::refused(format!("{name}-{kind}"), &[part], what));
        }
    }
    all.extend([
        Case::refused(
            "absolute-into-a-folder-beside",
            &[long(b'L', &absolute), file(b"x", b"x")],
            "evil: refused",
        ),
        Case::refused(
            "dot-dot-by-pax",
            &[pax1("path", b"../evil"), file(b"ok", b"x")],
            "../evil: refused",
        ),
        Case::refused(
            "absolute-by-pax",
            &[pax1("path", &absolute), file(b"ok", b"x")],
            "evil: refused",
        ),
        Case::refused(
            "dot-dot-by-long-name",
            &[long(b'L', b"../evil"), file(b"ok", b"x")],
            "../evil: refused",
        ),
        Case::refused(
            "dot-dot-by-prefix",
            &[edited(file(b"evil", b"x"), 345, b"..")],
            "../evil: refused",
        ),
        Case::refused(
            "absolute-by-prefix",
            &[edited(file(b"hostile-evil", b"x"), 345, b"/tmp")],
            "/tmp/hostile-evil: refused",
        ),
        Case::refused(
            "dot-dot-in-prefix",
            &[edited(file(b"evil", b"x"), 345, b"a/../..")],
            "a/../../evil: refused",
        ),
        Case::refused(
            "dot-dot-split-over-prefix-and-name",
            &[edited(file(b"../evil", b"x"), 345, b"a/..")],
            "a/../../evil: refused",
        ),
        Case::refused(
            "nul-in-pax-path",
            &[pax1("path", b"a\0b"), file(b"ok", b"x")],
            "refused",
        ),
        Case::refused(
            "nul-in-long-name",
            &[long(b'L', b"a\0../evil"), file(b"ok", b"x")],
            "refused",
        ),
        Case::refused("no-name", &[file(b"", b"x")], "empty path"),
        Case::refused(
            "no-name-by-pax",
            &[pax1("path", b""), file(b"ok", b"x")],
            "empty path",
        ),
        Case::refused(
            "no-name-by-long-name",
            &[long(b'L', b""), file(b"ok", b"x")],
            "empty path",
        ),
        Case::refused("the-root-as-a-file", &[file(b".", b"x")], ".: refused"),
        Case::refused(
            "the-root-as-a-link",
            &[symlink(b"./", outside)],
            "./: refused",
        ),
        Case::refused(
            "a-name-of-256-bytes",
            &[long(b'L', &[b'n'; 256]), file(b"x", b"x")],
            "nnn: refused, the path has a name longer than 255 bytes",
        ),
        Case::refused(
            "a-path-of-4097-bytes",
            &[long(b'L', &b"d/".repeat(2049)), folder(b"x")],
            "refused, the path is longer",
        ),
        Case::refused(
            "a-file-in-a-file",
            &[file(b"a", b"x"), file(b"a/b", b"x")],
            "a/b: refused",
        )
        .in_order(),
        Case::refused("a-file-with-a-slash", &[file(b"f/", b"x")], "f/: refused"),
        Case::as_tar(
            "a-name-of-255-bytes",
            &[long(b'L', &[b'n'; 255]), file(b"x", b"x")],
        ),
        Case::as_tar(
            "two-thousand-levels",
            &[
                long(b'L', &[&b"d/".repeat(2000)[..], b"f"].concat()),
                file(b"x", b"x"),
            ],
        ),
        Case::as_tar("the-root-as-dot", &[folder(b"."), file(b"f", b"x")]),
        Case::as_tar(
            "the-root-as-dot-slash",
            &[folder(b"./"), file(b"./f", b"x")],
        ),
        Case::as_tar("three-dots", &[file(b".../x", b"x"), file(b"....", b"y")]),
        Case::as_tar(
            "dots-before-and-after",
            &[file(b"..x", b"x"), file(b"x..", b"y"), file(b".. ", b"z")],
        ),
        Case::as_tar(
            "backslashes",
            &[file(b"..\\..\\evil", b"x"), file(b"C:\\evil", b"x")],
        ),
        Case::as_tar(
            "escapes-of-urls",
            &[file(b"%2e%2e/evil", b"x"), file(b"..%2fevil", b"x")],
        ),
        Case::as_tar(
            "overlong-utf-8",
            &[
                file(b"\xc0\xae\xc0\xae/evil", b"x"),
                file(b"..\xc0\xafevil", b"x"),
            ],
        ),
        Case::as_tar(
            "slashes-of-unicode",
            &[
                file("..\u{2215}evil".as_bytes(), b"x"),
                file("\u{ff0e}\u{ff0e}/evil".as_bytes(), b"x"),
            ],
        ),
        Case::as_tar(
            "doubled-slashes-and-dots",
            &[file(b"a//b", b"x"), file(b"a/./c", b"y")],
        ),
        Case::as_tar(
            "line-ends-and-control-characters",
            &[file(b"a\nb\x1b[31m\x07\r", b"x"), folder(b"\n/")],
        ),
        Case::as_tar(
            "names-that-are-no-text",
            &[file(b"\xff\xfe\x80", b"x"), folder(b"\xf0\x9f/")],
        ),
        Case::as_tar(
            "case-alone-differs",
            &[folder(b"Etc/"), symlink(b"etc", b"Etc"), file(b"ETC", b"x")],
        ),
        Case::as_tar(
            "unicode-composition-alone-differs",
            &[
                file("caf\u{e9}".as_bytes(), b"1"),
                file("cafe\u{301}".as_bytes(), b"2"),
            ],
        ),
        Case::as_tar(
            "a-home-and-options",
            &[
                file(b"~/x", b"x"),
                file(b"-rf", b"x"),
                file(b"--checkpoint-action=exec=sh", b"x"),
            ],
        ),
        Case::as_tar(
            "white-space",
            &[file(b" ", b"x"), file(b"\t/ ", b"x"), file(b"a ", b"x")],
        ),
    ]);
    all
}
