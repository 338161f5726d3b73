//! Some of them through the whole import: signed and published like any
//! other, so that only the unpacking is between them and the host.

use super::{Case, Verdict, canaries::Yard};
use crate::import::fixture::{Street, chain};
use crate::wire::fixture::signing;
use hatchery_importer::ImportError;
use hatchery_importer::import::Kind;
use hatchery_tests::lab::pack_tree;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::Path;

/// Of each kind of trick, these.
const SAMPLE: &[&str] = &[
    "dot-dot-file",
    "absolute-into-a-folder-beside",
    "file-through-a-link-to-outside",
    "two-steps-CVE-2025-45582",
    "hard-link-through-a-chain-CVE-2026-26960",
    "chmod-through-a-link-RUSTSEC-2026-0067",
    "pax-size-over-none-CVE-2025-62518",
    "pax-size-of-one-block-CVE-2026-33055",
    "keyword-unknown",
    "1.0-parts-that-overlap",
    "old-beyond-the-size",
    "one-name-file-over-a-link",
    "garbage-between-entries",
    "size-negative-in-base-256",
    "one-entry-too-many",
    "file-of-4-GiB-of-zeros",
    "zstd-window-of-2-GiB",
    "zstd-wrong-checksum",
    "xz-dictionary-of-1-GiB",
    "frames-link-in-an-earlier-frame",
    "digest-of-a-frame",
];

fn publish(street: &Street, version: &str, case: &Case) {
    let rootfs = street.yard.path(&format!("rootfs-{version}"));
    fs::create_dir(&rootfs).unwrap();
    let directory = street.yard.path(&format!("image-{version}"));
    let image = pack_tree(&rootfs, &directory, "lab", version, |manifest| {
        let old = std::mem::take(&mut manifest.archives);
        for archive in &old {
            fs::remove_file(directory.join(archive.file.as_str())).unwrap();
        }
        let like = old.into_iter().find(|a| a.format == case.packed.format);
        let file = like.unwrap().file;
        fs::write(directory.join(file.as_str()), &case.packed.bytes).unwrap();
        manifest.archives = vec![case.packed.manifest(file.as_str())];
        manifest.unpacked = case.limits.clone();
    });
    street.publish_image(image, &signing());
}

#[test]
fn nothing_is_left_of_an_import_that_was_refused() {
    if !require(&[Need::Root, Need::Program("gpg")]) {
        return;
    }
    let yard = Yard::new();
    let all = [
        super::paths::cases(&yard.outside()),
        super::links::cases(&yard.outside()),
        super::types::cases(),
        super::headers::cases(),
        super::pax::cases(),
        super::sparse::cases(),
        super::sizes::cases(),
        super::compression::cases(),
        super::toc::cases(),
        super::bombs::cases(),
    ];
    let all: Vec<Case> = all.into_iter().flatten().collect();
    super::assert_many(&all);
    let street = Street::empty();
    let mut version = 0;
    for case in all {
        let is_chosen = |name: &&str| case.name == **name || case.name == format!("table-{name}");
        if !SAMPLE.iter().any(is_chosen) {
            continue;
        }
        let Verdict::Refused(what) = case.verdict else {
            panic!("{} is not refused", case.name);
        };
        version += 1;
        publish(&street, &version.to_string(), &case);
        let error = street.import().unwrap_err();
        let text = chain(&error);
        assert!(
            matches!(error, ImportError::Unpack { .. }),
            "{}: {text}",
            case.name
        );
        assert!(text.contains(what), "{}: {text}", case.name);
        // A table that lies of a frame's digest is as good as another archive.
        let differs = case.name == "table-digest-of-a-frame";
        assert_eq!(error.kind() == Kind::Trust, differs, "{}", case.name);
        street.assert_nothing_left();
        assert_eq!(yard.changed(), [""; 0], "{}", case.name);
        assert!(!Path::new("/tmp/hostile-evil").exists());
    }
    assert!(version >= 20, "{version} of the sample were found");
}
