//! Kills of one of the two processes of an import: of the one that was called
//! alone, while the one that unpacks for it lives on for that moment, and of
//! that one alone.

use super::NEEDS;
use super::calls::{HELPER, Point, points_alone, points_of_helper, sample};
use super::host::{Host, Wish};
use super::killed::{Trial, Verb, prepare};
use super::repository::Repository;
use hatchery_tests::{Pool, require};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Kills of each verb on each kind of host, about.
const POINTS: usize = 24;
/// Longest wait for the end of a process that nobody needs any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// Exit codes that are documented for failures.
const DOCUMENTED: std::ops::RangeInclusive<i32> = 1..=8;

/// Processes that unpack to the file system of this folder.
fn helpers(folder: &Path) -> Vec<String> {
    let device = fs::metadata(folder).unwrap().dev();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let process = process.path();
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let is_there = fs::metadata(process.join("root")).is_ok_and(|root| root.dev() == device);
        if is_there && command.contains(HELPER) {
            found.push(format!("{}: {command}", process.display()));
        }
    }
    found
}

fn await_helpers(folder: &Path, context: &str) {
    let begun = Instant::now();
    loop {
        let found = helpers(folder);
        if found.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{context}: {found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the one that was called; whether it came that far.
fn kill_caller(trial: &Trial<'_>, verb: Verb, point: &Point) -> bool {
    let context = format!(
        "{verb:?}, its caller killed at {} {}",
        point.call, point.number
    );
    let options = point.options("signal=KILL");
    let ran = trial.host.traced_alone(&options, &trial.arguments(verb));
    assert!(ran.is_killed() || ran.code == Some(0), "{context}: {ran:?}");
    // The next one comes at once, while the helper may still be there.
    trial.check_shown(verb, &context);
    trial.recover(verb, &context);
    await_helpers(&trial.host.path("machines"), &context);
    ran.is_killed()
}

/// Kills the one that unpacks; whether it came that far.
fn kill_helper(trial: &Trial<'_>, verb: Verb, point: &Point) -> bool {
    let context = format!(
        "{verb:?}, its helper killed at {} {}",
        point.call, point.number
    );
    let options = point.options("signal=KILL");
    let ran = trial.host.traced(&options, &trial.arguments(verb));
    assert!(!ran.is_killed(), "{context}: the caller was: {ran:?}");
    let is_killed = ran.code != Some(0);
    if is_killed {
        let is_documented = ran.code.is_some_and(|code| DOCUMENTED.contains(&code));
        assert!(is_documented, "{context}: {ran:?}");
        let is_said = ran.stderr.contains("process that unpacks");
        assert!(is_said, "{context}: {ran:?}");
        let [before, _] = trial.states(verb);
        assert!(trial.host.see() == *before, "{context}: {ran:?}");
        // What was downloaded is kept for the next one.
        let mut left = trial.host.leftovers();
        left.retain(|name| !name.starts_with("cache/"));
        assert_eq!(left, [""; 0], "{context}");
    }
    trial.recover(verb, &context);
    await_helpers(&trial.host.path("machines"), &context);
    is_killed
}

/// Kills at the points that `find` finds; how often.
fn sweep(
    (repository, root, wish): (&Repository, &Path, Wish),
    find: fn(&Host<'_>, &[String]) -> std::collections::BTreeSet<Point>,
    kill: fn(&Trial<'_>, Verb, &Point) -> bool,
) -> (usize, usize) {
    let (trial, ..) = prepare(repository, root, wish);
    let verbs = [Verb::Import, Verb::Replace];
    let points = verbs.map(|verb| sample(&find(&trial.host, &trial.arguments(verb)), POINTS));
    trial.host.succeed(&trial.host.remove());
    let (mut tried, mut killed) = (0, 0);
    for round in 0..points.iter().map(Vec::len).max().unwrap_or(0) {
        for (verb, points) in verbs.into_iter().zip(&points) {
            match points.get(round) {
                Some(point) => {
                    tried += 1;
                    killed += usize::from(kill(&trial, verb, point));
                }
                None => trial.host.succeed(&trial.arguments(verb)),
            }
        }
        trial.host.succeed(&trial.host.remove());
    }
    (tried, killed)
}

fn sweep_both(
    find: fn(&Host<'_>, &[String]) -> std::collections::BTreeSet<Point>,
    kill: fn(&Trial<'_>, Verb, &Point) -> bool,
) -> (usize, usize) {
    let repository = Repository::new();
    let (memory, disk) = (Pool::tmpfs(64 << 20), Pool::btrfs(512 << 20));
    let trials = [(memory.path(), false), (disk.path(), true)];
    let figures = std::thread::scope(|scope| {
        let repository = &repository;
        let running = trials.map(|(pool, limit)| {
            let wish = Wish {
                limit,
                settings: true,
            };
            scope.spawn(move || sweep((repository, &pool.join("host"), wish), find, kill))
        });
        running.map(|trial| trial.join().unwrap())
    });
    let [(tried, killed), (more_tried, more_killed)] = figures;
    (tried + more_tried, killed + more_killed)
}

#[test]
fn a_caller_that_is_killed_takes_its_helper_along() {
    if !require(&NEEDS) {
        return;
    }
    let begun = Instant::now();
    let (tried, killed) = sweep_both(points_alone, kill_caller);
    println!(
        "{killed} kills of the caller alone at {tried} points, in {:?}",
        begun.elapsed()
    );
    assert!(killed >= 40, "{killed} of {tried}");
}

#[test]
fn a_helper_that_is_killed_is_told_and_nothing_is_left() {
    if !require(&NEEDS) {
        return;
    }
    let begun = Instant::now();
    let (tried, killed) = sweep_both(points_of_helper, kill_helper);
    println!(
        "{killed} kills of the helper alone at {tried} points, in {:?}",
        begun.elapsed()
    );
    assert!(killed >= 30, "{killed} of {tried}");
}
