//! Limits beside a real machined: what it sets we see, and what we set it has
//! set. It runs in a machine that is booted for that, with a btrfs as its
//! folder of machines.

use hatchery_importer::tree as machine_tree;
use hatchery_tests::run::run;
use hatchery_tests::{Need, Pool, require, tree};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

const NEEDS: [Need; 4] = [
    Need::Nspawn,
    Need::Btrfs,
    Need::Network,
    Need::Program("mmdebstrap"),
];

const MIB: u64 = 1 << 20;

/// What is done in the machine. Its own loader and libraries may be older
/// than those that the program was linked with.
const CHECKS: &str = r#"#!/bin/sh
exec >/checked 2>&1
hatchery() { /opt/libraries/loader --library-path /opt/libraries /opt/hatchery "$@"; }
systemctl start systemd-machined
echo "== ours"
hatchery limit m 96M
machinectl image-status m
echo "== others"
machinectl set-limit m 64M
hatchery status m --no-update-check --json
echo "== below"
hatchery limit m 1K
echo "exit $?"
echo "== infinity"
hatchery limit m infinity
machinectl image-status m
echo "== pool"
hatchery limit --pool 400M
busctl get-property org.freedesktop.machine1 /org/freedesktop/machine1 \
    org.freedesktop.machine1.Manager PoolLimit
echo "== without"
systemctl mask --now --runtime systemd-machined
hatchery limit m 128M
echo "== end"
"#;

const UNIT: &str = "\
[Unit]
Wants=dbus.service
After=dbus.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/opt/check
TimeoutStartSec=90
";

#[test]
fn machined_and_we_agree_on_limits() {
    if !require(&NEEDS) {
        return;
    }
    let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("host");
    tree::copy(
        &tree::debian_with(&trees, "trixie", "systemd-container"),
        &root,
    );
    add_program(&root);
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    fs::write(root.join("etc/systemd/system/check.service"), UNIT).unwrap();
    symlink("../check.service", wants.join("check.service")).unwrap();
    let check = root.join("opt/check");
    fs::write(&check, CHECKS).unwrap();
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();

    let pool = Pool::btrfs(512 * MIB);
    machine_tree::make(&pool.path().join("m")).unwrap();
    let bind = format!("--bind={}:/var/lib/machines", pool.path().display());
    let directory = format!("--directory={}", root.display());
    let machine = ["timeout", "180", "systemd-nspawn", "--quiet", "--boot"];
    let unregistered = ["--register=no", "--keep-unit", "--private-network"];
    let booted = run(&[&machine[..], &unregistered, &[&directory, &bind]].concat());

    let said = fs::read_to_string(root.join("checked")).unwrap_or_default();
    assert!(said.contains("== end"), "{said}\n{booted:?}");
    let part = |name: &str| {
        let (_, rest) = said.split_once(&format!("== {name}\n")).unwrap();
        rest.split("== ").next().unwrap()
    };
    assert!(part("others").contains("\"limit\":67108864"), "{said}");
    let ours = part("ours");
    assert!(ours.contains("systemd-machined: limiting m"), "{said}");
    assert!(ours.contains("set by systemd-machined"), "{said}");
    assert!(
        ours.contains("Limit: 96") || ours.contains("Limit: 96.0M"),
        "{said}"
    );
    assert!(part("below").contains("exit 8"), "{said}");
    assert!(!part("infinity").contains("Limit:"), "{said}");
    assert!(part("infinity").contains("Usage:"), "{said}");
    assert!(part("pool").contains("t 419430400"), "{said}");
    let without = part("without");
    assert!(without.contains("128.0 MiB"), "{said}");
    assert!(!without.contains("set by systemd-machined"), "{said}");
}

/// Puts the program under test, its loader and its libraries into a tree.
fn add_program(root: &Path) {
    let program = env!("CARGO_BIN_EXE_hatchery");
    fs::copy(program, root.join("opt/hatchery")).unwrap();
    let libraries = root.join("opt/libraries");
    fs::create_dir(&libraries).unwrap();
    for line in run(&["ldd", program]).unwrap().lines() {
        // "libx.so => /lib/libx.so (0x…)" or "/lib64/ld.so (0x…)".
        let path = line.rsplit("=> ").next().unwrap_or(line).trim();
        let path = Path::new(path.split(" (").next().unwrap_or_default());
        if path.is_absolute() {
            let name = path.file_name().unwrap();
            fs::copy(path, libraries.join(name)).unwrap();
            if !line.contains("=>") {
                symlink(name, libraries.join("loader")).unwrap();
            }
        }
    }
}
