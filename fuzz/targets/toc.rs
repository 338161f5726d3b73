//! A table of contents: as it lies in an archive, or decompressed.

#![no_main]

use hatchery_image::archive::limits::{EXTENTS_MAX, FRAMES_MAX, PATH_MAX};
use hatchery_image::archive::toc::Reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    if kind % 2 == 1 {
        read(rest);
    } else {
        read(&zstd::encode_all(rest, 1).expect("memory takes everything"));
    }
});

fn read(content: &[u8]) {
    let Ok(mut reader) = Reader::new(content) else {
        return;
    };
    assert!(reader.frames().frames.len() as u64 <= FRAMES_MAX);
    let mut end = 0;
    for frame in &reader.frames().frames {
        assert_eq!(frame.offset, end, "frames follow one another");
        end += frame.length;
    }
    while let Ok(Some(entry)) = reader.entry() {
        assert!(entry.path.len() <= PATH_MAX as usize);
        let Some(contents) = entry.contents else {
            continue;
        };
        assert!(contents.stored() <= contents.size);
        assert!(contents.extents.is_none_or(|e| e.len() <= EXTENTS_MAX));
    }
}
