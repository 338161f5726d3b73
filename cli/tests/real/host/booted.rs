//! A booted host: a Debian machine, in whose own systemd, machined and
//! networkd the program under test meets what it meets on a real host.

use super::groups::Groups;
use super::lan::Lan;
use crate::hatchery::Home;
use hatchery_tests::Pool;
use hatchery_tests::run::{run, start};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The size of the file system of its machines.
const POOL: u64 = 4 << 30;

/// How long it may take to boot.
const BOOT: Duration = Duration::from_secs(60);

/// How long a command on it may take.
const COMMAND: &str = "RuntimeMaxSec=60";

/// Starts it: in control groups of its own (the first argument), and in
/// namespaces that end with it; with more options of systemd-nspawn. The
/// network namespace is the LAN. A private /run keeps what systemd-nspawn
/// leaves there away from other machines; /sys stays read-only, because with a
/// writable one links are waited for that udev would announce.
const START: &str = r#"
for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done
shift
exec setpriv --pdeathsig KILL \
    unshare --net --mount --pid --fork --kill-child --mount-proc sh -ec '
        mount -t tmpfs -o mode=755 tmpfs /run
        export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
        exec systemd-nspawn --quiet --boot --register=no --keep-unit --machine=host \
            --volatile=overlay --network-veth --resolv-conf=off --capability=all "$@"
    ' sh "$@"
"#;

/// The host. It and all that it runs ends when this is dropped.
#[derive(Debug)]
pub(super) struct Host {
    // Dropped in this order: what runs, where it ran, and what it used.
    running: Running,
    _groups: Groups,
    _pool: Pool,
    _home: Home,
    _folder: TempDir,
    lan: Lan,
}

/// The process that all of the host's are descendants of.
#[derive(Debug)]
struct Running {
    process: Child,
    /// systemd of the host, as this machine numbers it.
    leader: u32,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its child dies with it, and that is process 1 of all others.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Host {
    /// Boots a tree, which is not changed, with the store of `home` at
    /// /srv/store and this configuration of its link to the LAN.
    pub(super) fn boot(tree: &Path, home: Home, link: &str) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let link_file = folder.path().join("link");
        fs::write(&link_file, link).unwrap();
        let pool = Pool::btrfs(POOL);
        let groups = Groups::make();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let binds = [
            (pool.path(), "/var/lib/machines"),
            (&home.path().join("store"), "/srv/store"),
            (&link_file, "/etc/systemd/network/20-lan.network"),
            (
                env!("CARGO_BIN_EXE_hatchery").as_ref(),
                "/usr/local/bin/hatchery",
            ),
        ];
        let mut options = vec![format!("--directory={}", text(tree))];
        options.extend(binds.map(|(from, to)| format!("--bind={}:{to}", text(from))));
        let groups_of: Vec<String> = groups.paths().map(text).collect();
        let groups_of = groups_of.join(" ");
        let mut argv = vec!["sh", "-c", START, "sh", &groups_of];
        argv.extend(options.iter().map(String::as_str));
        let process = start(&argv, &folder.path().join("console")).unwrap();
        let mut running = Running { process, leader: 0 };
        let console = || fs::read_to_string(folder.path().join("console")).unwrap_or_default();
        let deadline = Instant::now() + BOOT;
        let lan = loop {
            if let Some(lan) = running.look() {
                break lan;
            }
            assert!(Instant::now() < deadline, "does not boot: {}", console());
            std::thread::sleep(Duration::from_millis(100));
        };
        let host = Self {
            running,
            _groups: groups,
            _pool: pool,
            _home: home,
            _folder: folder,
            lan,
        };
        host.settle();
        host
    }

    /// Waits until it and its link to the LAN are up.
    fn settle(&self) {
        self.lan.join("ve-host").unwrap();
        let said = self.run("systemctl is-system-running --wait || systemctl --failed");
        assert_eq!(said.trim(), "running");
        self.run("/lib/systemd/systemd-networkd-wait-online --interface=host0 --timeout=20");
    }

    /// What a command of the host's says, which must end well.
    #[track_caller]
    pub(super) fn run(&self, command: &str) -> String {
        match self.tried(command) {
            Ok(said) => said,
            Err(why) => panic!("{why}\n{}", self.journal()),
        }
    }

    /// What a command of the host's says, or how it failed. It is a service
    /// there, with an environment and a control group of the host's.
    pub(super) fn tried(&self, command: &str) -> Result<String, String> {
        let leader = self.running.leader.to_string();
        let enter = ["nsenter", "--target", &leader];
        let spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root"];
        let service = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect"];
        let bound = ["--property", COMMAND];
        let shell = ["sh", "-ec", command];
        run(&[&enter[..], &spaces, &service, &bound, &shell].concat())
    }

    /// Repeats a command until it ends well; what it said then.
    #[track_caller]
    pub(super) fn soon(&self, command: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.tried(command) {
                Ok(said) => return said,
                Err(why) if Instant::now() > deadline => panic!("{why}\n{}", self.journal()),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    fn journal(&self) -> String {
        self.tried("journalctl --no-pager --lines=400 | grep -v run-u | tail -60")
            .unwrap_or_default()
    }

    /// The network that it is in.
    pub(super) fn lan(&self) -> &Lan {
        &self.lan
    }
}

impl Running {
    /// Its network, once systemd answers in the machine.
    fn look(&mut self) -> Option<Lan> {
        let ended = self.process.try_wait().unwrap();
        assert!(ended.is_none(), "systemd-nspawn ended: {ended:?}");
        let nspawn = child_of(self.process.id())?;
        self.leader = child_of(nspawn)?;
        let leader = self.leader.to_string();
        let enter = ["nsenter", "--target", &leader, "--mount", "--pid", "--root"];
        let bus = ["busctl", "status"];
        run(&[&enter[..], &bus].concat()).ok()?;
        Lan::of(self.process.id())
    }
}

/// The first child of a process.
fn child_of(process: u32) -> Option<u32> {
    let children = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(children).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
