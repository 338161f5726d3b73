//! A lock is obeyed, and refuses to drift.

use super::desk::{Desk, NEEDS};
use hatchery_tests::require;
use std::fs;

#[test]
fn a_lock_is_obeyed_from_an_empty_cache_and_refuses_to_drift() {
    if !require(&NEEDS) {
        return;
    }
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    let desk = Desk::new(home.path(), "\"tar.zst\"", "");
    let lock = fs::read_to_string(desk.path("real.lock")).unwrap();

    // From nothing: the packages are fetched, and no index is.
    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!desk.path("cache/hatchery/index").exists());
    let image = fs::read_to_string(desk.path("images/real/real.lock")).unwrap();
    assert_eq!(image, lock, "the image says what it was built of");

    // Another recipe is another lock.
    desk.recipe(", \"nano\"", "");
    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("the package nano was added"), "{ran:?}");
    desk.recipe("", "");

    // A package that no mirror has any more, and is in no cache.
    let digest = |text: &str| {
        let line = text
            .lines()
            .find(|l| l.starts_with("sha256 = ") && !l.contains('['));
        line.unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let package = &lock[lock.find("[[package]]").unwrap()..];
    let old = digest(package);
    fs::write(desk.path("real.lock"), lock.replace(&old, &"0".repeat(64))).unwrap();
    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("its SHA-256 is"), "{ran:?}");
    let after = fs::read_to_string(desk.path("images/real/real.lock")).unwrap();
    assert_eq!(after, lock, "the image that was there stays");
}
