//! Whoever mends what a killed one left is killed, too: at each system call by
//! which it changes something, twice, before a third one may finish.

use super::NEEDS;
use super::calls::{Point, points, points_from};
use super::host::{Host, Seen, Wish};
use super::portrait;
use super::repository::Repository;
use hatchery_tests::{Pool, require};
use std::collections::BTreeSet;
use std::path::Path;

/// Points of an exchange at which it is killed first, about.
const FIRST: usize = 7;
/// Points of each mending at which it is killed, about.
const SECOND: usize = 4;

const WISH: Wish = Wish {
    limit: false,
    settings: true,
};

/// Runs it and kills it there; whether it came that far.
fn is_killed(host: &Host<'_>, arguments: &[String], point: &Point) -> bool {
    let ran = host.traced(&point.options("signal=KILL"), arguments);
    let context = format!("{} {}: {ran:?}", point.call, point.number);
    assert!(ran.is_killed() || ran.code == Some(0), "{context}");
    ran.is_killed()
}

/// About so many of them, spread evenly.
fn spread(found: &BTreeSet<Point>, most: usize) -> Vec<Point> {
    let step = found.len().div_ceil(most).max(1);
    found.iter().step_by(step).cloned().collect()
}

/// The states of the two versions, and where to kill a replacement: from its
/// journal on.
fn prepare(host: &Host<'_>) -> ([Seen; 2], Vec<Point>) {
    let (back, replace) = (host.import("1", true), host.import("2", true));
    for arguments in [&back, &replace, &back] {
        host.succeed(arguments);
    }
    let one = host.see();
    let found = points_from(host, &replace, "/state/exchange/");
    ([one, host.see()], spread(&found, FIRST))
}

/// How often the mending of what was killed at `first` was killed.
fn trial(host: &Host<'_>, [one, two]: &[Seen; 2], first: &Point) -> usize {
    let (back, replace, gc) = (host.import("1", true), host.import("2", true), host.gc(&[]));
    let begin = || {
        host.succeed(&back);
        is_killed(host, &replace, first)
    };
    if !begin() {
        return 0;
    }
    let found = spread(&points(host, &gc), SECOND);
    let mut killed = 0;
    for second in &found {
        assert!(begin());
        let context = format!(
            "{} {}, then {} {}",
            first.call, first.number, second.call, second.number
        );
        // Which tree it is was decided by the first one.
        let tree = host.see().tree;
        for _ in 0..2 {
            killed += usize::from(is_killed(host, &gc, second));
            assert!(host.see().tree == tree, "{context}");
        }
        host.succeed(&gc);
        let seen = host.see();
        let expected = if tree == one.tree { one } else { two };
        assert!(seen == *expected, "{context}: {seen:?}");
        assert_eq!(host.leftovers(), [""; 0], "{context}");
        let kept = portrait::names(&host.path("state/previous"));
        assert_eq!(kept, [""; 0], "{context}");
        let verified = host.run(&host.arguments(&["verify", "m"]));
        assert_eq!(verified.code, Some(0), "{context}: {verified:?}");
    }
    killed
}

fn trials(repository: &Repository, root: &Path) -> usize {
    let host = Host::new(repository, root, WISH);
    let (states, first) = prepare(&host);
    let killed = first.iter().map(|point| trial(&host, &states, point)).sum();
    host.succeed(&host.remove());
    assert_eq!(host.see(), Seen::NOTHING);
    killed
}

#[test]
fn a_mending_that_is_killed_twice_is_done_by_the_third() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let (memory, disk) = (Pool::tmpfs(64 << 20), Pool::btrfs(512 << 20));
    let killed: usize = std::thread::scope(|scope| {
        let start = |root: &Path| {
            let (repository, root) = (&repository, root.join("host"));
            scope.spawn(move || trials(repository, &root))
        };
        let running = [memory.path(), disk.path()].map(start);
        running.into_iter().map(|t| t.join().unwrap()).sum()
    });
    println!("{killed} kills of menders");
    assert!(killed > 40, "{killed}");
}

#[test]
fn a_killed_removal_of_what_is_remembered_of_an_image_is_mended_by_the_next_import() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let host = Host::new(&repository, memory.path(), WISH);
    let import = host.import("1", false);
    host.succeed(&import);
    let found: BTreeSet<Point> = points_from(&host, &host.remove(), "/state/images/");
    let mut killed = 0;
    for point in &found {
        host.succeed(&import);
        killed += usize::from(is_killed(&host, &host.remove(), point));
        assert_eq!(host.see(), Seen::NOTHING, "{point:?}");
        host.succeed(&import);
        let verified = host.run(&host.arguments(&["verify", "m", "--times"]));
        assert_eq!(verified.code, Some(0), "{point:?}: {verified:?}");
        host.succeed(&host.remove());
        assert_eq!(
            portrait::names(&host.path("state/images")),
            [""; 0],
            "{point:?}"
        );
        assert_eq!(host.leftovers(), [""; 0], "{point:?}");
    }
    assert!(killed >= 5, "{killed} of {}", found.len());
}
