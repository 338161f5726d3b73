//! One lock and one `SOURCE_DATE_EPOCH` give one image.

use super::desk::{Desk, EPOCH, EPOCH_DAY, NEEDS};
use hatchery_tests::run::run;
use hatchery_tests::{Pool, require};
use std::fs;

/// Formats of the image, whose bytes are compared.
const BOTH: &str = "\"tar.zst\", \"tar.xz\"";

/// Builds on a desk, by a shell that has prepared its surroundings so.
fn build(desk: &Desk, surroundings: &str, arguments: &str) {
    let script = format!(
        "cd '{}' && {surroundings} exec \"$0\" {} {arguments}",
        desk.path("").display(),
        Desk::BUILD.join(" "),
    );
    let cache = format!("XDG_CACHE_HOME={}", desk.path("cache").display());
    let home = format!("HOME={}", desk.path("").display());
    let epoch = format!("SOURCE_DATE_EPOCH={EPOCH}");
    let program = env!("CARGO_BIN_EXE_hatchery");
    run(&[
        "unshare",
        "--uts",
        "env",
        "-i",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        &cache,
        &home,
        &epoch,
        "sh",
        "-c",
        &script,
        program,
    ])
    .unwrap();
}

#[test]
fn the_same_lock_gives_the_same_bytes_in_other_surroundings() {
    if !require(&NEEDS) {
        return;
    }
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    let here = Desk::new(home.path(), BOTH, "hostname = \"one\"");
    here.fill_cache();
    build(&here, "", "");

    let pool = Pool::ext4(3 << 30);
    let elsewhere = pool.path().join("a much longer path, with spaces");
    fs::create_dir(&elsewhere).unwrap();
    let there = here.copy_to(&elsewhere);
    there.fill_cache();
    let surroundings = "umask 077; hostname elsewhere; export TZ=Asia/Tokyo LANG=de_DE.UTF-8 \
                        LC_ALL=de_DE.UTF-8; taskset -c -p 0 $$ >/dev/null;";
    build(&there, surroundings, "--threads 1");
    let image = here.image();
    assert!(image.len() >= 6, "{image:?}");
    assert_eq!(there.image(), image);

    // A change of settings starts from what was kept; taken back, it is as if
    // it had not been.
    here.recipe("", "hostname = \"two\"");
    build(&here, "", "");
    assert_ne!(here.image(), image);
    here.recipe("", "hostname = \"one\"");
    build(&here, "", "");
    assert_eq!(here.image(), image);
    no_clock(&here);
}

/// Nothing in the archive is from a later time than the epoch, which is long
/// before the build.
fn no_clock(desk: &Desk) {
    let archive = desk.path("images/real/real.tar.zst");
    let archive = archive.to_str().unwrap();
    let list = run(&["tar", "--zstd", "--utc", "--full-time", "-tvf", archive]).unwrap();
    let late: Vec<&str> = list
        .lines()
        .filter(|line| line.split_whitespace().nth(3).unwrap() > "2026-01-02")
        .collect();
    assert!(late.is_empty(), "{late:?}");
    let shadow = run(&["tar", "--zstd", "-xOf", archive, "etc/shadow"]).unwrap();
    for line in shadow.lines() {
        assert_eq!(line.split(':').nth(2), Some(EPOCH_DAY), "{line}");
    }
}
