//! Tiny Debian packages, made in process: good ones, and ones that no build
//! tool would make.
//!
//! Follows deb(5). What is unusual about a package is written into the tar
//! headers as it is: a tar library refuses the paths of a hostile one.

use hatchery_image::{Architecture, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tar::EntryType;

/// A package.
#[derive(Clone, Debug)]
pub struct Deb {
    name: String,
    version: String,
    /// The text of `control`.
    fields: String,
    /// Names and texts of the other control files.
    control: Vec<(String, String)>,
    contents: Vec<Entry>,
    folders: BTreeSet<String>,
}

/// Something in a package.
#[derive(Clone, Debug)]
struct Entry {
    kind: EntryType,
    path: String,
    target: String,
    mode: u32,
    bytes: Vec<u8>,
}

impl Deb {
    /// An empty package for all architectures.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: format!("Package: {name}\nVersion: {version}\nArchitecture: all\n"),
            control: Vec::new(),
            contents: Vec::new(),
            folders: BTreeSet::new(),
        }
    }

    /// With a field, such as `Depends`.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let _ = writeln!(self.fields, "{name}: {value}");
        self
    }

    /// With a maintainer script, such as `postinst`.
    #[must_use]
    pub fn script(mut self, name: &str, lines: &str) -> Self {
        let text = format!("#!/bin/sh\n{lines}\n");
        self.control.push((name.to_owned(), text));
        self
    }

    /// With a file, and the folders above it.
    #[must_use]
    pub fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.above(path)
            .entry(EntryType::Regular, path, "", 0o644, bytes)
    }

    /// With a program, and the folders above it.
    #[must_use]
    pub fn program(self, path: &str, bytes: &[u8]) -> Self {
        self.above(path)
            .entry(EntryType::Regular, path, "", 0o755, bytes)
    }

    /// With a file and nothing else, whatever its path is.
    #[must_use]
    pub fn bare_file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, "", 0o644, bytes)
    }

    /// With a symbolic link and nothing else.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, 0o777, b"")
    }

    /// With a hard link and nothing else.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, 0o644, b"")
    }

    fn above(mut self, path: &str) -> Self {
        for (end, _) in path.match_indices('/') {
            let folder = path[..end].to_owned();
            if self.folders.insert(folder.clone()) {
                self = self.entry(EntryType::Directory, &folder, "", 0o755, b"");
            }
        }
        self
    }

    fn entry(mut self, kind: EntryType, path: &str, target: &str, mode: u32, bytes: &[u8]) -> Self {
        self.contents.push(Entry {
            kind,
            path: path.to_owned(),
            target: target.to_owned(),
            mode,
            bytes: bytes.to_vec(),
        });
        self
    }

    /// Where it lies in a repository.
    #[must_use]
    pub fn path(&self) -> String {
        format!("pool/main/{}_{}_all.deb", self.name, self.version)
    }

    /// Its stanza in an index, if its file has these bytes.
    #[must_use]
    pub fn stanza(&self, bytes: &[u8]) -> String {
        format!(
            "{}Filename: {}\nSize: {}\nSHA256: {}\n\n",
            self.fields,
            self.path(),
            bytes.len(),
            Sha256::of(bytes)
        )
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let control_file = |(name, text): &(String, String)| Entry {
            kind: EntryType::Regular,
            path: name.clone(),
            target: String::new(),
            mode: 0o755,
            bytes: text.clone().into_bytes(),
        };
        let mut control: Vec<Entry> = self.control.iter().map(control_file).collect();
        let fields = format!("{}Description: a test\n", self.fields);
        control.push(control_file(&("control".to_owned(), fields)));
        ar(&[
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", tar(&control)),
            ("data.tar", tar(&self.contents)),
        ])
    }
}

/// A package that every tree begins with here, whose dpkg does nothing: no
/// package beside it may have scripts.
#[must_use]
pub fn base() -> Deb {
    Deb::new("base", "1")
        .field("Essential", "yes")
        .program("usr/bin/dpkg", &idle_program())
        .file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        .file("etc/group", b"root:x:0:\n")
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let old = header.as_old_mut();
        old.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        old.linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_cksum();
        tar.append(&header, entry.bytes.as_slice())
            .expect("memory takes everything");
    }
    tar.into_inner().expect("memory takes everything")
}

fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut file = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let length = bytes.len();
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{length:<10}`\n",
            0, 0, 0, 100_644
        );
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(bytes);
        if length % 2 == 1 {
            file.push(b'\n');
        }
    }
    file
}

/// A program for this host that ends well at once: elf(5), one segment, no
/// interpreter.
fn idle_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code): (u16, &[u8]) = match Architecture::host() {
        // mov x0, #0; mov x8, #93 (exit); svc #0
        Some(Architecture::Arm64) => (
            183,
            &[0, 0, 0x80, 0xd2, 0xa8, 0xb, 0x80, 0xd2, 1, 0, 0, 0xd4],
        ),
        // xor edi, edi; mov eax, 60 (exit); syscall
        _ => (62, &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 5]),
    };
    let length = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let short = |numbers: &[u16], elf: &mut Vec<u8>| {
        numbers.iter().for_each(|n| elf.extend(n.to_le_bytes()));
    };
    let long = |numbers: &[u64], elf: &mut Vec<u8>| {
        numbers.iter().for_each(|n| elf.extend(n.to_le_bytes()));
    };
    // An executable of version 1: entry, where the segment's header lies.
    short(&[2, machine, 1, 0], &mut elf);
    long(&[BASE + HEADERS, 64, 0], &mut elf);
    short(&[0, 0, 64, 56, 1, 64, 0, 0], &mut elf);
    // A segment to load, readable and executable.
    short(&[1, 0, 5, 0], &mut elf);
    long(&[0, BASE, BASE, length, length, 0x1_0000], &mut elf);
    elf.extend_from_slice(code);
    elf
}
