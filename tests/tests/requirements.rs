//! The means of the other tests: pools, and the host's mirror.

use hatchery_tests::{Need, Pool, require};

#[test]
fn a_pool_is_a_file_system_of_its_own_and_gone_afterwards() {
    if !require(&[Need::Btrfs]) {
        return;
    }
    let pool = Pool::btrfs(256 << 20);
    let kind = rustix::fs::statfs(pool.path()).unwrap().f_type;
    assert_eq!(
        u32::try_from(kind).unwrap(),
        0x9123_683e,
        "BTRFS_SUPER_MAGIC"
    );
    std::fs::write(pool.path().join("x"), "x").unwrap();
    let mountpoint = pool.path().to_owned();
    drop(pool);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(mountpoint.to_str().unwrap()), "{mounts}");
    assert!(!mountpoint.exists());
}

#[test]
fn a_program_that_nobody_has_is_missed_by_name() {
    let why = Need::Program("no-such-program").check().unwrap_err();
    assert_eq!(why, "no-such-program is not installed");
}
