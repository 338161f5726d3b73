//! Many at once: for one name one wins, nothing is half done whoever comes
//! in between, and nobody's unfinished work is swept but a dead process's.

use super::NEEDS;
use super::host::{Host, Seen, Wish};
use super::repository::Repository;
use super::run::start;
use hatchery_tests::{Pool, require};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many at once.
const MANY: usize = 8;
/// Rounds of them.
const ROUNDS: usize = 4;
/// How long the races go on.
const RACES: Duration = Duration::from_secs(12);
/// Exit code of what is there already, not there, or in use.
const CONFLICT: i32 = 8;

const WISH: Wish = Wish {
    limit: false,
    settings: true,
};

/// Runs all at once; the exit code of each and what it said.
fn all_at_once(host: &Host<'_>, all: &[Vec<String>]) -> Vec<(i32, String)> {
    let log = |index: usize| host.path(&format!("log-{index}"));
    let children: Vec<Child> = all
        .iter()
        .enumerate()
        .map(|(index, arguments)| start(host.repository.home(), arguments, &log(index)))
        .collect();
    let wait = |(index, mut child): (usize, Child)| {
        let code = child.wait().unwrap().code().unwrap();
        (code, fs::read_to_string(log(index)).unwrap())
    };
    children.into_iter().enumerate().map(wait).collect()
}

/// How many won; all others said clearly why not.
fn winners(ended: &[(i32, String)]) -> usize {
    for (code, said) in ended {
        let clear = [
            "exists already",
            "under way",
            "in use",
            "is running",
            "no machine",
        ];
        let is_clear = clear.iter().any(|text| said.contains(text));
        let fits = *code == 0 || (*code == CONFLICT && is_clear);
        assert!(fits, "{code}: {said}");
    }
    ended.iter().filter(|(code, _)| *code == 0).count()
}

#[test]
fn of_eight_imports_of_one_name_one_wins() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let disk = Pool::btrfs(512 << 20);
    let host = Host::new(&repository, disk.path(), WISH);
    host.succeed(&host.import("1", false));
    let one = host.see();
    host.succeed(&host.import("2", true));
    let two = host.see();
    for round in 0..ROUNDS {
        host.succeed(&host.remove());
        let ended = all_at_once(&host, &vec![host.import("1", false); MANY]);
        assert_eq!(winners(&ended), 1, "round {round}: {ended:?}");
        assert!(host.see() == one, "round {round}");

        // Whoever comes after the winner wins as well; nobody spoils another's.
        let ended = all_at_once(&host, &vec![host.import("2", true); MANY]);
        assert!(winners(&ended) >= 1, "round {round}: {ended:?}");
        assert!(host.see() == two, "round {round}");

        // With removals in between there is one or none in the end.
        let verbs = [host.import("1", true), host.remove()];
        let mixed: Vec<_> = verbs.into_iter().cycle().take(MANY).collect();
        let ended = all_at_once(&host, &mixed);
        assert!(winners(&ended) >= 1, "round {round}: {ended:?}");
        let seen = host.see();
        let whole = [&one, &two, &Seen::NOTHING].contains(&&seen);
        assert!(whole, "round {round}: {ended:?}: {seen:?}");
        host.succeed(&host.import("1", true));
        assert_eq!(host.leftovers(), [""; 0], "round {round}");
    }
}

/// Runs commands in turn until told to stop; how often.
fn again_and_again(host: &Host<'_>, commands: &[Vec<String>], stop: &AtomicBool) -> [usize; 2] {
    let mut counts = [0; 2];
    for arguments in commands.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let ran = host.run(arguments);
        winners(&[(ran.code.unwrap(), ran.stderr)]);
        counts[usize::from(ran.code == Some(0))] += 1;
    }
    counts
}

#[test]
fn imports_removals_and_lists_do_not_disturb_each_other() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let disk = Pool::btrfs(512 << 20);
    let host = Host::new(&repository, disk.path(), WISH);
    host.succeed(&host.import_as("other", "1", true));
    let stop = AtomicBool::new(false);
    let lists = AtomicUsize::new(0);
    let sequences = [
        vec![host.import("1", false), host.import("2", true)],
        vec![host.remove()],
        vec![
            host.import_as("other", "2", true),
            host.import_as("other", "1", true),
        ],
    ];
    let counts: Vec<[usize; 2]> = std::thread::scope(|scope| {
        let (host, stop, lists) = (&host, &stop, &lists);
        let workers = sequences.map(|s| scope.spawn(move || again_and_again(host, &s, stop)));
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let ran = host.run(&host.list());
                assert_eq!(ran.code, Some(0), "{ran:?}");
                assert!(ran.stdout.contains("other"), "{ran:?}");
                lists.fetch_add(1, Ordering::Relaxed);
            }
        });
        std::thread::sleep(RACES);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    println!("refused and done: {counts:?}, lists: {lists:?}");
    // Nobody works on the other one's name, so it is never refused.
    assert_eq!(counts[2][0], 0, "{counts:?}");
    assert!(counts.iter().all(|[_, done]| *done > 0), "{counts:?}");
    host.succeed(&host.import("1", true));
    host.succeed(&host.remove());
    assert_eq!(host.see(), Seen::NOTHING);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_dead_import_is_swept_and_a_living_one_is_not() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let host = Host::new(&repository, memory.path(), WISH);
    let dead = host.path("machines/.#hatchery-dead");
    let staged = || {
        let entries = fs::read_dir(host.path("machines"))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(".#hatchery-")).count()
    };
    std::thread::scope(|scope| {
        // Its tree is whole and hidden for so long.
        let options = ["-o", "/dev/null", "-e", "trace=syncfs", "-e"].map(str::to_owned);
        let delay = "inject=syncfs:delay_enter=4000000".to_owned();
        let host = &host;
        let living = scope.spawn(move || {
            let arguments = host.import("1", false);
            host.traced(&[&options[..], &[delay]].concat(), &arguments)
        });
        let begun = Instant::now();
        while staged() == 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::create_dir_all(dead.join("etc")).unwrap();
        fs::write(dead.join("etc/passwd"), "").unwrap();
        host.succeed(&host.import_as("other", "2", false));
        assert!(!dead.exists(), "a dead one is swept");
        assert_eq!(staged(), 1, "a living one is not");
        let ran = host.run(&host.import("2", true));
        assert_eq!(winners(&[(ran.code.unwrap(), ran.stderr)]), 0);
        let ran = living.join().unwrap();
        assert_eq!(ran.code, Some(0), "{ran:?}");
    });
    assert!(host.see().tree.is_some());
    assert_eq!(host.leftovers(), [""; 0]);
}

/// The limit that the kernel has, and the one in the record.
fn limits(host: &Host<'_>) -> [Option<u64>; 2] {
    let ran = host.run(&host.arguments(&["status", "m", "--json"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let status: serde_json::Value =
        serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    let record = fs::read(host.path("state/machines/m.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let kernel = find(&status, "limit").and_then(serde_json::Value::as_u64);
    [kernel, record["limit"].as_u64()]
}

/// The first value of this key, however deep.
fn find<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => {
            let deeper = || map.values().find_map(|value| find(value, key));
            map.get(key).or_else(deeper)
        }
        serde_json::Value::Array(list) => list.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

#[test]
fn limits_at_the_same_time_leave_the_record_with_the_kernels() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let disk = Pool::btrfs(512 << 20);
    let wish = Wish {
        limit: true,
        ..WISH
    };
    let host = Host::new(&repository, disk.path(), wish);
    host.succeed(&host.import("1", false));
    host.succeed(&host.import("2", true));
    let two = host.see();
    let limit = |size: &str| host.arguments(&["-q", "limit", "m", size]);
    for round in 0..ROUNDS {
        let sizes = ["64M", "96M", "128M", "none"];
        let ended = all_at_once(&host, &sizes.map(limit));
        assert_eq!(winners(&ended), sizes.len(), "round {round}: {ended:?}");
        let [kernel, record] = limits(&host);
        assert_eq!(kernel, record, "round {round}");

        // Beside a replacement: the record is that of the tree that is there.
        host.succeed(&host.import("1", true));
        let mixed = [limit("64M"), host.import("2", true), limit("96M")];
        let ended = all_at_once(&host, &mixed);
        assert_eq!(winners(&ended), mixed.len(), "round {round}: {ended:?}");
        assert!(host.see() == two, "round {round}: {:?}", host.see());
        let [kernel, record] = limits(&host);
        assert_eq!(kernel, record, "round {round}");
    }
    host.succeed(&host.remove());
    assert_eq!(host.leftovers(), [""; 0]);
}

/// Whether any process has this folder open.
fn is_open(folder: &Path) -> bool {
    let list = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
    let mut files = list("/proc".into()).flat_map(|process| list(process.path().join("fd")));
    files.any(|file| fs::read_link(file.path()).is_ok_and(|to| to == folder))
}

#[test]
fn a_machine_that_is_replaced_or_removed_while_it_is_verified_is_said_to_be() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(64 << 20);
    let host = Host::new(&repository, memory.path(), WISH);
    host.succeed(&host.import("1", false));
    let options = [
        "-o",
        "/dev/null",
        "-e",
        "trace=getdents64",
        "-e",
        "inject=getdents64:delay_enter=12000000:when=1",
    ];
    let options = options.map(str::to_owned);
    for meanwhile in [host.import("2", true), host.remove()] {
        std::thread::scope(|scope| {
            let (host, options) = (&host, &options);
            let arguments = host.arguments(&["verify", "m"]);
            let verifying = scope.spawn(move || host.traced(options, &arguments));
            let begun = Instant::now();
            while !is_open(&host.path("machines/m")) {
                assert!(
                    begun.elapsed() < Duration::from_secs(60),
                    "it does not begin"
                );
                std::thread::sleep(Duration::from_millis(20));
            }
            host.succeed(&meanwhile);
            let ran = verifying.join().unwrap();
            assert_eq!(ran.code, Some(CONFLICT), "{ran:?}");
            let said = "replaced or removed while it was verified";
            assert!(ran.stderr.contains(said), "{ran:?}");
        });
    }
}
