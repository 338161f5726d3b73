//! machinectl and hatchery on the same machines.

use super::booted::Host;
use super::street::Street;
use super::{NEEDS, import, inside, left};
use hatchery_tests::require;

#[test]
fn machinectl_and_hatchery_agree_on_a_machine_from_import_to_removal() {
    if !require(&NEEDS) {
        return;
    }
    let host = Street::of("bookworm").boot();
    let before = left(&host);
    import(&host, "--limit 1G");
    let images = host.run("machinectl list-images --no-legend");
    let words: Vec<&str> = images.split_whitespace().take(3).collect();
    assert_eq!(words, ["lab", "subvolume", "no"], "{images}");
    limits(&host);

    host.run("machinectl start lab");
    let state = "systemctl is-system-running --wait || systemctl --failed --no-legend";
    assert_eq!(inside(&host, "lab", state), "running\n");
    let list = host.run("machinectl list --no-legend");
    assert!(list.starts_with("lab"), "{list}");
    let refused = host.tried("hatchery remove lab").unwrap_err();
    assert!(refused.contains("lab is running"), "{refused}");
    host.run("machinectl poweroff lab");
    host.soon("! machinectl status lab");

    twin(&host);
    host.run("hatchery remove lab");
    assert_eq!(left(&host), before);
}

/// Each sees the limit that the other one sets.
fn limits(host: &Host) {
    let theirs = || host.run("machinectl image-status lab | grep Limit");
    let ours = || host.run("hatchery status lab --no-update-check --json");
    assert_eq!(theirs().trim(), "Limit: 1.0G");
    host.run("hatchery limit lab 2G");
    assert_eq!(theirs().trim(), "Limit: 2.0G");
    host.run("machinectl set-limit lab 1536M");
    assert!(ours().contains("\"limit\":1610612736"), "{}", ours());
}

/// A clone of machinectl's is a machine, and machinectl removes it.
fn twin(host: &Host) {
    host.run("machinectl clone lab twin");
    host.run("machinectl start twin");
    inside(host, "twin", "true");
    host.run("machinectl terminate twin");
    host.soon("! machinectl status twin");
    host.soon("machinectl remove twin");
}
