//! `.MTREE`: the list of a package's files, as libarchive writes it.
//!
//! Only paths, and which of them are directories, are taken from it: they are
//! what pacman's database lists. Read is what makepkg writes: a path a line,
//! each from the top (`./usr/bin`), with `/set` lines between; names are
//! escaped as vis(3) does it.

use flate2::read::MultiGzDecoder;
use std::io::{self, Read};

/// Longest compressed `.MTREE` that is read, in bytes. A package of 100,000
/// files has 8 MB.
pub(super) const COMPRESSED_MAX: u64 = 64 << 20;

/// Longest decompressed one, in bytes.
const TEXT_MAX: u64 = 128 << 20;

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The paths, directories with a final `/`, sorted by their bytes; without
/// the package's own metadata.
///
/// # Errors
/// It cannot be decompressed, or has a line that makepkg would not write.
pub(super) fn paths(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut text = Vec::new();
    if bytes.starts_with(&GZIP) {
        let limited = MultiGzDecoder::new(bytes).take(TEXT_MAX + 1);
        io::BufReader::new(limited).read_to_end(&mut text)?;
    } else {
        text.extend_from_slice(bytes);
    }
    if text.len() as u64 > TEXT_MAX {
        return Err(io::Error::other("its .MTREE is too long"));
    }
    let mut paths = Vec::new();
    let mut default = Type::File;
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
        let name = words.next().unwrap_or_default();
        let kind = words.rev().find_map(Type::of);
        match name {
            b"/set" => default = kind.unwrap_or(default),
            b"/unset" => {}
            name => {
                let mut path = path(name)?;
                if path.is_empty() || path.starts_with(b".") {
                    continue;
                }
                if kind.unwrap_or(default) == Type::Directory {
                    path.push(b'/');
                }
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Directory,
    File,
}

impl Type {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word.strip_prefix(b"type=")? {
            b"dir" => Self::Directory,
            _ => Self::File,
        })
    }
}

fn path(name: &[u8]) -> io::Result<Vec<u8>> {
    let rest = match name {
        b"." => b"".as_slice(),
        _ => name
            .strip_prefix(b"./")
            .ok_or_else(|| io::Error::other("its .MTREE has a path that does not begin with ./"))?,
    };
    let path = unescaped(rest);
    let path = path.filter(|path| path.is_empty() || super::is_plain(path));
    path.ok_or_else(|| io::Error::other("its .MTREE has a malformed path"))
}

/// Undoes vis(3): `\` and three octal digits, or a letter.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        if *first != b'\\' {
            out.push(*first);
            rest = tail;
            continue;
        }
        let (byte, used) = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), 3)
            }
            [b'\\', ..] => (b'\\', 1),
            [b'a', ..] => (7, 1),
            [b'b', ..] => (8, 1),
            [b't', ..] => (9, 1),
            [b'n', ..] => (10, 1),
            [b'v', ..] => (11, 1),
            [b'f', ..] => (12, 1),
            [b'r', ..] => (13, 1),
            [b's', ..] => (32, 1),
            [b'#', ..] => (b'#', 1),
            _ => return None,
        };
        out.push(byte);
        rest = &tail[used..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_sorted() {
        let text = b"#mtree\n/set type=file uid=0 gid=0 mode=644\n./.PKGINFO time=1.0 size=3\n\
            ./usr time=1.0 mode=755 type=dir\n./usr/b\\040c time=1.0 size=1\n\
            /set type=dir\n./usr-x\n./usr/a time=1.0 type=link link=b\n";
        let expected: Vec<&[u8]> = vec![b"usr-x/", b"usr/", b"usr/a", b"usr/b c"];
        assert_eq!(paths(text).unwrap(), expected);
        assert!(paths(b"#mtree\nusr type=dir\n").is_err());
        for wrong in [
            "./a\\9",
            "./a\\012%BACKUP%",
            "./../a",
            "./a//b",
            ".//a",
            "./a/.",
            "./a\\000",
        ] {
            assert!(paths(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
