//! SHA256SUMS: what is read is written and read the same again, and no name
//! leaves the folder.

#![no_main]

use hatchery_image::sums::Sums;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(sums) = Sums::parse(text) else {
        return;
    };
    let again = Sums::parse(&sums.to_text()).expect("what was written can be read");
    assert!(again.iter().eq(sums.iter()));
    assert_eq!(again.best_before(), sums.best_before());
    assert!(
        sums.iter()
            .all(|(name, _)| !name.contains('/') && name != "..")
    );
});
