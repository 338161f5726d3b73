//! Archives that are unpacked while they arrive, and the process that does it.

use super::fixture::{LARGE, Street, chain, import};
use super::reluctant::{Manner, Reluctant};
use hatchery_image::Progress;
use hatchery_importer::import::Kind;
use hatchery_importer::unpack::UnpackError;
use hatchery_importer::{ImportError, ImportRequest, Imported};
use hatchery_tests::{Need, require};
use hatchery_transfer::Location;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// An import from a server that keeps half of the archive back.
struct Held {
    street: Street,
    server: Reluctant,
    import: JoinHandle<Result<Imported, ImportError>>,
    progress: Progress,
}

impl Held {
    fn begin() -> Self {
        let street = Street::new();
        let server = Reluctant::serve(street.store(), Manner::Slow);
        let request = from(&street, &server);
        let progress = Progress::silent();
        let shared = progress.clone();
        let import = thread::spawn(move || hatchery_importer::import(&request, &shared));
        Self {
            street,
            server,
            import,
            progress,
        }
    }

    /// The hidden tree, once the first of its files is there.
    fn hidden(&self) -> PathBuf {
        let machines = self.street.places().machines;
        wait_for(|| {
            let entries = fs::read_dir(&machines).ok()?;
            let mut trees = entries.flatten().map(|entry| entry.path());
            trees.find(|tree| tree.join("etc/again").exists())
        })
    }

    /// The process that unpacks: the one whose root the hidden tree is.
    fn unpacker(&self, tree: &Path) -> Pid {
        let inode = |path: &Path| {
            use std::os::unix::fs::MetadataExt as _;
            fs::metadata(path).map(|m| (m.dev(), m.ino())).ok()
        };
        let wanted = inode(tree);
        let number = wait_for(|| {
            fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
                let number: i32 = entry.file_name().to_str()?.parse().ok()?;
                (inode(&entry.path().join("root")) == wanted).then_some(number)
            })
        });
        Pid::from_raw(number).unwrap()
    }
}

fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not appear");
        thread::sleep(Duration::from_millis(10));
    }
}

fn from(street: &Street, server: &Reluctant) -> ImportRequest {
    let mut request = street.request();
    request.repository.locations = vec![Location::parse(&server.url()).unwrap()];
    request
}

#[test]
fn frames_are_unpacked_while_the_rest_is_on_its_way() {
    if !require(&NEEDS) {
        return;
    }
    let held = Held::begin();
    let hidden = held.hidden();
    assert!(!held.street.places().machines.join("m").exists());
    assert!(!hidden.join("usr/noise").exists());
    held.server.let_go();
    let imported = held.import.join().unwrap().unwrap();
    let noise = fs::metadata(imported.path.join("usr/noise")).unwrap();
    assert_eq!(noise.len(), LARGE as u64);
}

#[test]
fn the_process_that_unpacks_has_nothing_but_the_tree() {
    if !require(&NEEDS) {
        return;
    }
    let held = Held::begin();
    let unpacker = held.unpacker(&held.hidden()).as_raw_nonzero();
    let of = |file: &str| PathBuf::from(format!("/proc/{unpacker}/{file}"));
    let status = fs::read_to_string(of("status")).unwrap();
    let line = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{key} in {status}")).trim()
    };
    // chown, dac_override, fowner, fsetid, mknod, setfcap; no more to be had.
    let six = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 27 | 1_u64 << 31;
    for key in ["CapEff:", "CapPrm:", "CapBnd:"] {
        let has = u64::from_str_radix(line(key), 16).unwrap();
        assert_eq!(has & !six, 0, "{key} {has:x}");
    }
    assert_eq!(line("Seccomp:"), "2");
    assert_eq!(line("NoNewPrivs:"), "1");
    // Threads that it made later have the same.
    for task in fs::read_dir(of("task")).unwrap().flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        assert!(status.contains("Seccomp:\t2"), "{status}");
    }
    // Its only mount is the tree, and its network has no address.
    let mounts = fs::read_to_string(of("mountinfo")).unwrap();
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains("nosuid,nodev,noexec"), "{mounts}");
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(fs::read_link(of("ns/net")).unwrap(), ours);
    let sockets = fs::read_to_string(of("net/fib_trie")).unwrap();
    assert!(!sockets.contains("127.0.0.1"), "{sockets}");
    held.server.let_go();
    held.import.join().unwrap().unwrap();
}

#[test]
fn a_killed_unpacker_is_an_error_and_nothing_is_left() {
    if !require(&NEEDS) {
        return;
    }
    let held = Held::begin();
    kill_process(held.unpacker(&held.hidden()), Signal::KILL).unwrap();
    held.server.let_go();
    let error = held.import.join().unwrap().unwrap_err();
    let silent = matches!(
        error,
        ImportError::Unpack {
            source: UnpackError::Silent,
            ..
        }
    );
    assert!(silent, "{}", chain(&error));
    held.street.assert_nothing_left();
}

#[test]
fn a_stopped_import_takes_the_unpacker_along() {
    if !require(&NEEDS) {
        return;
    }
    let held = Held::begin();
    let unpacker = held.unpacker(&held.hidden());
    // Even one that cannot hear.
    kill_process(unpacker, Signal::STOP).unwrap();
    held.progress.stop_flag().store(true, Ordering::Relaxed);
    let error = held.import.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted, "{}", chain(&error));
    let process = PathBuf::from(format!("/proc/{}", unpacker.as_raw_nonzero()));
    assert!(!process.exists());
    held.street.assert_nothing_left();
}

#[test]
fn a_server_without_ranges_will_do() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let server = Reluctant::serve(street.store(), Manner::NoRanges);
    let imported = import(&from(&street, &server)).unwrap();
    assert!(imported.path.join("usr/noise").exists());
}

#[test]
fn other_bytes_of_one_mirror_are_fetched_from_the_next() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let other = street.yard.path("other");
    hatchery_tests::run::run(&["cp", "-a", path(&street.store()), path(&other)]).unwrap();
    let archive = other.join("images/lab/amd64/1/lab.tar.zst");
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();

    let bad = Reluctant::serve(other, Manner::Plain);
    let good = Reluctant::serve(street.store(), Manner::Plain);
    let mut request = from(&street, &bad);
    let error = import(&request).unwrap_err();
    assert_eq!(error.kind(), Kind::Trust, "{}", chain(&error));
    street.assert_nothing_left();
    let good = Location::parse(&good.url()).unwrap();
    request.repository.locations.push(good);
    let imported = import(&request).unwrap();
    assert!(imported.path.join("usr/noise").exists());
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_helper_that_is_none_is_an_error() {
    if !require(&NEEDS) {
        return;
    }
    let street = Street::new();
    let mut request = street.request();
    for program in ["/bin/true", "/nonexistent"] {
        request.helper = vec![program.into()];
        let error = import(&request).unwrap_err();
        assert!(
            matches!(error, ImportError::Unpack { .. }),
            "{}",
            chain(&error)
        );
        street.assert_nothing_left();
    }
}
