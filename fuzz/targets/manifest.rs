//! The manifest: what is read is written and read the same again.

#![no_main]

use hatchery_image::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    let again = Manifest::parse(&manifest.to_bytes()).expect("what was written can be read");
    assert_eq!(again, manifest);
});
