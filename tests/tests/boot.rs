//! Machines that are booted: what `check` says of good and of broken ones,
//! and that nothing of a check is left however it ends.

use crate::import::fixture::{Street, import};
use crate::wire::fixture::signing;
use hatchery_image::Progress;
use hatchery_image::progress::Event;
use hatchery_image::settings::host0::{self, Host0};
use hatchery_importer::check::{
    CheckError, CheckOptions, CheckReport, ImageTree, Outcome, What, check,
};
use hatchery_importer::{DiskLimit, Pool, network, remove, tree as machine_tree};
use hatchery_tests::lab::pack_tree;
use hatchery_tests::{Need, require, tree};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

const NEEDS: [Need; 3] = [Need::Nspawn, Need::Network, Need::Program("mmdebstrap")];

fn debian() -> PathBuf {
    tree::debian(
        &Path::new(env!("CARGO_TARGET_TMPDIR")).join("trees"),
        "trixie",
    )
}

/// A copy of the tree, changed.
fn changed(change: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    tree::copy(&debian(), &root);
    change(&root);
    (folder, root)
}

fn options(seconds: u64) -> CheckOptions {
    CheckOptions {
        helper: vec![HELPER.into(), "__check".into()],
        timeout: Duration::from_secs(seconds),
        is_machine: false,
    }
}

pub(super) fn boot(root: &Path) -> CheckReport {
    check(root, &options(120), &Progress::silent()).unwrap()
}

fn seen(report: &CheckReport, what: What) -> &str {
    let found = report.checks.iter().find(|check| check.what == what);
    &found
        .unwrap_or_else(|| panic!("{what:?} in {report:?}"))
        .seen
}

/// Everything that could change when a tree is written to.
fn state(root: &Path) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut state = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let stat = entry.metadata().unwrap();
            if stat.is_dir() {
                folders.push(entry.path());
            }
            state.push((entry.path(), stat.modified().unwrap(), stat.len()));
        }
    }
    state.sort();
    state
}

fn write_unit(root: &Path, name: &str, text: &str) {
    let units = root.join("etc/systemd/system");
    fs::write(units.join(name), text).unwrap();
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink(units.join(name), wants.join(name)).unwrap();
}

#[test]
fn a_good_tree_passes_and_is_not_changed() {
    if !require(&NEEDS) {
        return;
    }
    let root = debian();
    let before = state(&root);
    let report = boot(&root);
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.checks.len(), 8, "{report:#?}");
    assert!(report.checks.iter().all(|c| c.outcome == Outcome::Passed));
    assert!(seen(&report, What::Address).contains("by DHCP"));
    assert!(report.boot_milliseconds.is_some());
    assert!(state(&root) == before, "the tree was changed");
}

#[test]
fn what_is_wrong_is_named() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = changed(|root| {
        let broken = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no luck; exit 1'\n";
        write_unit(root, "broken.service", broken);
        let networkd = root.join("etc/systemd/system/systemd-networkd.service");
        symlink("/dev/null", networkd).unwrap();
        fs::remove_file(root.join("etc/resolv.conf")).unwrap();
        fs::write(root.join("etc/resolv.conf"), "nameserver 10.9.8.7\n").unwrap();
        let id = "0123456789abcdef0123456789abcdef\n";
        fs::write(root.join("etc/machine-id"), id).unwrap();
    });
    let report = boot(&root);
    assert!(!report.passed());
    for what in [
        What::MachineIdUnset,
        What::Units,
        What::Address,
        What::ResolvConf,
    ] {
        assert_eq!(report.outcome(what), Some(Outcome::Failed), "{report:#?}");
    }
    let units = seen(&report, What::Units);
    assert!(
        units.contains("broken.service") && units.contains("no luck"),
        "{units}"
    );
    assert!(seen(&report, What::ResolvConf).contains("10.9.8.7"));
    assert_eq!(report.outcome(What::Boot), Some(Outcome::Passed));
}

#[test]
fn a_machine_with_static_addresses_passes() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = changed(|root| {
        let text = "[Match]\nName=host0\n[Network]\nAddress=172.23.0.2/24\n\
                    Gateway=172.23.0.1\nDNS=172.23.0.9\nDNS=9.9.9.9\n";
        let name = "etc/systemd/network/80-container-host0.network";
        fs::write(root.join(name), text).unwrap();
    });
    let report = boot(&root);
    assert!(report.passed(), "{report:#?}");
    let address = seen(&report, What::Address);
    assert_eq!(address, "172.23.0.2/24 static, via 172.23.0.1");
    assert!(seen(&report, What::Name).contains("198.51.100.53"));
}

#[test]
fn the_network_of_an_import_wins_over_the_images_own() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = changed(|root| {
        let own = Host0 {
            address: vec!["172.29.0.9/24".parse().unwrap()].into(),
            ..Host0::default()
        };
        fs::write(root.join(host0::FILE), own.render().unwrap()).unwrap();
        let asked = Host0 {
            address: vec!["172.23.0.2/24".parse().unwrap()].into(),
            gateway: vec!["172.23.0.1".parse().unwrap()].into(),
            dns: vec!["172.23.0.1".parse().unwrap()].into(),
            ..Host0::default()
        };
        let (written, warnings) = network::write(root, &asked, 0).unwrap();
        assert_eq!((written.len(), warnings), (1, Vec::new()));
    });
    let report = boot(&root);
    assert!(report.passed(), "{report:#?}");
    let address = seen(&report, What::Address);
    assert_eq!(address, "172.23.0.2/24 static, via 172.23.0.1");
}

/// A tree whose boot never ends.
fn endless() -> (TempDir, PathBuf) {
    changed(|root| {
        let endless = "[Unit]\nBefore=multi-user.target\n\
                       [Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n";
        write_unit(root, "endless.service", endless);
    })
}

#[test]
fn a_machine_that_does_not_come_up_is_given_up() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = endless();
    let started = Instant::now();
    let report = check(&root, &options(10), &Progress::silent()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(60));
    assert!(!report.passed());
    let boot = seen(&report, What::Boot);
    assert!(boot.contains("endless.service"), "{boot}");
    assert!(!report.console.is_empty());
}

#[test]
fn a_machine_whose_init_fails_shows_its_console() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = changed(|root| {
        let init = root.join("usr/lib/systemd/systemd");
        fs::remove_file(&init).unwrap();
        fs::write(&init, "#!/bin/sh\necho no init today\nexit 7\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&init, mode).unwrap();
    });
    let report = boot(&root);
    assert_eq!(report.outcome(What::Boot), Some(Outcome::Failed));
    assert!(
        report.console.iter().any(|l| l == "no init today"),
        "{report:#?}"
    );
}

#[test]
fn an_image_is_booted_as_built_and_as_imported_with_a_limit() {
    if !require(&NEEDS) || !require(&[Need::Btrfs, Need::Program("gpg")]) {
        return;
    }
    let street = Street::empty();
    let folder = street.yard.path("image");
    let image = pack_tree(&debian(), &folder, "debian", "1", |_| ());

    let scratch = street.yard.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let unpacked = ImageTree::unpack(&folder, &scratch, 2, &Progress::silent()).unwrap();
    let report = boot(unpacked.path());
    assert!(report.passed(), "{report:#?}");
    drop(unpacked);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);

    street.publish_image(image, &signing());
    let pool = Pool::temporary(&street.host.path().join("pool"), 2 << 30).unwrap();
    let mut request = street.request();
    request.reference = "debian".parse().unwrap();
    request.places.machines = pool.machines();
    request.limit = DiskLimit::Bytes(1 << 30);
    let imported = import(&request).unwrap();
    assert!(machine_tree::is_subvolume(&imported.path));
    let mut options = options(120);
    options.is_machine = true;
    let report = check(&imported.path, &options, &Progress::silent()).unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.checks.len(), 8);
    remove(&request.machine, &request.places, &Progress::silent()).unwrap();
    drop(pool);
    assert!(!street.host.path().join("pool").exists());
}

#[test]
fn a_folder_without_a_system_is_refused() {
    if !require(&[Need::Nspawn]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let result = check(folder.path(), &options(10), &Progress::silent());
    assert!(matches!(result, Err(CheckError::NoInit { .. })));
    let absent = folder.path().join("absent");
    let result = check(&absent, &options(10), &Progress::silent());
    assert!(matches!(result, Err(CheckError::Tree { .. })));
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse().ok());
    let parent = |child: u32| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("PPid:"))?;
        line.trim().parse::<u32>().ok()
    };
    pids.filter(|child| parent(*child) == Some(pid)).collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// Control groups of the check whose outer helper is `pid`.
fn groups(pid: u32) -> Vec<PathBuf> {
    fn walk(folder: &Path, name: &str, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name() == name {
                found.push(entry.path());
            } else if entry.file_type()?.is_dir() {
                let _ = walk(&entry.path(), name, found);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    let name = format!("hatchery-check-{pid}");
    let _ = walk(Path::new("/sys/fs/cgroup"), &name, &mut found);
    found
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a process is to be killed")]
fn killing_the_command_kills_the_machine_and_leaves_nothing() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = endless();
    let mut command = std::process::Command::new(HELPER)
        .args(["check".as_ref(), root.as_os_str()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The machine's own processes are there: it boots.
    eventually("the machine starts", || descendants(command.id()).len() > 8);
    let all = descendants(command.id());
    let outer = children(command.id())[0];
    assert!(!groups(outer).is_empty());

    command.kill().unwrap();
    command.wait().unwrap();
    eventually("all processes end", || {
        !all.iter().any(|pid| is_alive(*pid))
    });
    eventually("control groups are removed", || groups(outer).is_empty());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("hatchery-check"), "{mounts}");
    assert!(!Path::new("/run/hatchery-check").exists());
}

#[test]
fn an_interrupted_check_stops_at_once() {
    if !require(&NEEDS) {
        return;
    }
    let (_folder, root) = endless();
    let progress = Progress::new(|_: Event| ());
    let stop = progress.stop_flag();
    let interrupt = thread::spawn(move || {
        thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let result = check(&root, &options(120), &progress);
    let ended = Instant::now();
    assert!(
        matches!(result, Err(CheckError::Interrupted(_))),
        "{result:?}"
    );
    assert!(ended - interrupt.join().unwrap() < Duration::from_secs(5));
    assert!(children(std::process::id()).is_empty());
}
