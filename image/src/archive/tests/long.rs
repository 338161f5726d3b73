//! Headers as long as they may be, and those that come byte by byte.

use super::entries::{Entries, Kind, Source};
use super::hostile::{Archive, Target, end, entry, head, with_pax};
use super::*;
use crate::place::Extent;
use header::Head;
use limits::EXTENTS_MAX;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tar_core::EntryType;
use tar_core::builder::PaxBuilder;

/// Far more of the processor's time than reading a header a few times takes,
/// and far less than reading it once a byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parts of a byte, each with a hole before it.
fn extents(count: usize) -> Vec<Extent> {
    let at = |n: usize| Extent {
        offset: 2 * n as u64 + 1,
        length: 1,
    };
    (0..count).map(at).collect()
}

/// A file of so many parts.
fn parts(count: usize) -> Vec<u8> {
    let extents = extents(count);
    let sparse = Head {
        size: 2 * count as u64,
        extents: Some(&extents),
        ..head(b"s", EntryType::Regular)
    };
    entry(&sparse, &vec![b'd'; count])
}

#[test]
fn a_file_has_as_many_parts_as_the_limit_says_and_no_more() {
    for in_frames in [false, true] {
        let archive = |count| match in_frames {
            false => Archive::plain(&[parts(count), end()].concat()),
            true => Archive::framed(&[parts(count), end()], &[]),
        };
        let target = Target::new();
        archive(EXTENTS_MAX).unpack(&target.root()).unwrap();
        let path = target.root().join("s");
        let expected = b"\0d".repeat(EXTENTS_MAX);
        assert!(fs::read(&path).unwrap() == expected);
        assert_eq!(fs::metadata(&path).unwrap().size(), expected.len() as u64);
        let error = archive(EXTENTS_MAX + 1).unpack(&Target::new().root());
        assert!(error.is_err());
    }
}

/// Hands out one byte after another.
struct Bytewise<'a>(std::slice::Iter<'a, u8>);

impl Source for Bytewise<'_> {
    fn more(&mut self, out: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        let next = self.0.next();
        out.extend(next);
        Ok(next.is_some())
    }
}

/// A map of holes behind a megabyte of records: read anew for each byte, it
/// would take minutes.
#[test]
fn a_header_that_comes_byte_by_byte_is_read_a_few_times() {
    let map: String = extents(EXTENTS_MAX)
        .iter()
        .map(|part| format!("{}\n{}\n", part.offset, part.length))
        .collect();
    let mut map = format!("{EXTENTS_MAX}\n{map}").into_bytes();
    map.resize(map.len().next_multiple_of(512), 0);
    let mut pax = PaxBuilder::new();
    for _ in 0..80_000 {
        pax.add("comment", "");
    }
    pax.add("GNU.sparse.major", "1");
    pax.add("GNU.sparse.minor", "0");
    pax.add("GNU.sparse.name", "s");
    pax.add("GNU.sparse.realsize", "20000");
    let data = [map, vec![b'd'; EXTENTS_MAX]].concat();
    let sparse = Head {
        size: data.len() as u64,
        ..head(b"x", EntryType::Regular)
    };
    let tar = [with_pax(&pax.finish(), &entry(&sparse, &data)), end()].concat();
    let begun = cpu_time();
    let mut entries = Entries::new(Bytewise(tar.iter()), Vec::new());
    let found = entries.next().unwrap().unwrap();
    let Kind::File {
        extents: Some(found),
        ..
    } = found.kind
    else {
        panic!("{found:?}");
    };
    assert_eq!(found, extents(EXTENTS_MAX));
    assert!(entries.next().unwrap().is_none() && entries.ended());
    let took = cpu_time() - begun;
    assert!(took < PATIENCE, "{took:?}");
}

/// What is asked for before a map is whole may be more than there is.
#[test]
fn a_short_map_at_the_end_of_a_frame_is_read_wherever_it_is_cut() {
    let part = entry(
        &Head {
            size: 100_000,
            extents: Some(&[]),
            ..head(b"s", EntryType::Regular)
        },
        b"",
    );
    for cut in [
        1,
        511,
        1024,
        1030,
        1535,
        1540,
        part.len() - 500,
        part.len() - 1,
    ] {
        let (first, second) = part.split_at(cut);
        let frames = [first.to_vec(), second.to_vec(), end()];
        let target = Target::new();
        Archive::framed(&frames, &[1])
            .unpack(&target.root())
            .unwrap();
        let stat = fs::metadata(target.root().join("s")).unwrap();
        assert_eq!((stat.size(), stat.blocks()), (100_000, 0), "cut at {cut}");
    }
}
