//! Links that lead out of the target, and entries that go through them.

use super::Case;
use crate::unpacking::bytes::{
    BLOCK, Magic, device, edited, entry, file, folder, hard, header, long, pax1, symlink, with_data,
};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn cases(outside: &Path) -> Vec<Case> {
    let outside = outside.as_os_str().as_bytes();
    let mut all = through(outside);
    all.extend(replaced(outside));
    all.extend(hard_links(outside));
    all.extend(harmless(outside));
    all
}

/// A link and something behind it.
fn through(outside: &[u8]) -> Vec<Case> {
    let mut all = Vec::new();
    let to: [(&str, &[u8]); 9] = [
        ("outside", outside),
        ("beside", b"../../outside"),
        ("inside", b"inside"),
        ("here", b"."),
        ("up", b".."),
        ("the-root", b"/"),
        ("itself", b"l"),
        ("nowhere", b"absent"),
        ("proc", b"/proc/self/root"),
    ];
    for (name, target) in to {
        let target = [long(b'K', target), symlink(b"l", b"x")].concat();
        for (kind, part) in [
            ("file", file(b"l/evil", b"x")),
            ("folder", folder(b"l/evil/")),
            ("link", symlink(b"l/evil", b"x")),
            ("hard-link", hard(b"l/evil", b"inside/f")),
            ("device", device(b"l/evil", b'3', 1, 3)),
        ] {
            let parts = [
                folder(b"inside/"),
                file(b"inside/f", b"1"),
                target.clone(),
                part,
            ];
            all.push(Case::refused(
                format!("{kind}-through-a-link-to-{name}"),
                &parts,
                "l/evil",
            ));
        }
    }
    let link = [long(b'K', outside), symlink(b"b", b"x")].concat();
    all.extend([
        Case::refused(
            "file-through-a-chain",
            &[link.clone(), symlink(b"a", b"b"), file(b"a/evil", b"x")],
            "a/evil: refused",
        ),
        Case::refused(
            "two-steps-CVE-2025-45582",
            &[
                symlink(b"a", b".."),
                symlink(b"b", b"a/../outside"),
                file(b"b/evil", b"x"),
            ],
            "b/evil: refused",
        ),
        Case::refused(
            "two-steps-over-a-folder",
            &[
                folder(b"x/"),
                symlink(b"x/up", b"../.."),
                symlink(b"y", b"x/up/../outside"),
                file(b"y/evil", b"x"),
            ],
            "y/evil: refused",
        ),
        Case::refused(
            "file-through-a-deep-link",
            &[
                folder(b"a/b/"),
                symlink(b"a/b/c", b"../../../../outside"),
                file(b"a/b/c/evil", b"x"),
            ],
            "a/b/c/evil: refused",
        ),
        Case::refused(
            "link-comes-after-the-file",
            &[
                file(b"l/evil", b"x"),
                [long(b'K', outside), symlink(b"l", b"x")].concat(),
            ],
            "l: refused",
        )
        .in_order(),
        Case::refused(
            "loop-of-two-links",
            &[symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/x", b"x")],
            "a/x: refused",
        ),
    ]);
    all
}

/// Something that takes the place of something else.
fn replaced(outside: &[u8]) -> Vec<Case> {
    let link = |name: &[u8]| [long(b'K', outside), symlink(name, b"x")].concat();
    let secret = [outside, b"/secret"].concat();
    let to_secret = [long(b'K', &secret), symlink(b"f", b"x")].concat();
    let inner = [outside, b"/inner"].concat();
    let to_inner = [long(b'K', &inner), symlink(b"d", b"x")].concat();
    vec![
        Case::refused(
            "folder-replaced-by-a-link",
            &[folder(b"d/"), link(b"d"), file(b"d/evil", b"x")],
            "d: refused",
        )
        .in_order(),
        Case::refused(
            "full-folder-replaced-by-a-link",
            &[
                folder(b"d/"),
                file(b"d/f", b"x"),
                link(b"d"),
                file(b"d/evil", b"x"),
            ],
            "d: refused",
        )
        .in_order(),
        Case::refused(
            "folder-over-a-link",
            &[link(b"d"), folder(b"d/"), file(b"d/evil", b"x")],
            "refused",
        ),
        Case::refused(
            "chmod-through-a-link-RUSTSEC-2026-0067",
            &[to_inner.clone(), edited(folder(b"d/"), 100, b"0000777\0")],
            "d/: refused",
        ),
        Case::refused(
            "chmod-through-a-link-without-slash",
            &[to_inner, edited(folder(b"d"), 100, b"0000777\0")],
            "d: refused",
        ),
        Case::refused(
            "file-over-a-link-to-a-file",
            &[to_secret.clone(), file(b"f", b"overwritten")],
            "f: refused",
        ),
        Case::refused(
            "device-over-a-link-to-a-file",
            &[to_secret.clone(), device(b"f", b'3', 1, 3)],
            "f: refused",
        ),
        Case::refused(
            "file-over-a-hard-link-to-a-link",
            &[
                to_secret.clone(),
                hard(b"h", b"f"),
                file(b"h", b"overwritten"),
            ],
            "h: refused",
        )
        .in_order(),
        Case::refused(
            "fifo-over-a-link",
            &[to_secret, entry(b"f", b'6', b"")],
            "f: refused",
        ),
        Case::as_tar(
            "of-two-links-the-later-counts",
            &[symlink(b"l", b"a"), link(b"l")],
        )
        .in_order(),
    ]
}

fn hard_links(outside: &[u8]) -> Vec<Case> {
    let secret = [outside, b"/secret"].concat();
    let link = |name: &[u8]| [long(b'K', outside), symlink(name, b"x")].concat();
    let setuid = edited(file(b"program", b"x"), 100, b"0004755\0");
    vec![
        Case::refused(
            "hard-link-to-beside",
            &[hard(b"h", b"../../outside/secret")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-to-an-absolute-path",
            &[long(b'K', &secret), hard(b"h", b"x")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-to-etc-shadow",
            &[hard(b"h", b"/etc/shadow")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-through-a-link",
            &[link(b"l"), hard(b"h", b"l/secret")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-through-a-chain-CVE-2026-26960",
            &[
                link(b"b"),
                symlink(b"a", b"b"),
                hard(b"h", b"a/secret"),
                file(b"h", b"overwritten"),
            ],
            "h: refused",
        ),
        Case::refused(
            "hard-link-through-dot-dot",
            &[folder(b"a/"), hard(b"h", b"a/../../../outside/secret")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-to-a-folder",
            &[folder(b"d/"), hard(b"h", b"d")],
            "h",
        ),
        Case::refused("hard-link-to-the-root", &[hard(b"h", b".")], "h: refused"),
        Case::refused(
            "hard-link-to-itself-alone",
            &[hard(b"h", b"h")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-to-nothing",
            &[hard(b"h", b"absent")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-without-a-target",
            &[hard(b"h", b"")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-to-a-later-file",
            &[hard(b"h", b"f"), file(b"f", b"x")],
            "h: refused",
        )
        .in_order(),
        Case::refused(
            "hard-link-over-a-file",
            &[file(b"f", b"1"), file(b"h", b"2"), hard(b"h", b"f")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-over-a-folder",
            &[file(b"f", b"1"), folder(b"h/"), hard(b"h", b"f")],
            "h: refused",
        ),
        Case::refused(
            "hard-link-with-data",
            &[
                file(b"f", b"1"),
                with_data(header(b"h", b'1', 9, b"f", Magic::Ustar), b"123456789"),
            ],
            "h: refused",
        ),
        Case::refused(
            "hard-link-by-pax-to-outside",
            &[
                pax1("linkpath", &secret),
                hard(b"h", b"f"),
                file(b"f", b"x"),
            ],
            "h: refused",
        ),
        Case::refused(
            "hard-link-in-a-circle",
            &[hard(b"a", b"b"), hard(b"b", b"a")],
            "refused",
        ),
        Case::as_tar(
            "hard-link-to-a-link-itself",
            &[link(b"l"), hard(b"h", b"l")],
        ),
        Case::as_tar(
            "hard-link-to-a-device",
            &[device(b"null", b'3', 1, 3), hard(b"h", b"null")],
        ),
        Case::as_tar(
            "hard-link-to-a-fifo",
            &[entry(b"p", b'6', b""), hard(b"h", b"p")],
        ),
        Case::as_tar(
            "hard-links-in-a-chain",
            &[
                file(b"f", b"x"),
                hard(b"a", b"f"),
                hard(b"b", b"a"),
                hard(b"c", b"b"),
            ],
        ),
        Case::as_tar(
            "hard-link-to-itself-that-is-there",
            &[file(b"f", b"x"), hard(b"f", b"f")],
        ),
        Case::as_tar(
            "setuid-program-with-two-names",
            &[setuid.clone(), hard(b"h", b"program")],
        ),
        Case::as_tar(
            "file-over-one-of-two-names",
            &[setuid, hard(b"h", b"program"), file(b"h", b"new")],
        )
        .in_order(),
    ]
}

/// Links that are nobody's way out: they are made as they are.
fn harmless(outside: &[u8]) -> Vec<Case> {
    let long_target = |length| [long(b'K', &vec![b't'; length]), symlink(b"l", b"x")].concat();
    vec![
        Case::as_tar(
            "links-to-outside-that-nothing-follows",
            &[
                [long(b'K', outside), symlink(b"a", b"x")].concat(),
                symlink(b"b", b"../../outside/secret"),
                edited(symlink(b"c", b"/etc/passwd"), 100, b"0000777\0"),
                symlink(b"d", b"/"),
            ],
        ),
        Case::as_tar(
            "owner-of-a-link-to-outside",
            &[edited(
                [long(b'K', outside), symlink(b"l", b"x")].concat(),
                108,
                b"0001750\0",
            )],
        ),
        Case::as_tar("link-with-a-target-of-4095-bytes", &[long_target(4095)]),
        Case::refused(
            "link-with-a-target-of-4096-bytes",
            &[long_target(4096)],
            "l: refused",
        ),
        Case::refused("link-without-a-target", &[symlink(b"l", b"")], "l: refused"),
        Case::refused(
            "link-with-a-nul",
            &[pax1("linkpath", b"a\0b"), symlink(b"l", b"x")],
            "l: refused",
        ),
        Case::refused(
            "link-with-data",
            &[with_data(
                header(b"l", b'2', 600, b"t", Magic::Ustar),
                &[b'x'; 2 * BLOCK],
            )],
            "l: refused",
        ),
        Case::refused(
            "user-attribute-of-a-link",
            &[pax1("SCHILY.xattr.user.x", b"1"), symlink(b"l", b"x")],
            "extended attribute of l",
        ),
    ]
}
