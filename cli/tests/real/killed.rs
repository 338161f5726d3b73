//! A build that is killed at any moment leaves nothing but what it had
//! downloaded, and the next one works.

use super::desk::{Desk, NEEDS};
use crate::hatchery::command;
use hatchery_tests::require;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often a build is killed, at moments that are spread over its duration.
const KILLS: u32 = 12;

/// How long the kernel has to end what was in the build's namespaces.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a host would keep of a build.
#[derive(Debug, PartialEq, Eq)]
struct Residue {
    mounts: Vec<String>,
    loops: Vec<String>,
    cgroups: usize,
    /// Processes that name the build's folder or confine something.
    processes: Vec<String>,
}

impl Residue {
    fn look(folder: &Path) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let loops = names("/sys/block").into_iter().filter(|n| {
            n.starts_with("loop")
                && Path::new("/sys/block")
                    .join(n)
                    .join("loop/backing_file")
                    .exists()
        });
        Self {
            mounts: mounts.lines().map(str::to_owned).collect(),
            loops: loops.collect(),
            cgroups: count_folders(Path::new("/sys/fs/cgroup")),
            processes: processes(folder),
        }
    }
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn count_folders(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    folders.map(|f| 1 + count_folders(&f.path())).sum()
}

/// Command lines of processes whose working directory or arguments lie in the
/// folder, or that are a build's helper started from it.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for pid in names("/proc").iter().filter(|n| n.parse::<u32>().is_ok()) {
        let proc = Path::new("/proc").join(pid);
        let line = fs::read(proc.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let environment = fs::read(proc.join("environ")).unwrap_or_default();
        let home = format!("HOME={folder}");
        let cwd = fs::read_link(proc.join("cwd")).unwrap_or_default();
        let is_ours = line.contains(folder)
            || cwd.starts_with(folder)
            || String::from_utf8_lossy(&environment).contains(&home);
        if is_ours {
            found.push(line);
        }
    }
    found
}

fn staging(folder: &Path) -> Vec<String> {
    let mut names = names(folder.to_str().unwrap());
    names.retain(|name| name.starts_with(".#"));
    names
}

#[test]
fn a_build_killed_at_any_moment_leaves_nothing() {
    if !require(&NEEDS) {
        return;
    }
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    let desk = Desk::new(home.path(), "\"tar.zst\"", "");
    desk.fill_cache();
    let begun = Instant::now();
    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let whole = begun.elapsed();
    let before = Residue::look(home.path());
    let tidy = names("/var/tmp");

    for kill in 0..KILLS {
        let _ = fs::remove_dir_all(desk.path("cache/hatchery/base"));
        let mut child = command(home.path())
            .args(Desk::BUILD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * (2 * kill + 1) / (2 * KILLS));
        let is_asked = kill % 3 == 2;
        let signal = if is_asked { Signal::INT } else { Signal::KILL };
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        let _ = kill_process(pid, signal);
        let status = child.wait().unwrap();
        let done = status.success();
        if is_asked && !done {
            assert_eq!(status.code(), Some(130), "asked to stop at {kill}");
            for folder in ["cache/hatchery/work", "cache/hatchery/base", "images"] {
                assert_eq!(
                    staging(&desk.path(folder)),
                    [""; 0],
                    "{folder}, asked to stop"
                );
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while Residue::look(home.path()) != before {
            let now = Residue::look(home.path());
            assert!(
                Instant::now() < deadline,
                "killed at {kill} of {KILLS}: {now:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    let ran = desk.run(&Desk::BUILD);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for folder in ["cache/hatchery/work", "cache/hatchery/base", "images"] {
        assert_eq!(staging(&desk.path(folder)), [""; 0], "{folder}");
    }
    assert_eq!(names("/var/tmp"), tidy);
}
