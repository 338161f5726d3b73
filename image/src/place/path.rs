//! Entry paths as archives write them, made into plain relative ones.

use super::{PlaceError, Resolve};
use crate::path::PATH_MAX;
use std::borrow::Cow;

/// Longest single name, in bytes (the kernel's `NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// The path without leading `./`, trailing `/`, doubled `/` and `.` parts;
/// empty for the root itself. In [`Resolve::InRoot`] a leading `/` is dropped
/// too.
///
/// # Errors
/// `..`, NUL, a name over [`NAME_MAX`] or a path over [`PATH_MAX`] bytes, and
/// in [`Resolve::Beneath`] an absolute path.
pub fn clean(path: &[u8], resolve: Resolve) -> Result<Cow<'_, [u8]>, PlaceError> {
    let bad = |what| PlaceError::BadPath {
        path: path.to_vec(),
        what,
    };
    if path.first() == Some(&b'/') && resolve == Resolve::Beneath {
        return Err(bad("is absolute"));
    }
    if path.contains(&0) {
        return Err(bad("contains a NUL"));
    }
    let mut rest = path;
    while let Some(tail) = rest.strip_prefix(b"./").or_else(|| rest.strip_prefix(b"/")) {
        rest = tail;
    }
    while let Some(head) = rest.strip_suffix(b"/") {
        rest = head;
    }
    if rest.len() > PATH_MAX {
        return Err(bad("is longer than 4095 bytes"));
    }
    let mut plain = true;
    for part in rest.split(|&b| b == b'/') {
        match part {
            b".." => return Err(bad("contains '..'")),
            b"" | b"." => plain = false,
            _ if part.len() > NAME_MAX => return Err(bad("has a name longer than 255 bytes")),
            _ => {}
        }
    }
    if plain || rest.is_empty() {
        return Ok(Cow::Borrowed(rest));
    }
    let parts: Vec<_> = rest
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    Ok(Cow::Owned(parts.join(&b'/')))
}

/// A clean path's parent (empty: the root) and last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_plain() {
        for (from, to) in [
            (&b"./usr/bin/"[..], &b"usr/bin"[..]),
            (b"./", b""),
            (b".", b""),
            (b"", b""),
            (b"a//b/./c", b"a/b/c"),
            (b"././a", b"a"),
            (b"a/.", b"a"),
            (b"...", b"..."),
            (b"\xff/..x", b"\xff/..x"),
        ] {
            assert_eq!(clean(from, Resolve::Beneath).unwrap(), to, "{from:?}");
        }
        assert_eq!(clean(b"/etc/x", Resolve::InRoot).unwrap(), &b"etc/x"[..]);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let long = [b'x'; 256];
        let deep = b"x/".repeat(2049);
        for bad in [
            &b".."[..],
            b"../x",
            b"a/../b",
            b"a/..",
            b"./..",
            b"a\0b",
            &long,
            &deep,
        ] {
            for resolve in [Resolve::Beneath, Resolve::InRoot] {
                assert!(clean(bad, resolve).is_err(), "{:?}", &bad[..2]);
            }
        }
        assert!(clean(b"/etc/passwd", Resolve::Beneath).is_err());
    }
}
