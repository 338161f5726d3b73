//! The resolver against pacman on generated repositories: the same packages
//! in the same order, or both fail.

use super::pacman::Pacman;
use super::scenario::{Scenario, database};
use hatchery_builder::arch::database::{Database, Package};
use hatchery_builder::arch::dependency::Provision;
use hatchery_builder::arch::resolve::{Request, Resolution, ResolveError, resolve};
use hatchery_tests::{Need, require};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// First seed: any number will do, and always the same one.
const SEED: u64 = 0x2025_0207;

/// How many repositories are tried without and with conflicts.
const PRINTED: u64 = 700;
const BEGUN: u64 = 300;

#[test]
fn packages_and_their_order_are_those_of_pacman() {
    if !require(&[Need::Program("pacman")]) {
        return;
    }
    let met = [
        "a cycle",
        "passed over",
        "ignored",
        "not found",
        "unsatisfied",
        "two of one name",
        "no repository",
    ];
    compare(PRINTED, &met, |seed| {
        same(seed, &Scenario::new(seed, false), Way::Print)
    });
}

#[test]
fn conflicts_end_as_with_pacman() {
    if !require(&[Need::Root, Need::Program("pacman")]) {
        return;
    }
    let met = ["a cycle", "conflict", "left out", "kept out"];
    compare(BEGUN, &met, |seed| {
        same(seed, &Scenario::new(seed, true), Way::Begin)
    });
}

/// How pacman is asked.
#[derive(Clone, Copy)]
enum Way {
    /// What it would install. It does not look for conflicts then.
    Print,
    /// What it begins to install.
    Begin,
}

impl Way {
    fn ask(self, pacman: &Pacman, arguments: &[&str]) -> Result<Vec<String>, String> {
        match self {
            Self::Print => pacman.print(arguments),
            Self::Begin => pacman.begin(arguments),
        }
    }

    /// A package as pacman's answer calls it.
    fn show(self, repository: &str, package: &Package) -> String {
        match self {
            Self::Print => format!("{repository}/{} {}", package.name, package.version),
            Self::Begin => format!("{repository}/{}", package.file_name),
        }
    }
}

/// Tries many seeds on all processors. Each of these `outcomes` must be met a
/// few times.
fn compare(count: u64, outcomes: &[&str], try_one: impl Fn(u64) -> Vec<&'static str> + Sync) {
    let next = AtomicU64::new(0);
    let met: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    for outcome in try_one(SEED + number) {
                        *met.lock().unwrap().entry(outcome).or_default() += 1;
                    }
                }
            });
        }
    });
    let met = met.into_inner().unwrap();
    for outcome in outcomes {
        let enough = met.get(outcome).is_some_and(|times| *times >= 5);
        assert!(enough, "too few with {outcome}: {met:?}");
    }
    assert!(met["an answer"] > count / 3, "{met:?}");
}

/// What came of it.
fn outcomes(ours: &Result<Resolution, ResolveError>) -> Vec<&'static str> {
    let resolution = match ours {
        Ok(resolution) => resolution,
        Err(ResolveError::NotFound { .. }) => return vec!["not found"],
        Err(ResolveError::NoRepository { .. }) => return vec!["no repository"],
        Err(ResolveError::TwoOfOneName { .. }) => return vec!["two of one name"],
        Err(ResolveError::Unsatisfied { .. }) => return vec!["unsatisfied"],
        Err(ResolveError::Ignored { .. }) => return vec!["ignored"],
        Err(ResolveError::KeptOut { .. }) => return vec!["kept out"],
        Err(ResolveError::Conflict { .. }) => return vec!["conflict"],
        Err(ResolveError::SameFile { .. }) => return vec!["same file"],
        Err(ResolveError::TooMuch { .. }) => return vec!["too much"],
    };
    let mut all = vec!["an answer"];
    for (warning, outcome) in [
        ("ignoring", "passed over"),
        ("leaving out", "left out"),
        ("need one another", "a cycle"),
    ] {
        if resolution.warnings.iter().any(|w| w.contains(warning)) {
            all.push(outcome);
        }
    }
    all
}

/// Asks both; what came of it.
fn same(seed: u64, scenario: &Scenario, way: Way) -> Vec<&'static str> {
    let repositories = scenario.repositories.iter();
    let databases: Vec<(&str, Vec<u8>)> = repositories
        .map(|(name, entries)| (*name, database(entries, seed.is_multiple_of(2))))
        .collect();
    let theirs = theirs(scenario, &databases, way);
    let read: Vec<(&str, Database)> = databases
        .iter()
        .map(|(name, bytes)| (*name, Database::parse(bytes).unwrap()))
        .collect();
    let repositories: Vec<_> = read.iter().map(|(name, d)| (*name, d)).collect();
    let resolution = resolve(&repositories, &request(scenario));
    let ours = resolution.as_ref().map(|resolution| {
        let shown = resolution.packages.iter().map(|chosen| {
            let (name, database) = repositories[chosen.repository];
            way.show(name, &database.packages[chosen.package])
        });
        shown.collect::<Vec<_>>()
    });
    let context = || {
        let told = told(seed, scenario, &read);
        format!("{told}pacman: {theirs:?}\nours: {ours:?}")
    };
    match (&theirs, &ours) {
        (Ok(theirs), Ok(ours)) => assert_eq!(theirs, ours, "{}", context()),
        (Err(_), Err(_)) => {}
        _ => panic!("{}", context()),
    }
    outcomes(&resolution)
}

/// What was asked of which repositories, for who looks into a difference.
fn told(seed: u64, scenario: &Scenario, databases: &[(&str, Database)]) -> String {
    let Scenario {
        targets,
        ignore,
        ignore_groups,
        assumed,
        ..
    } = scenario;
    let mut text = format!(
        "seed {seed:#x}: {targets:?}, ignoring {ignore:?} {ignore_groups:?}, \
         assuming {assumed:?}\n"
    );
    for (name, database) in databases {
        for package in &database.packages {
            let list = |of: &[_]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
            text.push_str(&format!(
                "{name}/{} {} groups {:?} depends {:?} conflicts {:?} provides {:?}\n",
                package.name,
                package.version,
                package.groups,
                list(&package.depends),
                list(&package.conflicts),
                package.provides,
            ));
        }
    }
    text
}

fn theirs(
    scenario: &Scenario,
    databases: &[(&str, Vec<u8>)],
    way: Way,
) -> Result<Vec<String>, String> {
    let option = |key: &str, values: &[String]| {
        let lines = values.iter().map(|value| format!("{key} = {value}"));
        lines.collect::<Vec<_>>()
    };
    let mut options = option("IgnorePkg", &scenario.ignore);
    options.extend(option("IgnoreGroup", &scenario.ignore_groups));
    let pacman = Pacman::new(databases, &options);
    let mut arguments = Vec::new();
    for assumed in &scenario.assumed {
        arguments.extend(["--assume-installed", assumed]);
    }
    arguments.push("--");
    arguments.extend(scenario.targets.iter().map(String::as_str));
    way.ask(&pacman, &arguments)
}

fn request(scenario: &Scenario) -> Request {
    Request {
        targets: scenario.targets.clone(),
        ignore: scenario.ignore.clone(),
        ignore_groups: scenario.ignore_groups.clone(),
        assume_installed: scenario
            .assumed
            .iter()
            .map(|a| Provision::parse(a))
            .collect(),
    }
}
