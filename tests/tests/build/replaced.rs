//! An image that was built before, and builds that fail after it.

use super::fixture::{NEEDS, Workshop, refused, says};
use hatchery_image::files::ImageFiles;
use hatchery_tests::require;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn the_image_that_is_there_stays_until_another_one_is_whole() {
    if !require(&NEEDS) {
        return;
    }
    let workshop = Workshop::new();
    let image = workshop.image();
    let first = workshop.builds("").manifest.version;
    let before = files(&image);
    let key = "[[file]]\npath = \"/etc/ssl/private/own.key\"\n\
               content = \"-----BEGIN PRIVATE KEY-----\\n\"\n";
    for (lines, wanted) in [
        ("packages = [\"nothing\"]", "there is no package nothing"),
        (
            "timezone = \"Mars/Olympus\"\npackages = [\"hello\"]",
            "tzdata",
        ),
        ("[post_install]\nscript = \"exit 1\"", "post_install"),
        (key, "/etc/ssl/private/own.key: a credential"),
    ] {
        says(&workshop.refused(lines), &[wanted]);
        assert_eq!(files(&image), before, "{lines}");
    }
    let trace = workshop.path("cache/base/.#hatchery-0");
    let trace = format!(
        "[[file]]\npath = \"/etc/trace\"\ncontent = \"{}\"",
        trace.display()
    );
    says(
        &workshop.refused(&trace),
        &["cannot pack small", "etc/trace: it holds"],
    );
    assert_eq!(files(&image), before);

    let second = workshop.builds("packages = [\"hello\"]").manifest.version;
    assert_ne!(first, second);
    assert_eq!(ImageFiles::open(&image).unwrap().manifest().version, second);
    assert_eq!(super::fixture::names(&workshop.path("output")), ["small"]);
    let mut request = workshop.request("");
    request.mirrors = vec![workshop.path("nothing").as_path().into()];
    request.recipe.repositories[0].mirrors.clear();
    refused(&request);
    assert_eq!(ImageFiles::open(&image).unwrap().manifest().version, second);
}
