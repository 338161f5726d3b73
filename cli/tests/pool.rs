//! Pools, limits and the status of machines as a user sees them.

use crate::hatchery::{Home, Ran, run};
use hatchery_tests::run::run as run_program;
use hatchery_tests::{Need, lab, require};
use std::fs;
use std::path::PathBuf;

const NEEDS: [Need; 3] = [Need::Btrfs, Need::Program("btrfs"), Need::Program("gpg")];

/// A host with a repository of one image, and room for a pool on a file
/// system that limits nothing.
struct Host {
    home: Home,
    folder: PathBuf,
}

impl Host {
    fn new() -> Self {
        let home = Home::new();
        let folder = home.path().join("host");
        fs::create_dir(&folder).unwrap();
        let target = folder.to_str().unwrap();
        run_program(&["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", target]).unwrap();
        let path = home.path();
        let signer = lab::key(&path.join("gnupg"), "Host <host@example.org>");
        fs::write(path.join("key.pgp"), signer.public_key().unwrap()).unwrap();
        let _ = lab::image(&path.join("lab"), "1", "one", &signer);
        let ran = run(path, &["publish", "lab", "--store", "store"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        Self { home, folder }
    }

    fn machines(&self) -> PathBuf {
        self.folder.join("machines")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let machines = self.machines();
        let places = ["--machines", machines.to_str().unwrap(), "--state", "state"];
        run(self.home.path(), &[arguments, &places[..]].concat())
    }

    fn import(&self, arguments: &[&str]) -> Ran {
        let store = self.home.path().join("store");
        let from = ["import", "lab", "--mirror", store.to_str().unwrap()];
        let trust = ["--key", "key.pgp", "--nspawn", "nspawn", "--units", "units"];
        self.run(&[&from[..], &trust, arguments].concat())
    }

    fn pool(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["pool"], arguments, &["--units", "units"]].concat())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for path in [&self.machines(), &self.folder] {
            let _ = run_program(&["umount", "--lazy", path.to_str().unwrap()]);
        }
    }
}

fn assert_ok(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_host_without_limits_gets_a_pool_when_it_asks_for_one() {
    if !require(&NEEDS) {
        return;
    }
    let host = Host::new();
    // Never silently: the way out is said, and nothing is made.
    let refused = host.import(&["--limit", "64M"]);
    assert_eq!(refused.code, Some(6), "{refused:?}");
    assert!(
        refused.stderr.contains("hatchery pool create --size"),
        "{refused:?}"
    );
    assert!(!host.folder.join("machines.raw").exists());
    let none = host.pool(&["status"]);
    assert_eq!(none.code, Some(8), "{none:?}");

    let imported = host.import(&["--limit", "64M", "--pool", "256M"]);
    assert_ok(&imported);
    let raw = host.folder.join("machines.raw");
    // Said before it was done.
    let said = format!("making a btrfs of 268435456 bytes in {}", raw.display());
    assert!(imported.stderr.contains(&said), "{imported:?}");
    assert!(raw.exists());
    // The second time it is there.
    assert_ok(&host.import(&["--as", "other", "--pool", "256M"]));

    let status = host.run(&["status", "lab", "--no-update-check"]);
    assert_ok(&status);
    for text in [
        "limit      64.0 MiB (btrfs quota group)",
        "version    1\n",
        "stopped",
    ] {
        assert!(status.stdout.contains(text), "{status:?}");
    }
    let changed = host.run(&["limit", "lab", "96M"]);
    assert_ok(&changed);
    assert!(
        changed.stdout.contains("96.0 MiB (before: 64.0 MiB)"),
        "{changed:?}"
    );
    let below = host.run(&["limit", "lab", "1K"]);
    assert_eq!(below.code, Some(8), "{below:?}");
    assert!(below.stderr.contains("1024"), "{below:?}");
    let absent = host.run(&["limit", "absent", "1G"]);
    assert_eq!(absent.code, Some(8), "{absent:?}");
    assert_ok(&host.run(&["limit", "--pool", "200M"]));

    assert_ok(&host.pool(&["grow", "384M"]));
    let pool = host.pool(&["status"]);
    assert_ok(&pool);
    for text in ["384.0 MiB", "limit      200.0 MiB", "lab, other"] {
        assert!(pool.stdout.contains(text), "{pool:?}");
    }
    assert_eq!(host.pool(&["remove"]).code, Some(8));
    for name in ["lab", "other"] {
        assert_ok(&host.run(&["remove", name, "--nspawn", "nspawn"]));
    }
    assert_ok(&host.pool(&["remove"]));
    assert!(!raw.exists());
}

#[test]
fn a_limit_that_machinectl_would_set_is_listed_as_it_is() {
    if !require(&NEEDS) {
        return;
    }
    let host = Host::new();
    assert_ok(&host.import(&["--limit", "64M", "--pool", "256M"]));
    let tree = host.machines().join("lab");
    let id = [
        "btrfs",
        "inspect-internal",
        "rootid",
        tree.to_str().unwrap(),
    ];
    let id = run_program(&id).unwrap();
    let machines = host.machines();
    for level in [0, 254] {
        let group = format!("{level}/{}", id.trim());
        let limit = ["btrfs", "qgroup", "limit", "128M", &group];
        run_program(&[&limit[..], &[machines.to_str().unwrap()]].concat()).unwrap();
    }
    let listed = host.run(&["list"]);
    assert!(listed.stdout.contains("128.0 MiB"), "{listed:?}");
    let status = host.run(&["status", "--no-update-check", "--json"]);
    assert!(status.stdout.contains("\"limit\":134217728"), "{status:?}");
}

#[test]
fn a_limit_needs_a_size_that_can_be_read() {
    let home = Home::new();
    for arguments in [
        &["limit"][..],
        &["limit", "web"],
        &["limit", "web", "16GB"],
        &["limit", "web", "16G", "--pool", "1G"],
        &["pool", "create"],
    ] {
        let ran = run(home.path(), arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}
