//! `hatchery host bridge` in a network namespace, as a user drives it: what it
//! writes, what it refuses, and that it can be undone. That networkd makes the
//! bridge of it is seen on a host that is booted.

use crate::hatchery::{ran, shell};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Program("ip"),
    Need::Program("nft"),
    Need::Program("systemctl"),
];

/// A host with a network namespace of its own.
struct Host {
    dir: TempDir,
    namespace: String,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let unique = dir.path().file_name().unwrap().to_string_lossy();
        let namespace = format!("hatchery-{}", unique.trim_start_matches('.'));
        run(&["ip", "netns", "add", &namespace]).unwrap();
        Self { dir, namespace }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn inside(&self, argv: &[&str]) -> Result<String, String> {
        let enter = ["ip", "netns", "exec", &self.namespace];
        run(&[&enter, argv].concat())
    }

    /// Runs `hatchery host …` in the namespace: whether it worked, stdout and
    /// stderr.
    fn host(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = shell("exec ip netns exec \"$@\"");
        let program = [&self.namespace, env!("CARGO_BIN_EXE_hatchery"), "host"];
        command.arg("sh").args(program).args(arguments);
        for (flag, name) in [
            ("--state", "state"),
            ("--etc", "etc"),
            ("--nspawn", "nspawn"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        let ran = ran(&command.output().unwrap());
        (ran.code == Some(0), ran.stdout, ran.stderr)
    }

    fn files(&self) -> Vec<PathBuf> {
        let folders = ["etc/systemd/network", "etc/sysctl.d", "state/host"];
        let entries = folders
            .iter()
            .flat_map(|f| fs::read_dir(self.path(f)).into_iter().flatten());
        entries.flatten().map(|entry| entry.path()).collect()
    }

    fn forwards(&self) -> bool {
        self.inside(&["cat", "/proc/sys/net/ipv4/ip_forward"])
            .unwrap()
            .trim()
            == "1"
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = run(&["ip", "netns", "delete", &self.namespace]);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_bridge_is_described_mended_and_taken_away() {
    if !require(&NEEDS) {
        return;
    }
    let host = Host::new();
    let was_forwarding = host.forwards();
    let make = ["bridge", "br7", "172.23.7.1/24"];
    let (worked, _, stderr) = host.host(&make);
    assert!(worked, "{stderr}");
    let network = host.path("etc/systemd/network/50-hatchery-br7.network");
    let text = read(&network);
    assert!(
        text.contains("Address=172.23.7.1/24\nIPMasquerade=ipv4\n"),
        "{text}"
    );
    assert!(host.forwards());
    let sysctl = read(&host.path("etc/sysctl.d/50-hatchery-br7.conf"));
    assert_eq!(sysctl, "net.ipv4.ip_forward = 1\n");

    // Once more mends; another address is refused.
    fs::remove_file(&network).unwrap();
    assert!(host.host(&make).0);
    assert_eq!(read(&network), text);
    let (worked, _, stderr) = host.host(&["bridge", "br7", "172.24.7.1/24"]);
    assert!(!worked && stderr.contains("--remove"), "{stderr}");

    // While a machine uses it, it stays.
    fs::create_dir_all(host.path("nspawn")).unwrap();
    let settings = host.path("nspawn/web.nspawn");
    fs::write(&settings, "[Network]\nBridge=br7\n").unwrap();
    let (worked, _, stderr) = host.host(&["bridge", "br7", "--remove"]);
    assert!(!worked && stderr.contains("used by web"), "{stderr}");
    let (_, stdout, _) = host.host(&["status"]);
    assert!(stdout.contains("machines   web"), "{stdout}");
    fs::remove_file(settings).unwrap();

    let (worked, stdout, stderr) = host.host(&["bridge", "br7", "--remove"]);
    assert!(worked, "{stderr}");
    assert_eq!(host.files(), Vec::<PathBuf>::new(), "{stdout}");
    assert_eq!(host.forwards(), was_forwarding);
    assert!(!host.host(&["bridge", "br7", "--remove"]).0);
}

#[test]
fn what_others_have_is_left_alone() {
    if !require(&NEEDS) {
        return;
    }
    let host = Host::new();
    let refused = |arguments: &[&str], why: &str| {
        let (worked, _, stderr) = host.host(arguments);
        assert!(!worked && stderr.contains(why), "{arguments:?}: {stderr}");
        assert_eq!(host.files(), Vec::<PathBuf>::new());
    };
    refused(&["bridge", "br7", "172.23.7.0/24"], "no address of a host");
    refused(
        &["bridge", "br7", "172.23.7.255/24"],
        "no address of a host",
    );
    refused(&["bridge", "br7", "172.23.7.1/31"], "no room");
    host.inside(&["ip", "link", "add", "br7", "type", "bridge"])
        .unwrap();
    refused(&["bridge", "br7", "172.23.7.1/24"], "did not make");
    host.inside(&["ip", "address", "add", "172.23.7.9/16", "dev", "br7"])
        .unwrap();
    host.inside(&["ip", "link", "set", "br7", "up"]).unwrap();
    refused(
        &["bridge", "br8", "172.23.8.1/24"],
        "overlaps with 172.23.0.0/16",
    );

    let theirs = host.path("etc/systemd/network/50-hatchery-br9.network");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "[Match]\nName=mine\n").unwrap();
    let (worked, _, stderr) = host.host(&["bridge", "br9", "172.25.7.1/24"]);
    assert!(!worked && stderr.contains("exists already"), "{stderr}");
    assert_eq!(read(&theirs), "[Match]\nName=mine\n");

    // A file that was changed since is left.
    fs::remove_file(&theirs).unwrap();
    assert!(host.host(&["bridge", "br9", "172.25.7.1/24"]).0);
    fs::write(&theirs, "[Match]\nName=mine\n").unwrap();
    let (worked, stdout, _) = host.host(&["bridge", "br9", "--remove"]);
    assert!(worked && stdout.contains("left, because"), "{stdout}");
    assert_eq!(read(&theirs), "[Match]\nName=mine\n");
}

#[test]
fn a_firewall_that_drops_is_said_with_what_opens_it() {
    if !require(&NEEDS) {
        return;
    }
    let host = Host::new();
    for rules in [
        "add table inet fw",
        "add chain inet fw in { type filter hook input priority 0; policy drop; }",
        "add chain inet fw through { type filter hook forward priority 0; policy drop; }",
    ] {
        host.inside(&["nft", rules]).unwrap();
    }
    let (worked, stdout, stderr) = host.host(&["bridge", "br7", "172.23.7.1/24"]);
    assert!(worked, "{stderr}");
    let commands: Vec<_> = stdout.lines().filter(|l| l.starts_with("  nft ")).collect();
    assert_eq!(commands.len(), 3, "{stdout}");
    // They are what nft takes, and open it.
    for command in commands {
        let argv: Vec<_> = command.split_whitespace().collect();
        host.inside(&argv).unwrap();
    }
    let (_, stdout, _) = host.host(&["status"]);
    assert!(!stdout.contains("firewall"), "{stdout}");
    assert!(host.host(&["bridge", "br7", "--remove"]).0);
}
