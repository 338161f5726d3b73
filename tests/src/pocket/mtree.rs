//! The list of a package's contents, `.MTREE`: mtree(5) as makepkg has bsdtar
//! write it (`--format=mtree`, with type, owner, mode, time, size, md5,
//! sha256 and link).

use super::member::{Kind, Member};
use hatchery_image::Sha256;
use md5::{Digest as _, Md5};
use std::collections::HashMap;
use std::fmt::{self, Write as _};

/// The text, of the members that are to be listed.
pub(super) fn text(members: &[Member]) -> String {
    let files: HashMap<&str, &Member> = members.iter().map(|m| (m.path.as_str(), m)).collect();
    let mut text = "#mtree\n/set type=file uid=0 gid=0 mode=644\n".to_owned();
    let mut mode = 0o644;
    for member in members.iter().filter(|m| m.listed) {
        // A hard link is listed like the file that it names.
        let file = match &member.kind {
            Kind::HardLink(target) => files.get(target.as_str()).copied().unwrap_or(member),
            _ => member,
        };
        // Folders are where bsdtar says anew what is usual beneath.
        if file.kind == Kind::Folder && file.mode != mode {
            mode = file.mode;
            let _ = writeln!(text, "/set mode={mode:o}");
        }
        let path = escaped(&member.path);
        line(&mut text, &path, file, mode).expect("a string takes everything");
    }
    text
}

fn line(text: &mut String, path: &str, file: &Member, usual: u32) -> fmt::Result {
    write!(text, "./{path} time={}.0", file.time)?;
    if file.mode != usual {
        write!(text, " mode={:o}", file.mode)?;
    }
    if file.user != 0 {
        write!(text, " uid={}", file.user)?;
    }
    if file.group != 0 {
        write!(text, " gid={}", file.group)?;
    }
    match &file.kind {
        Kind::Folder => text.push_str(" type=dir"),
        Kind::Link(target) => write!(text, " type=link link={}", escaped(target))?,
        Kind::Other(kind) if kind.is_fifo() => text.push_str(" type=fifo"),
        Kind::Other(_) => text.push_str(" type=char"),
        Kind::File(_) | Kind::HardLink(_) => {
            let bytes = file.bytes();
            write!(text, " size={}", bytes.len())?;
            write!(text, " md5digest={}", hex(&Md5::digest(bytes)))?;
            write!(text, " sha256digest={}", Sha256::of(bytes))?;
        }
    }
    text.push('\n');
    Ok(())
}

/// A path or a link as mtree spells it: what could be mistaken is octal.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'\\' | b'#' | b'=' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            33..=126 => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_makepkg() {
        let mut folder = Member::new("usr", Kind::Folder);
        folder.time = 1;
        let mut odd = Member::new("usr/a b=č", Kind::File(b"x".to_vec()));
        (odd.time, odd.group) = (2, 50);
        let mut second = Member::new("usr/second", Kind::HardLink(odd.path.clone()));
        second.time = 2;
        let mut link = Member::new("usr/link", Kind::Link("a b".to_owned()));
        link.time = 3;
        let mut unlisted = Member::new("usr/other", Kind::Folder);
        unlisted.listed = false;
        let file = "time=2.0 mode=644 gid=50 size=1 md5digest=9dd4e461268c8034f5c8564e155c67a6 \
                    sha256digest=2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let expected = format!(
            "#mtree\n/set type=file uid=0 gid=0 mode=644\n/set mode=755\n./usr time=1.0 type=dir\n\
             ./usr/a\\040b\\075\\304\\215 {file}\n./usr/second {file}\n\
             ./usr/link time=3.0 mode=777 type=link link=a\\040b\n"
        );
        assert_eq!(text(&[folder, odd, second, link, unlisted]), expected);
    }
}
