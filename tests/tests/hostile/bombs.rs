//! Little bytes that become many, or that take long.

use super::{Case, Verdict};
use crate::unpacking::Packed;
use crate::unpacking::bytes::{Magic, end, entry, file, folder, hard, header, long, pax1, tar};
use std::io::Write;

/// Zeros in a frame of zeros, in bytes.
const ZEROS: u64 = 16 << 20;

/// A tar that is compressed in parts.
struct Stream {
    packed: Vec<u8>,
    waiting: Vec<u8>,
}

impl Stream {
    const fn new() -> Self {
        Self {
            packed: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn add(mut self, bytes: &[u8]) -> Self {
        self.waiting.extend_from_slice(bytes);
        self
    }

    /// A multiple of [`ZEROS`].
    fn zeros(mut self, count: u64) -> Self {
        self.flush();
        self.packed.extend(zeros(count));
        self
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.packed
            .extend(zstd::bulk::compress(&waiting, 1).unwrap());
    }

    fn packed(mut self) -> Packed {
        self.flush();
        Packed::zst(self.packed)
    }
}

/// So many zeros, compressed: one frame again and again.
pub(super) fn zeros(count: u64) -> Vec<u8> {
    let frame = zstd::bulk::compress(&vec![0; usize::try_from(ZEROS).unwrap()], 1).unwrap();
    frame.repeat(usize::try_from(count / ZEROS).unwrap())
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = of_zeros();
    all.extend(many());
    all.extend(heads());
    all
}

fn of_zeros() -> Vec<Case> {
    let size = 4_u64 << 30;
    let claimed = |bytes| header(b"zeros", b'0', bytes, b"", Magic::Ustar);
    let quine = Stream::new()
        .add(&claimed(size))
        .zeros(size)
        .add(&end())
        .packed();
    let after = Stream::new()
        .add(&tar(&[file(b"f", b"x")]))
        .zeros(size)
        .packed();
    let xz = {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
        encoder.write_all(&claimed(1 << 28)).unwrap();
        encoder.write_all(&vec![0; 1 << 27]).unwrap();
        encoder.finish().unwrap()
    };
    vec![
        Case::packed(
            "file-of-4-GiB-of-zeros",
            quine,
            Verdict::Refused("zeros: refused"),
        ),
        Case::packed(
            "file-of-256-MiB-of-zeros-in-xz",
            Packed::xz(xz),
            Verdict::Refused("zeros: refused"),
        ),
        Case::packed(
            "4-GiB-of-zeros-after-the-end",
            after,
            Verdict::Accepted("tar reads to its end, we do not"),
        ),
        Case::packed(
            "folder-with-4-GiB-of-data",
            Stream::new()
                .add(&header(b"d/", b'5', size, b"", Magic::Ustar))
                .zeros(size)
                .packed(),
            Verdict::Refused("d/: refused"),
        ),
    ]
}

/// Entries without end.
fn many() -> Vec<Case> {
    let all = |part: fn(usize) -> Vec<u8>, count: usize| {
        let mut stream = Stream::new();
        for index in 0..count {
            stream = stream.add(&part(index));
        }
        stream.add(&end()).packed()
    };
    let deep = |n: usize| format!("{}{n}", "d/".repeat(1900));
    let files = all(|n| file(format!("{n}").as_bytes(), b""), 200_000);
    let folders = all(|n| folder(format!("{n}/").as_bytes()), 200_000);
    let links = all(|n| hard(format!("{n}").as_bytes(), b"0"), 200_000);
    let labels = all(|_| header(b"label", b'V', 0, b"", Magic::Gnu), 200_000);
    let first = [file(b"0", b"x")].concat();
    let same = all(|_| file(b"f", b""), 200_000);
    let all_deep: Vec<Vec<u8>> = (0..50)
        .map(|n| [long(b'L', deep(n).as_bytes()), file(b"x", b"1")].concat())
        .collect();
    let stairs: Vec<Vec<u8>> = (1..1000)
        .map(|n| [long(b'L', "s/".repeat(n).as_bytes()), folder(b"x")].concat())
        .collect();
    let mut apart: Vec<Vec<u8>> = (0..60)
        .map(|n| {
            [
                long(b'L', format!("{n}/{}f", "d/".repeat(1800)).as_bytes()),
                file(b"x", b"1"),
            ]
            .concat()
        })
        .collect();
    apart.push(end());
    let refused = |name: &str, packed, what| {
        Case::packed(name, packed, Verdict::Refused(what)).limited(64 << 20, 2000)
    };
    vec![
        refused("200000-files", files, "entries"),
        refused("200000-folders", folders, "entries"),
        refused("200000-hard-links-to-nothing", links, "refused"),
        refused("200000-labels", labels, "headers"),
        refused("200000-times-the-same-file", same, "entries"),
        Case::as_tar(
            "hard-links-by-the-thousand",
            &(0..2000).fold(vec![first], |mut all, n| {
                all.push(hard(format!("h{n}").as_bytes(), b"0"));
                all
            }),
        ),
        Case::as_tar("50-files-1900-levels-deep", &all_deep),
        Case::as_tar("a-thousand-folders-in-each-other", &stairs),
        Case::raw(
            "100000-folders-that-no-entry-has",
            apart.concat(),
            Verdict::Refused("have no entry of their own"),
        ),
    ]
}

/// Headers that are longer than what they head.
fn heads() -> Vec<Case> {
    let megabyte = pax1("comment", vec![b'x'; 1_000_000]);
    let mut stream = Stream::new();
    for index in 0..300 {
        stream = stream
            .add(&megabyte)
            .add(&file(format!("{index}").as_bytes(), b""));
    }
    let mut comments = Case::packed(
        "300-MB-of-comments",
        stream.packed(),
        Verdict::Refused("bytes of headers"),
    );
    comments.limits.entries = 1000;
    let long_of = |kind, size| [header(b"././@LongLink", kind, size, b"", Magic::Gnu)].concat();
    let mut attributes = Stream::new();
    for index in 0..400 {
        attributes = attributes
            .add(&pax1("SCHILY.xattr.user.x", vec![b'x'; 250_000]))
            .add(&folder(format!("{index}/").as_bytes()));
    }
    vec![
        comments,
        Case::packed(
            "attributes-of-folders-that-are-remembered",
            attributes.packed(),
            Verdict::Refused("refused"),
        ),
        Case::packed(
            "long-name-of-4-GiB",
            Stream::new()
                .add(&long_of(b'L', 4 << 30))
                .zeros(4 << 30)
                .packed(),
            Verdict::Refused("metadata exceeds"),
        ),
        Case::packed(
            "long-target-of-4-GiB",
            Stream::new()
                .add(&long_of(b'K', 4 << 30))
                .zeros(4 << 30)
                .packed(),
            Verdict::Refused("metadata exceeds"),
        ),
        Case::packed(
            "pax-of-4-GiB",
            Stream::new()
                .add(&header(b"x", b'x', 4 << 30, b"", Magic::Ustar))
                .zeros(4 << 30)
                .packed(),
            Verdict::Refused("metadata exceeds"),
        ),
        Case::packed(
            "global-of-4-GiB",
            Stream::new()
                .add(&header(b"x", b'g', 4 << 30, b"", Magic::Ustar))
                .zeros(4 << 30)
                .packed(),
            Verdict::Refused("metadata exceeds"),
        ),
        Case::packed(
            "pax-of-64-bits",
            Stream::new()
                .add(&crate::unpacking::bytes::edited(
                    entry(b"x", b'x', b""),
                    124,
                    b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
                ))
                .packed(),
            Verdict::Refused(""),
        ),
    ]
}
