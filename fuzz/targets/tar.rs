//! A plain tar that streams in. Reading the data of entries and passing over
//! it must show the same entries; a path that is taken stays beneath the root.

#![no_main]

use hatchery_image::archive::{Entry, TarStream};
use hatchery_image::place::{Resolve, clean};
use libfuzzer_sys::fuzz_target;
use std::io::{self, Read as _};

/// Most that is read of one entry's data: holes need no bytes of the input.
const DATA_MAX: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let passed_over = entries(bytes, false);
    assert_eq!(passed_over, entries(bytes, true));
    for entry in passed_over {
        if let Ok(path) = clean(&entry.path, Resolve::Beneath) {
            assert!(!path.starts_with(b"/") && !path.contains(&0));
            assert!(path.split(|b| *b == b'/').all(|part| part != b".."));
        }
    }
});

/// The entries up to the end or the first bad one.
fn entries(bytes: &[u8], read: bool) -> Vec<Entry> {
    let mut stream = TarStream::new(bytes);
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = stream.next_entry() {
        if read {
            let data = &mut stream.reader().take(DATA_MAX);
            let _ = io::copy(data, &mut io::sink());
        }
        entries.push(entry);
    }
    entries
}
