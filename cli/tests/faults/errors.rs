//! Imports that the system refuses something: once at each call that makes
//! something visible or lasting, and for real on file systems that are full.

use super::NEEDS;
use super::calls::{Point, points, points_from, sample};
use super::host::{Host, Seen, Wish, stale_groups};
use super::repository::Repository;
use super::run::program;
use hatchery_tests::{Pool, require};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// Calls whose refusal must not go unnoticed.
const REFUSED: [&str; 22] = [
    "fsync",
    "fdatasync",
    "syncfs",
    "write",
    "pwrite64",
    "rename",
    "renameat2",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "mknodat",
    "symlinkat",
    "openat",
    "openat2",
    "ftruncate",
    "fallocate",
    "ioctl",
    "fchownat",
    "fchmod",
    "utimensat",
    "copy_file_range",
];
/// What is refused, in turn, and what the system calls it.
const ERRORS: [(&str, &str); 3] = [
    ("EIO", "Input/output error"),
    ("ENOSPC", "No space left on device"),
    ("EDQUOT", "Disk quota exceeded"),
];
/// Points of each verb on each kind of host, about.
const POINTS: usize = 90;

/// What a trial came to.
#[derive(Default)]
struct Figures {
    refused: usize,
    borne: usize,
    calls: BTreeSet<String>,
    /// Those that were not told well.
    unsaid: Vec<String>,
}

/// A command, what is there before it and after it, and how to go back.
struct Verb<'v> {
    arguments: Vec<String>,
    back: Vec<String>,
    states: [&'v Seen; 2],
}

fn refuse(
    host: &Host<'_>,
    verb: &Verb<'_>,
    (points, errors): (&[Point], &[(&str, &str)]),
    figures: &mut Figures,
) {
    let [before, after] = verb.states;
    for (index, point) in points.iter().enumerate() {
        let (errno, text) = errors[index % errors.len()];
        let context = format!("{errno} at {} {}", point.call, point.number);
        let ran = host.traced(&point.options(&format!("error={errno}")), &verb.arguments);
        let seen = host.see();
        if ran.code == Some(0) {
            // Borne: a lock that is not needed, a time that only helps.
            assert!(seen == *after, "{context}: done, but not all of it");
            figures.borne += 1;
            host.succeed(&verb.back);
            continue;
        }
        assert!(ran.code.is_some_and(|code| code != 0), "{context}: {ran:?}");
        // What was being done to which path, and why that failed.
        if !(ran.stderr.contains("cannot ") && ran.stderr.contains(text)) {
            figures.unsaid.push(format!("{context}: {}", ran.stderr));
        }
        figures.refused += 1;
        figures.calls.insert(point.call.clone());
        if ran.stderr.contains("standard output") {
            // It was done, and only that could not be said.
            assert!(seen == *after, "{context}: {ran:?}");
            host.succeed(&verb.back);
            assert!(host.see() == *before, "{context}, and back");
        } else {
            assert_eq!(seen.record, before.record, "{context}: {ran:?}");
            assert_eq!(seen.settings, before.settings, "{context}: {ran:?}");
            assert!(
                seen.tree == before.tree,
                "{context}: {ran:?}: {:?}",
                seen.tree
            );
        }
        assert_eq!(host.leftovers(), [""; 0], "{context}: {ran:?}");
    }
}

fn trial(repository: &Repository, root: &Path, wish: Wish) -> Figures {
    let host = Host::new(repository, root, wish);
    let (import, replace) = (host.import("1", false), host.import("2", true));
    host.succeed(&import);
    host.succeed(&host.remove());
    let chosen = |arguments: &[String]| {
        let mut found = points(&host, arguments);
        found.retain(|point| REFUSED.contains(&point.call.as_str()));
        sample(&found, POINTS)
    };
    let for_import = chosen(&import);
    let one = host.see();
    let for_replace = chosen(&replace);
    let two = host.see();
    host.succeed(&host.remove());

    let mut figures = Figures::default();
    let nothing = Seen::NOTHING;
    let verb = Verb {
        arguments: import.clone(),
        back: host.remove(),
        states: [&nothing, &one],
    };
    refuse(&host, &verb, (&for_import, &ERRORS), &mut figures);
    host.succeed(&import);
    let verb = Verb {
        arguments: replace,
        back: host.import("1", true),
        states: [&one, &two],
    };
    refuse(&host, &verb, (&for_replace, &ERRORS), &mut figures);
    host.succeed(&host.remove());
    assert_eq!(host.see(), nothing);
    figures
}

#[test]
fn a_call_that_is_refused_is_said_and_nothing_is_half_done() {
    if !require(&NEEDS) {
        return;
    }
    let begun = Instant::now();
    let repository = Repository::new();
    let (memory, disk) = (Pool::tmpfs(64 << 20), Pool::btrfs(512 << 20));
    let wish = |limit, settings| Wish { limit, settings };
    let trials = [
        (memory.path(), wish(false, true)),
        (disk.path(), wish(true, true)),
    ];
    let all: Vec<Figures> = std::thread::scope(|scope| {
        let start = |(pool, wish): (&Path, Wish)| {
            let (repository, root) = (&repository, pool.join("host"));
            scope.spawn(move || trial(repository, &root, wish))
        };
        let running = trials.map(start);
        running.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(stale_groups(disk.path()), [""; 0]);
    let refused: usize = all.iter().map(|f| f.refused).sum();
    let borne: usize = all.iter().map(|f| f.borne).sum();
    let calls: BTreeSet<&String> = all.iter().flat_map(|f| &f.calls).collect();
    let unsaid: Vec<&String> = all.iter().flat_map(|f| &f.unsaid).collect();
    println!(
        "{refused} refusals told, {borne} borne, in {:?}: {calls:?}",
        begun.elapsed()
    );
    assert_eq!(unsaid, [""; 0]);
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_disk_that_is_full_at_any_step_of_an_exchange_leaves_the_old_or_the_new() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let wish = Wish {
        limit: false,
        settings: true,
    };
    let host = Host::new(&repository, memory.path(), wish);
    // The third one of these removes what the first one has kept.
    let (back, replace) = (host.import("1", true), host.import("2", true));
    for arguments in [&back, &replace, &back] {
        host.succeed(arguments);
    }
    let one = host.see();
    let mut points = points_from(&host, &replace, "/state/exchange/");
    let two = host.see();
    host.succeed(&back);
    points.retain(|point| REFUSED.contains(&point.call.as_str()));
    let verb = Verb {
        arguments: replace,
        back,
        states: [&one, &two],
    };
    let mut figures = Figures::default();
    let points: Vec<Point> = points.into_iter().collect();
    refuse(&host, &verb, (&points, &ERRORS[1..2]), &mut figures);
    assert_eq!(figures.unsaid, [""; 0]);
    println!("{} refusals told, {} borne", figures.refused, figures.borne);
    assert!(figures.refused > 15, "{}", figures.refused);
}

/// A failed import to a file system that is full, and what is left of it.
fn full(host: &Host<'_>, text: &str) {
    let ran = host.run(&host.import("1", false));
    assert!(ran.code.is_some_and(|code| code != 0), "{ran:?}");
    assert!(ran.stderr.contains(text), "{ran:?}");
    assert_eq!(host.see(), Seen::NOTHING);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_full_disk_and_a_quota_that_is_used_up_leave_nothing() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let wish = Wish {
        limit: false,
        settings: true,
    };
    // Room enough, which is what is looked at before, but not for more names.
    let memory = Pool::tmpfs(64 << 20);
    let host = Host::new(&repository, memory.path(), wish);
    let machines = host.path("machines");
    fs::create_dir(&machines).unwrap();
    let target = machines.to_str().unwrap();
    let options = "size=32m,nr_inodes=9,mode=700";
    program(&["mount", "-t", "tmpfs", "-o", options, "tmpfs", target]);
    full(&host, "No space left on device");
    program(&["umount", target]);

    // All machines together may take less than this one does.
    let disk = Pool::btrfs(512 << 20);
    let host = Host::new(&repository, disk.path(), wish);
    let machines = host.path("machines");
    let target = machines.to_str().unwrap();
    program(&["btrfs", "subvolume", "create", target]);
    program(&["btrfs", "quota", "enable", target]);
    let id = program(&["btrfs", "inspect-internal", "rootid", target]);
    let (leaf, above) = (format!("0/{}", id.trim()), format!("255/{}", id.trim()));
    program(&["btrfs", "qgroup", "create", &above, target]);
    program(&["btrfs", "qgroup", "assign", &leaf, &above, target]);
    program(&["btrfs", "quota", "rescan", "-w", target]);
    program(&["btrfs", "qgroup", "limit", "80K", &above, target]);
    full(&host, "quota exceeded");
    program(&["btrfs", "qgroup", "limit", "none", &above, target]);
    host.succeed(&host.import("1", false));
}
