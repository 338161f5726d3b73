//! System calls that change something: which ones a run makes, and which of
//! them to disturb.
//!
//! strace counts the calls of each kind for each thread. A run is logged
//! once; a point is a kind and a number at which at least one thread made a
//! call that changes something.

use super::host::Host;
use super::run::Ran;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Calls that change something whatever their arguments are.
const ALWAYS: [&str; 42] = [
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "symlink",
    "symlinkat",
    "pwrite64",
    "pwritev",
    "fsync",
    "fdatasync",
    "syncfs",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "lremovexattr",
    "fremovexattr",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "flock",
    "chroot",
    "mount",
    "umount2",
    "unshare",
    "pivot_root",
];

/// Calls that change something with some arguments: what these contain.
const SOMETIMES: [(&str, &[&str]); 5] = [
    ("openat", &["O_CREAT", "O_TMPFILE"]),
    ("openat2", &["O_CREAT", "O_TMPFILE"]),
    (
        "ioctl",
        &[
            "BTRFS_IOC_S",
            "BTRFS_IOC_QGROUP",
            "BTRFS_IOC_QUOTA_CTL",
            "SETFLAGS",
        ],
    ),
    ("fcntl", &["SETLK"]),
    // Only to files; the rest are pipes, the terminal and eventfds.
    ("write", &["</"]),
];

/// What the process that unpacks is started with.
pub(super) const HELPER: &str = "__unpack";

/// Where a run is disturbed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    pub(super) call: String,
    pub(super) number: usize,
}

impl Point {
    /// strace's options that do this there.
    pub(super) fn options(&self, what: &str) -> Vec<String> {
        let Self { call, number } = self;
        ["-o", "/dev/null", "-e"]
            .map(str::to_owned)
            .into_iter()
            .chain([
                format!("trace={call}"),
                "-e".to_owned(),
                format!("inject={call}:{what}:when={number}"),
            ])
            .collect()
    }
}

fn traced_calls() -> String {
    let sometimes = SOMETIMES.iter().map(|(name, _)| *name);
    let names: Vec<&str> = ALWAYS.into_iter().chain(sometimes).collect();
    names.join(",")
}

/// The points of a run, which is made, and must succeed.
pub(super) fn points(host: &Host<'_>, arguments: &[String]) -> BTreeSet<Point> {
    let (text, root) = logged(host, arguments, &traced_calls(), Host::traced);
    parse(&text, &root)
}

/// The points of a run from its first call on that has something to do with a
/// path that contains `text`.
pub(super) fn points_from(host: &Host<'_>, arguments: &[String], text: &str) -> BTreeSet<Point> {
    let (log, root) = logged(host, arguments, &traced_calls(), Host::traced);
    let begun = log.lines().position(|line| line.contains(text));
    let begun = begun.expect("a call on that path");
    let before: Vec<&str> = log.lines().take(begun).collect();
    &parse(&log, &root) - &parse(&before.join("\n"), &root)
}

/// The points of a run's first thread alone.
pub(super) fn points_alone(host: &Host<'_>, arguments: &[String]) -> BTreeSet<Point> {
    let (text, root) = logged(host, arguments, &traced_calls(), Host::traced_alone);
    let lines: Vec<String> = text.lines().map(|line| format!("0 {line}")).collect();
    parse(&lines.join("\n"), &root)
}

/// The points of a run that only the process that unpacks comes to: its calls
/// of a kind beyond as many as any other thread makes.
pub(super) fn points_of_helper(host: &Host<'_>, arguments: &[String]) -> BTreeSet<Point> {
    let calls = format!("{},execve,clone,clone3,vfork", traced_calls());
    let (text, _) = logged(host, arguments, &calls, Host::traced);
    let helper = helper_threads(&text);
    let is_its = |line: &&str| {
        line.split(' ')
            .next()
            .is_some_and(|pid| helper.contains(pid))
    };
    let (its, others): (Vec<&str>, Vec<&str>) = text.lines().partition(is_its);
    // It sees its own root, which is no path of the host's.
    let mut points = parse(&its.join("\n"), "");
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for (_, call, number) in counted(&others.join("\n")) {
        let known = most.entry(call.to_owned()).or_insert(0);
        *known = number.max(*known);
    }
    points.retain(|point| {
        most.get(&point.call)
            .is_none_or(|most| point.number > *most)
    });
    points
}

/// A run's log, and the root of the host. It must succeed.
fn logged<'r>(
    host: &Host<'r>,
    arguments: &[String],
    calls: &str,
    run: fn(&Host<'r>, &[String], &[String]) -> Ran,
) -> (String, String) {
    let log = host.path("strace.log");
    let options = ["-y", "-o", log.to_str().unwrap(), "-e"].map(str::to_owned);
    let trace = format!("trace={calls}");
    let ran = run(host, &[&options[..], &[trace]].concat(), arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let text = fs::read_to_string(&log).unwrap();
    let _ = fs::remove_file(log);
    let root = host.path("");
    let root = root.to_str().unwrap().trim_end_matches('/').to_owned();
    (text, root)
}

/// Threads of the process that unpacks: it says so when it is started, and
/// each of the others was started by one of them.
fn helper_threads(log: &str) -> BTreeSet<&str> {
    let mut threads = BTreeSet::new();
    for line in log.lines() {
        let pid = line.split(' ').next().unwrap_or_default();
        if line.contains("execve(") && line.contains(HELPER) {
            threads.insert(pid);
        } else if line.contains("clone") && threads.contains(pid) {
            threads.extend(line.rsplit(" = ").next().filter(|child| {
                !child.is_empty() && child.bytes().all(|byte| byte.is_ascii_digit())
            }));
        }
    }
    assert!(!threads.is_empty(), "no process unpacks");
    threads
}

/// Reads a log. What a call is made on must be beneath `root` to count, where
/// the line says it.
fn parse(log: &str, root: &str) -> BTreeSet<Point> {
    let mut points = BTreeSet::new();
    for (arguments, call, number) in counted(log) {
        let sometimes = SOMETIMES.iter().find(|(name, _)| *name == call);
        let changes = sometimes.is_none_or(|(_, parts)| {
            parts.iter().any(|part| arguments.contains(part)) && arguments.contains(root)
        });
        if changes {
            points.insert(Point {
                call: call.to_owned(),
                number,
            });
        }
    }
    points
}

/// Arguments and name of each call of a log, and which of its thread's of that
/// name it is.
fn counted(log: &str) -> Vec<(&str, &str, usize)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let Some((pid, rest)) = line.trim_start().split_once(' ') else {
            continue;
        };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else {
            continue;
        };
        // `<... write resumed>` is the second half of one that was counted.
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let number = counts.entry((pid, call)).or_insert(0);
        *number += 1;
        calls.push((arguments, call, *number));
    }
    calls
}

/// At most `most` of them, spread evenly, but the first and last of each kind.
pub(super) fn sample(points: &BTreeSet<Point>, most: usize) -> Vec<Point> {
    let all: Vec<&Point> = points.iter().collect();
    let is_edge = |i: usize| {
        let differs = |j: Option<usize>| {
            j.and_then(|j| all.get(j))
                .is_none_or(|other| other.call != all[i].call)
        };
        differs(i.checked_sub(1)) || differs(Some(i + 1))
    };
    let step = all.len().div_ceil(most.max(1)).max(1);
    (0..all.len())
        .filter(|i| i % step == 0 || is_edge(*i))
        .map(|i| all[i].clone())
        .collect()
}

#[test]
fn calls_are_counted_for_each_thread() {
    let log = "10 openat(AT_FDCWD</>, \"/r/a\", O_RDONLY) = 3\n\
               10 openat(AT_FDCWD</>, \"/r/b\", O_RDWR|O_CREAT) = 3\n\
               11 openat(AT_FDCWD</>, \"/x/b\", O_RDWR|O_CREAT) = 3\n\
               11 fsync(3</r/b> <unfinished ...>\n\
               11 <... fsync resumed>) = 0\n\
               11 write(1<pipe:[1]>, \"x\") = 1\n";
    let found = parse(log, "/r");
    let point = |call: &str, number| Point {
        call: call.to_owned(),
        number,
    };
    assert_eq!(found, [point("fsync", 1), point("openat", 2)].into());
}
