//! Imports and rollbacks that are killed at every system call by which
//! something becomes visible: the machine is the old or the new one, with its
//! own record, and the next one who works on it leaves nothing of the other.

use super::fixture::Street;
use crate::wire::fixture::now;
use hatchery_image::Progress;
use hatchery_importer::{GcRequest, gc, list};
use hatchery_tests::run::run;
use hatchery_tests::{Need, require};
use std::fs;
use std::path::Path;

const HELPER: &str = env!("CARGO_BIN_EXE_hatchery-test-helper");

const NEEDS: [Need; 3] = [Need::Root, Need::Program("gpg"), Need::Program("strace")];

/// What makes something visible, or takes it away.
const CALLS: [&str; 4] = ["rename", "renameat", "renameat2", "unlink"];

/// More of one kind of them than an import makes.
const TIMES_MAX: u32 = 60;

/// Runs the helper and kills it at the `times`th of these calls. Whether it
/// was killed.
fn killed(call: &str, times: u32, arguments: &[&str]) -> bool {
    let trace = format!("--trace={call}");
    let inject = format!("--inject={call}:signal=KILL:when={times}");
    let strace = [
        "strace",
        "-f",
        "-qqq",
        "-o",
        "/dev/null",
        &trace,
        &inject,
        HELPER,
    ];
    match run(&[&strace[..], arguments].concat()) {
        Ok(_) => false,
        Err(why) if why.contains("signal: 9") => true,
        Err(why) => panic!("{why}"),
    }
}

/// Which generation the machine is of: content and record agree.
fn generation(street: &Street) -> u32 {
    let places = street.places();
    let content = fs::read_to_string(places.machines.join("m/etc/content")).unwrap();
    let listed = list(&places).unwrap();
    let machine = listed.iter().find(|m| m.name == "m").unwrap();
    let version = &machine.record.as_ref().expect("a record").version;
    match (content.as_str(), version.as_str()) {
        ("one", "1") => 1,
        ("two", "2") => 2,
        other => panic!("{other:?}"),
    }
}

/// After the next one has mended: settings, too, and nothing unfinished.
fn assert_mended(street: &Street, generation: u32) {
    let places = street.places();
    let text = fs::read_to_string(places.settings.join("m.nspawn")).unwrap();
    assert!(text.contains(&format!("808{generation}")), "{text}");
    assert_eq!(visible(&places.state.join("exchange")), [""; 0]);
}

/// Names in a folder, but for the temporary files of whoever was killed, which
/// are removed once they are a minute old.
fn visible(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_temporary = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().unwrap().starts_with(".#hatchery-") && entry.path().is_file()
    };
    let names = entries.filter(|entry| !is_temporary(entry));
    names
        .map(|e| e.file_name().into_string().unwrap())
        .collect()
}

struct Arguments {
    host: String,
    store: String,
    key: String,
    now: String,
}

impl Arguments {
    fn new(street: &Street) -> Self {
        let key = street.yard.path("key.pgp");
        fs::write(&key, street.yard.signer.public_key().unwrap()).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        Self {
            host: text(street.host.path()),
            store: text(&street.store()),
            key: text(&key),
            now: now().to_string(),
        }
    }

    fn import<'a>(&'a self, version: &'a str) -> [&'a str; 6] {
        [
            "import",
            &self.host,
            &self.store,
            &self.key,
            version,
            &self.now,
        ]
    }

    fn rollback(&self) -> [&str; 3] {
        ["rollback", &self.host, &self.now]
    }
}

fn helper(arguments: &[&str]) {
    run(&[&[HELPER], arguments].concat()).unwrap();
}

fn street() -> (Street, Arguments) {
    let street = Street::new();
    street.publish("2", "two", |_| ());
    let arguments = Arguments::new(&street);
    helper(&arguments.import("1"));
    (street, arguments)
}

#[test]
fn a_rollback_killed_at_any_step_leaves_the_old_or_the_new() {
    if !require(&NEEDS) {
        return;
    }
    let (street, arguments) = street();
    helper(&arguments.import("2"));
    let (mut kills, mut seen) = (0, [0; 3]);
    for call in CALLS {
        for times in 1..=TIMES_MAX {
            let before = generation(&street);
            let was_killed = killed(call, times, &arguments.rollback());
            let after = generation(&street);
            if !was_killed {
                assert_eq!(after, 3 - before, "{call} {times}");
                break;
            }
            kills += 1;
            seen[if after == before { 1 } else { 2 }] += 1;
            // The next one mends and goes on from there.
            helper(&arguments.rollback());
            assert_eq!(generation(&street), 3 - after, "{call} {times}");
            assert_mended(&street, 3 - after);
        }
    }
    assert!(kills >= 5 && seen[1] > 0 && seen[2] > 0, "{kills} {seen:?}");
    // The two trees, and nothing else.
    assert_eq!(visible(&street.places().machines).len(), 2);
}

#[test]
fn an_import_killed_at_any_step_leaves_the_old_or_the_new() {
    if !require(&NEEDS) {
        return;
    }
    let (street, arguments) = street();
    let request = GcRequest {
        places: street.places(),
        download_age: std::time::Duration::MAX,
        dry_run: false,
        now: now(),
    };
    let (mut kills, mut seen) = (0, [0; 3]);
    for call in CALLS {
        for times in 1..=TIMES_MAX {
            let before = generation(&street);
            let version = (3 - before).to_string();
            let was_killed = killed(call, times, &arguments.import(&version));
            let after = generation(&street);
            if !was_killed {
                assert_eq!(after, 3 - before, "{call} {times}");
                break;
            }
            kills += 1;
            seen[if after == before { 1 } else { 2 }] += 1;
            gc(&request, &Progress::silent()).unwrap();
            assert_eq!(generation(&street), after, "{call} {times}");
            assert_mended(&street, after);
            let machines = visible(&street.places().machines);
            assert_eq!(machines, ["m"], "{call} {times}");
        }
    }
    assert!(kills >= 8 && seen[1] > 0 && seen[2] > 0, "{kills} {seen:?}");
}

#[test]
fn a_first_import_killed_at_any_step_leaves_a_whole_machine_or_none() {
    if !require(&NEEDS) {
        return;
    }
    let (street, arguments) = street();
    let places = street.places();
    let name = "m".parse().unwrap();
    hatchery_importer::remove(&name, &places, &Progress::silent()).unwrap();
    let mut kills = 0;
    for call in CALLS {
        for times in 1..=TIMES_MAX {
            if !killed(call, times, &arguments.import("1")) {
                hatchery_importer::remove(&name, &places, &Progress::silent()).unwrap();
                break;
            }
            kills += 1;
            if places.machines.join("m").exists() {
                assert_eq!(generation(&street), 1, "{call} {times}");
            }
            // It can be done again at once.
            helper(&arguments.import("1"));
            assert_eq!(generation(&street), 1);
            assert_mended(&street, 1);
            hatchery_importer::remove(&name, &places, &Progress::silent()).unwrap();
            for folder in [
                &places.machines,
                &places.settings,
                &places.state.join("machines"),
            ] {
                assert_eq!(visible(folder), [""; 0], "{call} {times}");
            }
        }
    }
    assert!(kills >= 8, "{kills}");
}
