//! Compression that is damaged, of another kind, or wants more memory than an
//! import may take.

use super::{Case, Verdict};
use crate::unpacking::Packed;
use crate::unpacking::bytes::{file, tar};
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use std::io::Write as _;
use zstd::zstd_safe::CParameter;

/// The error says that it cannot be decompressed.
const DAMAGED: Verdict = Verdict::Refused("decompress it");

pub(super) fn cases() -> Vec<Case> {
    let plain = tar(&[file(b"f", &hatchery_tests::lab::noise(100_000))]);
    let mut all = of_zstd(&plain);
    all.extend(of_xz(&plain));
    all
}

fn zst(plain: &[u8], parameters: &[CParameter]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for parameter in parameters {
        encoder.set_parameter(*parameter).unwrap();
    }
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&0x184d_2a50_u32.to_le_bytes()[..], &length, content].concat()
}

fn of_zstd(plain: &[u8]) -> Vec<Case> {
    let good = zst(plain, &[CParameter::ChecksumFlag(true)]);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let windowed = |log| zst(plain, &[CParameter::WindowLog(log)]);
    // A header that asks for a window and no more (RFC 8878, 3.1.1.1.2).
    let asking = |log: u8| {
        [
            &0xfd2f_b528_u32.to_le_bytes()[..],
            &[0, (log - 10) << 3],
            &[1, 0, 0],
        ]
        .concat()
    };
    // A frame of three bytes that names the dictionary 5 (3.1.1.1.3).
    let with_dictionary = [
        &0xfd2f_b528_u32.to_le_bytes()[..],
        &[0x21, 5, 3, 25, 0, 0],
        b"abc",
    ]
    .concat();
    let empty = zst(b"", &[]);
    let (a, b) = plain.split_at(700);
    let damaged = |name: &str, bytes: Vec<u8>| Case::packed(name, Packed::zst(bytes), DAMAGED);
    let as_tar =
        |name: &str, bytes: Vec<u8>| Case::packed(name, Packed::zst(bytes), Verdict::AsTar);
    vec![
        damaged("zstd-wrong-checksum", changed(good.len() - 1)),
        damaged("zstd-wrong-byte", changed(good.len() / 2)),
        damaged("zstd-wrong-magic", changed(0)),
        damaged("zstd-cut-off", good[..good.len() / 2].to_vec()),
        damaged("zstd-cut-off-by-a-byte", good[..good.len() - 1].to_vec()),
        damaged("zstd-cut-in-its-magic", good[..3].to_vec()),
        damaged(
            "zstd-garbage-after-it",
            [&good[..], b"garbage after a frame"].concat(),
        ),
        damaged("zstd-window-of-128-MiB", asking(27)),
        damaged("zstd-window-of-2-GiB", asking(31)),
        damaged("zstd-window-of-2-TiB", asking(41)),
        damaged(
            "zstd-long-31-in-earnest",
            zst(
                &plain.repeat(2),
                &[
                    CParameter::WindowLog(27),
                    CParameter::EnableLongDistanceMatching(true),
                ],
            ),
        ),
        damaged("zstd-with-a-dictionary", with_dictionary),
        damaged(
            "zstd-skippable-cut-off",
            [&good[..], &skippable(&[1; 100])[..50]].concat(),
        ),
        damaged(
            "zstd-skippable-of-4-GiB",
            [&0x184d_2a50_u32.to_le_bytes()[..], &[0xff; 4], b"x"].concat(),
        ),
        Case::packed(
            "nothing-at-all",
            Packed::zst(Vec::new()),
            Verdict::Refused("incomplete"),
        ),
        damaged("tar-without-compression", plain.to_vec()),
        damaged("xz-called-zstd", xz(plain, 1)),
        damaged("bzip2-called-zstd", b"BZh91AY&SY".to_vec()),
        damaged("gzip-called-zstd", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        as_tar("zstd-window-of-64-MiB", windowed(26)),
        as_tar("zstd-two-frames", [zst(a, &[]), zst(b, &[])].concat()),
        as_tar(
            "zstd-frames-of-a-byte",
            plain[..3000]
                .iter()
                .map(|b| zst(&[*b], &[]))
                .collect::<Vec<_>>()
                .concat()
                .into_iter()
                .chain(zst(&plain[3000..], &[]))
                .collect(),
        ),
        as_tar(
            "zstd-empty-frames-around",
            [&empty[..], &good, &empty].concat(),
        ),
        as_tar(
            "zstd-skippable-frames-around",
            [
                skippable(b"before"),
                good.clone(),
                skippable(b""),
                skippable(&good),
            ]
            .concat(),
        ),
        as_tar(
            "zstd-ten-thousand-empty-frames",
            [empty.repeat(10_000), good.clone()].concat(),
        ),
        Case::packed(
            "zstd-a-million-empty-frames",
            Packed::zst([empty.repeat(1_000_000), good.clone()].concat()),
            Verdict::Accepted("the judge takes 20 s"),
        ),
        as_tar(
            "zstd-ten-thousand-skippable-frames",
            [skippable(b"").repeat(10_000), good.clone()].concat(),
        ),
        Case::packed(
            "zstd-a-million-skippable-frames",
            Packed::zst([skippable(b"").repeat(1_000_000), good.clone()].concat()),
            Verdict::Accepted("the judge takes 20 s"),
        ),
        as_tar(
            "zstd-without-its-size",
            zst(plain, &[CParameter::ContentSizeFlag(false)]),
        ),
    ]
}

fn xz(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// With a dictionary of so many bytes.
fn xz_of(plain: &[u8], dictionary: u32) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(0).unwrap();
    // The encoder takes it from the filter's property byte alone.
    options.dict_size(1 << 20);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(plain).unwrap();
    let mut bytes = encoder.finish().unwrap();
    // Block header: size, flags, filter 0x21, one property: 2^(12 + n / 2).
    assert_eq!(bytes[14..16], [0x21, 1]);
    bytes[16] = u8::try_from((dictionary.ilog2() - 12) * 2).unwrap();
    let size = (usize::from(bytes[12]) + 1) * 4;
    let sum = crc32(&bytes[12..12 + size - 4]).to_le_bytes();
    bytes[12 + size - 4..12 + size].copy_from_slice(&sum);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn of_xz(plain: &[u8]) -> Vec<Case> {
    let good = xz(plain, 1);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    let (a, b) = plain.split_at(700);
    let damaged = |name: &str, bytes: Vec<u8>| Case::packed(name, Packed::xz(bytes), DAMAGED);
    let as_tar = |name: &str, bytes: Vec<u8>| Case::packed(name, Packed::xz(bytes), Verdict::AsTar);
    // An index that says it has 2^60 records.
    let mut index = good[..12].to_vec();
    index.extend([
        0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0,
    ]);
    vec![
        damaged("xz-wrong-magic", changed(0)),
        damaged("xz-wrong-header", changed(8)),
        damaged("xz-wrong-byte", changed(good.len() / 2)),
        damaged("xz-wrong-footer", changed(good.len() - 1)),
        damaged("xz-wrong-index", changed(good.len() - 14)),
        damaged("xz-cut-off", good[..good.len() / 2].to_vec()),
        damaged("xz-cut-off-by-a-byte", good[..good.len() - 1].to_vec()),
        damaged(
            "xz-garbage-between",
            [&xz(a, 1)[..], b"garbage", &xz(b, 1)].concat(),
        ),
        damaged(
            "xz-padding-that-is-no-multiple-of-4",
            [&xz(a, 1)[..], &[0; 3], &xz(b, 1)].concat(),
        ),
        damaged("xz-dictionary-of-1-GiB", xz_of(plain, 1 << 30)),
        damaged("xz-dictionary-of-128-MiB", xz_of(plain, 1 << 27)),
        damaged("xz-index-of-2-to-the-60", index),
        damaged("zstd-called-xz", Packed::tar(plain).bytes),
        damaged(
            "lzma-alone-called-xz",
            [&[0x5d, 0, 0, 0x80, 0][..], &[0xff; 8], &[0; 100]].concat(),
        ),
        as_tar("xz-dictionary-of-64-MiB", xz_of(plain, 1 << 26)),
        as_tar("xz-two-streams", [xz(a, 1), xz(b, 1)].concat()),
        as_tar(
            "xz-padding-between-and-after",
            [&xz(a, 1)[..], &[0; 8], &xz(b, 1), &[0; 4]].concat(),
        ),
        as_tar(
            "xz-empty-streams-around",
            [xz(b"", 1), good.clone(), xz(b"", 1)].concat(),
        ),
        as_tar("xz-best", xz(plain, 9)),
    ]
}
