//! Tables of contents that lie. What they say of frames is relied on while
//! unpacking, what they say of entries only by updates.

use super::{Case, Verdict};
use crate::unpacking::Packed;
use crate::unpacking::bytes::{end, file, folder, hard, symlink};
use hatchery_image::Sha256;
use hatchery_image::manifest::Span;

/// What a table says of a frame.
#[derive(Clone)]
struct Frame {
    length: u64,
    uncompressed: u64,
    continues: u8,
    blake3: [u8; 32],
}

/// A table of contents, field by field.
struct Table {
    magic: Vec<u8>,
    count: u64,
    frames: Vec<Frame>,
    tar: (u64, [u8; 32]),
    /// What follows: entries, and the end's zero.
    rest: Vec<u8>,
}

fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

impl Table {
    fn encoded(&self) -> Vec<u8> {
        let mut out = self.magic.clone();
        out.extend(number(self.count));
        for frame in &self.frames {
            out.extend(number(frame.length));
            out.extend(number(frame.uncompressed));
            out.push(frame.continues);
            out.extend(frame.blake3);
        }
        out.extend(number(self.tar.0));
        out.extend(self.tar.1);
        out.extend(&self.rest);
        out
    }
}

/// Frames of these parts, and a table that `edit` has changed.
fn edited(parts: &[Vec<u8>], edit: impl FnOnce(&mut Table, &mut Vec<u8>)) -> Packed {
    let mut bytes = Vec::new();
    let mut frames = Vec::new();
    for part in parts {
        let compressed = zstd::bulk::compress(part, 1).unwrap();
        frames.push(Frame {
            length: compressed.len() as u64,
            uncompressed: part.len() as u64,
            continues: 0,
            blake3: blake3::hash(&compressed).into(),
        });
        bytes.extend(compressed);
    }
    let whole = parts.concat();
    let mut table = Table {
        magic: b"hatchery toc 2\n".to_vec(),
        count: frames.len() as u64,
        frames,
        tar: (whole.len() as u64, *Sha256::of(&whole).as_bytes()),
        rest: vec![0],
    };
    edit(&mut table, &mut bytes);
    attached(bytes, &zstd::bulk::compress(&table.encoded(), 1).unwrap())
}

/// An archive with these bytes as its table.
fn attached(mut bytes: Vec<u8>, table: &[u8]) -> Packed {
    let offset = bytes.len() as u64 + 8;
    bytes.extend(0x184d_2a50_u32.to_le_bytes());
    bytes.extend(u32::try_from(table.len()).unwrap().to_le_bytes());
    bytes.extend(table);
    Packed {
        toc: Some(Span {
            offset,
            length: table.len() as u64,
            sha256: Sha256::of(table),
        }),
        ..Packed::zst(bytes)
    }
}

/// Frames of these parts; those in `continues` continue the last file.
pub(super) fn framed(parts: &[Vec<u8>], continues: &[usize]) -> Packed {
    edited(parts, |table, _| {
        for index in continues {
            table.frames[*index].continues = 1;
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = tables();
    all.extend(orders());
    all
}

fn parts() -> Vec<Vec<u8>> {
    vec![
        folder(b"d/"),
        file(b"d/a", b"1"),
        file(b"b", &[7; 3000]),
        end(),
    ]
}

/// Fields that say something else than is there.
fn tables() -> Vec<Case> {
    let lie = |name: &str, edit: fn(&mut Table, &mut Vec<u8>)| {
        Case::packed(
            format!("table-{name}"),
            edited(&parts(), edit),
            Verdict::Refused(""),
        )
    };
    // A table of gigabytes that compresses to little.
    let bomb = super::bombs::zeros(1 << 31);
    let span = |offset, length| {
        let mut packed = edited(&parts(), |_, _| ());
        let sha256 = Sha256::of(b"");
        packed.toc = Some(Span {
            offset,
            length,
            sha256,
        });
        packed
    };
    vec![
        lie("of-another-magic", |t, _| t.magic[0] = b'H'),
        lie("of-another-format", |t, _| {
            t.magic = b"hatchery toc 3\n".to_vec()
        }),
        lie("with-more-frames-than-it-has", |t, _| t.count += 1),
        lie("with-fewer-frames-than-it-has", |t, _| t.count -= 1),
        lie("with-no-frames", |t, _| {
            (t.count, t.frames) = (0, Vec::new())
        }),
        lie("with-2-to-the-60-frames", |t, _| t.count = 1 << 60),
        lie("frame-longer", |t, _| t.frames[1].length += 1),
        lie("frame-shorter", |t, _| t.frames[1].length -= 1),
        lie("frame-of-no-bytes", |t, _| t.frames[1].length = 0),
        lie("frame-of-gigabytes", |t, _| t.frames[1].length = 1 << 40),
        lie("last-frame-beyond-the-archive", |t, _| {
            t.frames[3].length = 1 << 20
        }),
        lie("frame-uncompressed-larger", |t, _| {
            t.frames[1].uncompressed += 512;
            t.tar.0 += 512;
        }),
        lie("frame-uncompressed-smaller", |t, _| {
            t.frames[1].uncompressed -= 512;
            t.tar.0 -= 512;
        }),
        lie("frame-uncompressed-of-gigabytes", |t, _| {
            t.frames[1].uncompressed = 1 << 40
        }),
        lie("sizes-swapped-between-frames", |t, _| {
            t.frames[1].uncompressed += 512;
            t.frames[2].uncompressed -= 512;
        }),
        lie("tar-larger", |t, _| t.tar.0 += 1),
        lie("tar-of-64-bits", |t, _| t.tar.0 = u64::MAX),
        lie("digest-of-a-frame", |t, _| t.frames[2].blake3[0] ^= 1),
        lie("digest-of-two-frames-swapped", |t, _| {
            let first = t.frames[1].blake3;
            t.frames[1].blake3 = t.frames[2].blake3;
            t.frames[2].blake3 = first;
        }),
        lie("entries-of-two-frames-swapped", |t, _| t.frames.swap(1, 2)),
        lie("first-frame-continues", |t, _| t.frames[0].continues = 1),
        lie("flag-that-is-none", |t, _| t.frames[1].continues = 2),
        lie("bytes-of-a-frame-changed", |_, bytes| bytes[12] ^= 1),
        lie("bytes-before-the-first-frame", |_, bytes| {
            bytes.insert(0, 0)
        }),
        Case::packed(
            "table-that-is-garbage",
            attached(Packed::tar(&parts().concat()).bytes, b"garbage"),
            Verdict::Refused(""),
        ),
        Case::packed(
            "table-that-is-empty",
            attached(Packed::tar(&parts().concat()).bytes, b""),
            Verdict::Refused(""),
        ),
        Case::packed(
            "table-of-gigabytes-of-zeros",
            attached(Packed::tar(&parts().concat()).bytes, &bomb),
            Verdict::Refused(""),
        ),
        Case::packed(
            "table-that-is-cut-off",
            {
                let head = b"hatchery toc 2\n\x04\x05".to_vec();
                attached(
                    Packed::tar(&parts().concat()).bytes,
                    &zstd::bulk::compress(&head, 1).unwrap(),
                )
            },
            Verdict::Refused(""),
        ),
        Case::packed(
            "table-beyond-the-archive",
            span(1 << 40, 10),
            Verdict::Refused(""),
        ),
        Case::packed("table-of-64-bits", span(u64::MAX, 10), Verdict::Refused("")),
        Case::packed("table-of-exabytes", span(0, 1 << 60), Verdict::Refused("")),
        Case::packed(
            "table-of-another-digest",
            span(0, 10),
            Verdict::Refused("digest"),
        ),
    ]
}

/// Frames that do not make up one tar.
fn orders() -> Vec<Case> {
    let refused = |name: &str, parts: &[Vec<u8>], continues: &[usize], what| {
        Case::packed(
            format!("frames-{name}"),
            framed(parts, continues),
            Verdict::Refused(what),
        )
    };
    let (first, second) = (parts()[2][..1500].to_vec(), parts()[2][1500..].to_vec());
    let (a, b) = (file(b"a", b"1"), file(b"b", b"2"));
    // A link in a later frame than what goes through it, and in an earlier one.
    let link = symlink(b"l", b"../../outside");
    let below = file(b"l/evil", b"x");
    vec![
        refused("without-an-end", &[a.clone(), b.clone()], &[], ""),
        refused("with-an-early-end", &[a.clone(), end(), b.clone()], &[], ""),
        refused(
            "with-two-ends",
            &[a.clone(), end(), b.clone(), end()],
            &[],
            "",
        ),
        refused("end-first", &[end(), a.clone(), b.clone()], &[], ""),
        refused(
            "second-half-of-a-file-not-marked",
            &[first.clone(), second.clone(), end()],
            &[],
            "",
        ),
        refused(
            "second-half-of-a-file-missing",
            &[first.clone(), end()],
            &[],
            "",
        ),
        refused(
            "second-half-first",
            &[second.clone(), first.clone(), end()],
            &[1],
            "",
        ),
        refused(
            "cut-inside-a-header",
            &[a[..100].to_vec(), a[100..].to_vec(), end()],
            &[],
            "",
        ),
        refused(
            "same-file-twice",
            &[a.clone(), file(b"a", b"2"), end()],
            &[],
            "a: refused",
        ),
        refused(
            "link-in-an-earlier-frame",
            &[link.clone(), below.clone(), end()],
            &[],
            "refused",
        ),
        refused(
            "link-in-a-later-frame",
            &[below, link, end()],
            &[],
            "refused",
        ),
        refused(
            "hard-link-to-nothing",
            &[hard(b"h", b"absent"), a.clone(), end()],
            &[],
            "h: refused",
        ),
        refused(
            "folder-and-file-of-one-name",
            &[folder(b"x/"), file(b"x", b"1"), end()],
            &[],
            "refused",
        ),
        Case::packed(
            "frames-hard-link-before-its-file",
            framed(&[hard(b"h", b"a"), a.clone(), end()], &[]),
            Verdict::Accepted("frames have no order"),
        ),
        Case::packed(
            "frames-as-they-should-be",
            framed(&parts(), &[]),
            Verdict::AsTar,
        ),
        Case::packed(
            "frames-that-continue",
            framed(&[a, first, second, end()], &[2]),
            Verdict::AsTar,
        ),
        Case::packed(
            "table-with-an-entry-that-is-not-there",
            edited(&parts(), |t, _| {
                // A symbolic link `x`, of no bytes, in frame 0.
                t.rest = vec![3, 1, b'x', 0, 0, 0, 0];
            }),
            Verdict::AsTar,
        ),
    ]
}
