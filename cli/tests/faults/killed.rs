//! Imports and removals that are killed at every system call that changes
//! something, and at random.
//!
//! Each worker has a host of its own and goes round: an import is killed and
//! tried again, then a replacement, then a removal; each begins where the
//! one before has ended.

use super::calls::{Point, points, sample};
use super::host::{Host, Seen, Wish, residue, stale_groups};
use super::repository::Repository;
use super::run::start;
use super::{NEEDS, portrait};
use hatchery_tests::{Pool, require};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Kills at system calls, of each verb on each kind of host, about.
const POINTS: usize = 44;
/// Kills at random moments on each host.
const RANDOM: u32 = 24;
/// Fewest in all.
const POINTS_MIN: usize = 500;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Import,
    Replace,
    Remove,
}

const VERBS: [Verb; 3] = [Verb::Import, Verb::Replace, Verb::Remove];

/// How one kind of host is tried.
pub(super) struct Trial<'r> {
    pub(super) host: Host<'r>,
    /// What is there after nothing, version 1 and version 2.
    states: [Seen; 3],
}

impl Trial<'_> {
    pub(super) fn arguments(&self, verb: Verb) -> Vec<String> {
        match verb {
            Verb::Import => self.host.import("1", false),
            Verb::Replace => self.host.import("2", true),
            Verb::Remove => self.host.remove(),
        }
    }

    /// What is there before and after a verb.
    pub(super) fn states(&self, verb: Verb) -> [&Seen; 2] {
        let [nothing, one, two] = &self.states;
        match verb {
            Verb::Import => [nothing, one],
            Verb::Replace => [one, two],
            Verb::Remove => [two, nothing],
        }
    }

    /// Checks what a run that was disturbed shows: all of the old or new.
    pub(super) fn check_shown(&self, verb: Verb, context: &str) {
        let seen = self.host.see();
        let states = self.states(verb);
        let fits = |part: fn(&Seen) -> String| {
            let shown = part(&seen);
            states.iter().any(|state| part(state) == shown)
        };
        assert!(fits(|s| format!("{:?}", s.tree)), "half a tree: {context}");
        assert!(
            fits(|s| format!("{:?}", s.record)),
            "a record: {context}: {:?}",
            seen.record
        );
        let settings = fits(|s| format!("{:?}", s.settings));
        assert!(settings, "settings: {context}: {:?}", seen.settings);
    }

    /// Does it again, undisturbed: all is then as if it had not been disturbed.
    pub(super) fn recover(&self, verb: Verb, context: &str) {
        let was_there = self.host.see().tree.is_some();
        let ran = self.host.run(&self.arguments(verb));
        let expected: &[Option<i32>] = match verb {
            // It was whole already.
            Verb::Import if was_there => &[Some(8)],
            // Its record may have been removed already, too.
            Verb::Remove if !was_there => &[Some(0), Some(8)],
            _ => &[Some(0)],
        };
        assert!(expected.contains(&ran.code), "{context}: {ran:?}");
        let seen = self.host.see();
        let [_, after] = self.states(verb);
        assert_eq!(seen.record, after.record, "record after: {context}");
        assert_eq!(seen.settings, after.settings, "settings after: {context}");
        assert!(
            seen.tree == after.tree,
            "tree after: {context}: {:?}",
            seen.tree
        );
        assert_eq!(self.host.leftovers(), [""; 0], "{context}");
    }

    /// Kills a run at a point; whether it came that far.
    fn kill_at(&self, verb: Verb, point: &Point) -> bool {
        let context = format!("{verb:?} killed at {} {}", point.call, point.number);
        let options = point.options("signal=KILL");
        let ran = self.host.traced(&options, &self.arguments(verb));
        let killed = ran.is_killed();
        if !killed && ran.code != Some(0) {
            // A part of it was killed: the rest says so and takes all back.
            assert!(!ran.stderr.is_empty(), "{context}: {ran:?}");
        }
        self.check_shown(verb, &context);
        self.recover(verb, &context);
        killed || ran.code != Some(0)
    }

    /// Kills a run after a time.
    fn kill_after(&self, verb: Verb, time: Duration) {
        let context = format!("{verb:?} killed after {time:?}");
        let log = self.host.path("log");
        let arguments = self.arguments(verb);
        let mut child = start(self.host.repository.home(), &arguments, &log);
        std::thread::sleep(time);
        let _ = child.kill();
        let _ = child.wait();
        self.check_shown(verb, &context);
        self.recover(verb, &context);
    }
}

/// What a host's trial came to.
#[derive(Default)]
struct Figures {
    killed: usize,
    random: usize,
    calls: BTreeMap<String, BTreeSet<Verb>>,
}

/// Takes the states and the points of each verb from runs without a kill.
pub(super) fn prepare<'r>(
    repository: &'r Repository,
    root: &Path,
    wish: Wish,
) -> (Trial<'r>, BTreeMap<Verb, Vec<Point>>, Duration) {
    let host = Host::new(repository, root, wish);
    let mut trial = Trial {
        host,
        states: [Seen::NOTHING, Seen::NOTHING, Seen::NOTHING],
    };
    // Once without strace, for the time and so that quota is on.
    let begun = Instant::now();
    trial.host.succeed(&trial.arguments(Verb::Import));
    let whole = begun.elapsed();
    trial.host.succeed(&trial.arguments(Verb::Remove));
    let mut all = BTreeMap::new();
    for (index, verb) in VERBS.into_iter().enumerate() {
        let found = points(&trial.host, &trial.arguments(verb));
        all.insert(verb, sample(&found, POINTS));
        if verb != Verb::Remove {
            trial.states[index + 1] = trial.host.see();
        }
    }
    assert_eq!(trial.host.see(), Seen::NOTHING);
    let [_, one, two] = &trial.states;
    assert!(one.tree.is_some() && one.tree != two.tree);
    assert_eq!(one.settings.is_some(), wish.settings);
    (trial, all, whole)
}

fn sweep(repository: &Repository, root: &Path, wish: Wish) -> Figures {
    let (trial, points, whole) = prepare(repository, root, wish);
    let mut figures = Figures::default();
    let rounds = points.values().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        for verb in VERBS {
            match points[&verb].get(round) {
                Some(point) => {
                    if trial.kill_at(verb, point) {
                        figures.killed += 1;
                        let verbs = figures.calls.entry(point.call.clone()).or_default();
                        verbs.insert(verb);
                    }
                }
                None => trial.host.succeed(&trial.arguments(verb)),
            }
        }
    }
    for round in 0..RANDOM / 3 {
        for verb in VERBS {
            // A removal is over sooner.
            let part = if verb == Verb::Remove { 4 } else { 1 };
            trial.kill_after(verb, whole * round / (RANDOM / 3) / part);
            figures.random += 1;
        }
    }
    assert_eq!(portrait::names(&trial.host.path("machines")), [""; 0]);
    figures
}

#[test]
fn killed_anywhere_it_is_the_old_or_the_new() {
    if !require(&NEEDS) {
        return;
    }
    let begun = Instant::now();
    let repository = Repository::new();
    let (memory, disk) = (Pool::tmpfs(64 << 20), Pool::btrfs(512 << 20));
    let folders = [&memory, &disk].map(|pool| pool.path().parent().unwrap());
    let before = folders.map(residue);
    assert!(before.iter().all(|found| !found.is_empty()));
    let wish = |limit, settings| Wish { limit, settings };
    let trials = [
        (memory.path(), "plain", wish(false, false)),
        (memory.path(), "settings", wish(false, true)),
        (disk.path(), "limit", wish(true, false)),
        (disk.path(), "both", wish(true, true)),
    ];
    let all: Vec<Figures> = std::thread::scope(|scope| {
        let start = |(pool, name, wish): (&Path, &str, Wish)| {
            let (repository, root) = (&repository, pool.join(name));
            scope.spawn(move || sweep(repository, &root, wish))
        };
        let running = trials.map(start);
        running.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(stale_groups(disk.path()), [""; 0]);
    assert_eq!(folders.map(residue), before);
    let killed: usize = all.iter().map(|f| f.killed).sum();
    let random: usize = all.iter().map(|f| f.random).sum();
    let calls: BTreeSet<&String> = all.iter().flat_map(|f| f.calls.keys()).collect();
    println!(
        "{killed} kills at {} kinds of system call and {random} at random, in {:?}: {calls:?}",
        calls.len(),
        begun.elapsed()
    );
    assert!(killed + random >= POINTS_MIN, "{killed} + {random}");
}
