//! An import whose other process, the one that unpacks, is stopped: it can
//! still be told to stop, and does not wait for ever. And one of which both are
//! told to stop, as a terminal does.

use crate::hatchery::{Ran, command, ran};
use crate::street::Street;
use hatchery_image::Progress;
use hatchery_image::archive::{PackOptions, pack};
use hatchery_tests::lab::noise;
use hatchery_tests::{Need, require};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const NEEDS: [Need; 2] = [Need::Root, Need::Program("gpg")];

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// How long an import waits for a sign of life, and a busy machine's share.
const SILENCE: Duration = Duration::from_secs(60 + 40);

/// Documented for what the user stopped.
const INTERRUPTED: i32 = 130;

/// So many files of so many bytes are much more than fits between the two
/// processes while one does not read: of every half megabyte that arrives the
/// other one is told, and the kernel holds some 280 such messages.
const FILES: usize = 6;
const SIZE: usize = 40 << 20;

/// A repository of one image of that size, with a table of contents.
fn street() -> Street {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let noise = noise(SIZE);
    for index in 0..FILES {
        fs::write(tree.join(index.to_string()), &noise).unwrap();
    }
    let options = PackOptions {
        source_date_epoch: 0,
        zstd_level: 1,
        xz_level: None,
        threads: 2,
        traces: Vec::new(),
        frames: None,
    };
    let packed = pack(&tree, folder.path(), "lab", &options, &Progress::silent()).unwrap();
    Street::packed(folder.path(), packed)
}

/// The server of a street.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(street: &Street) -> Self {
        let mut serve = command(&street.path(""));
        serve.args(["-q", "serve", "--listen", "127.0.0.1:0", "--store", "store"]);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let (_, url) = line.split_once(" at ").expect(&line);
        let url = url.trim().to_owned();
        Self { child, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// The process that another one has started to unpack.
fn helper_of(pid: u32) -> Option<u32> {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(children).unwrap_or_default();
    let is_helper = |child: &u32| {
        let command = fs::read_to_string(format!("/proc/{child}/cmdline"));
        command.is_ok_and(|command| command.contains("__unpack"))
    };
    let mut children = text.split_whitespace().map(|n| n.parse().unwrap());
    children.find(is_helper)
}

/// Begins an import; it, and its helper. Both are a group, as the shell makes
/// one of what is begun at a terminal.
fn begin(street: &Street, machine: &str, mirror: &OsStr) -> (Child, u32) {
    let mut import = street.import_as(machine, mirror);
    let child = import
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let helper = loop {
        match helper_of(child.id()) {
            Some(helper) => break helper,
            None => assert!(begun.elapsed() < SOON, "it starts no helper"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    (child, helper)
}

/// Begins an import and stops its helper.
fn begin_stopped(street: &Street, machine: &str, mirror: &OsStr) -> Child {
    let (child, helper) = begin(street, machine, mirror);
    signal(helper, Signal::STOP);
    child
}

/// Waits for the end of an import; how long that took.
fn end(mut child: Child, patience: Duration) -> (Ran, Duration) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > patience {
            child.kill().unwrap();
            panic!(
                "still there after {patience:?}: {:?}",
                child.wait_with_output()
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    (ran(&child.wait_with_output().unwrap()), begun.elapsed())
}

/// Machines and what is hidden among them.
fn machines(street: &Street) -> Vec<String> {
    let entries = fs::read_dir(street.path("machines")).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".lck")).collect()
}

#[test]
fn an_import_whose_helper_was_stopped_ends_when_told_and_after_a_while() {
    if !require(&NEEDS) {
        return;
    }
    let street = street();
    let served = Served::start(&street);
    let store = street.path("store");
    // By way of a server, the helper is told of every piece; from a folder,
    // only of the whole.
    let ways = [
        ("web", OsStr::new(&served.url)),
        ("folder", store.as_os_str()),
    ];
    for (name, mirror) in ways {
        let child = begin_stopped(&street, name, mirror);
        // Until it waits for nothing but the helper.
        std::thread::sleep(Duration::from_secs(3));
        signal(child.id(), Signal::TERM);
        let (ran, took) = end(child, SOON);
        assert_eq!(
            ran.code,
            Some(INTERRUPTED),
            "{name} after {took:?}: {ran:?}"
        );
        assert_eq!(machines(&street), [""; 0], "{name}");
    }
    let left = ways.map(|(name, mirror)| begin_stopped(&street, name, mirror));
    for child in left {
        let (ran, took) = end(child, SILENCE);
        assert_eq!(ran.code, Some(1), "after {took:?}: {ran:?}");
        assert!(
            ran.stderr.contains("said nothing for 60 seconds"),
            "{ran:?}"
        );
    }
    assert_eq!(machines(&street), [""; 0]);
}

#[test]
fn ctrl_c_is_an_interruption_whenever_it_comes() {
    if !require(&NEEDS) {
        return;
    }
    let street = street();
    let served = Served::start(&street);
    // While the table arrives, then frames; unpacking takes longer than that.
    for pause in [0, 1, 2, 4, 8, 16, 32, 64, 100] {
        let (child, _) = begin(&street, "web", OsStr::new(&served.url));
        std::thread::sleep(Duration::from_millis(pause));
        let group = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process_group(group, Signal::INT).unwrap();
        let (ran, _) = end(child, SOON);
        assert_eq!(ran.code, Some(INTERRUPTED), "after {pause} ms: {ran:?}");
        assert_eq!(machines(&street), [""; 0], "after {pause} ms");
    }
}
