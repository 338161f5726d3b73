//! `.nspawn` settings: what is read is rendered and read the same again.

#![no_main]

use hatchery_image::settings::Nspawn;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(settings) = Nspawn::parse(text) else {
        return;
    };
    let rendered = settings.render();
    match Nspawn::parse(&rendered) {
        Ok(again) => assert_eq!(again, settings, "{rendered}"),
        Err(error) => panic!("{error} in\n{rendered}"),
    }
});
