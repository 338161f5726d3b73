//! Journals that nobody of ours wrote: refused, with what is wrong, and nothing
//! outside of the machine's own places is touched, nor waited for.

use super::NEEDS;
use super::calls::points_from;
use super::host::{Host, Wish};
use super::portrait;
use super::repository::Repository;
use hatchery_tests::{Pool, require};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

/// Larger than any journal, in bytes.
const HUGE: u64 = 64 << 20;

const WISH: Wish = Wish {
    limit: false,
    settings: true,
};

/// A journal as a replacement left it that was killed before the trees changed
/// places.
fn begun(host: &Host<'_>) -> Value {
    let replace = host.import("2", true);
    host.succeed(&host.import("1", true));
    let found = points_from(host, &replace, "/state/exchange/");
    let point = found
        .iter()
        .find(|point| point.call == "renameat2")
        .unwrap();
    host.succeed(&host.import("1", true));
    let ran = host.traced(&point.options("signal=KILL"), &replace);
    assert!(ran.is_killed(), "{ran:?}");
    let bytes = fs::read(host.path("state/exchange/m.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// What each planted journal is called, how it differs, and what is said.
fn changed(journal: &Value, outside: &Path) -> Vec<(&'static str, Value, &'static str)> {
    let tree = outside.join(".#m.previous-0123456789abcdef");
    let with = |pointer: &str, value: Value| {
        let mut journal = journal.clone();
        *journal.pointer_mut(pointer).unwrap() = value;
        journal
    };
    let target = journal["target"].as_str().unwrap();
    let above = format!("{target}/../../../outside/m");
    let hidden = format!("{target}/../.#m.previous-0123456789abcdef");
    let elsewhere = "is not this machine's";
    vec![
        (
            "target",
            with("/target", json!(outside.join("m"))),
            elsewhere,
        ),
        ("target with ..", with("/target", json!(above)), elsewhere),
        (
            "target that turns a terminal's text around",
            with("/target", json!("/\u{202e}\u{1b}[2J")),
            "names /\\u{202e}\\u{1b}[2J,",
        ),
        ("hidden", with("/hidden", json!(tree)), elsewhere),
        ("hidden with ..", with("/hidden", json!(hidden)), elsewhere),
        ("another machine", with("/hidden", json!(target)), elsewhere),
        (
            "settings",
            with("/settings", json!(outside.join("m"))),
            elsewhere,
        ),
        (
            "record",
            with("/goes/record/machine", json!("other")),
            elsewhere,
        ),
        (
            "path of a record",
            with("/comes/record/path", json!(outside.join("m"))),
            elsewhere,
        ),
        (
            "record of what was kept",
            with("/before/record/machine", json!("other")),
            elsewhere,
        ),
        (
            "format",
            with("/format", json!(1000)),
            "a newer hatchery is needed",
        ),
        ("type", with("/fresh", json!("yes")), "cannot be understood"),
    ]
}

/// What is in a folder, but for locks, which come and go, and its own time,
/// which is theirs.
fn inside(folder: &Path) -> String {
    let all = portrait::of(folder);
    let is_ours = |line: &&str| !line.starts_with(' ') && !line.contains(".lck ");
    let lines = all.lines().filter(is_ours);
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts that whoever comes is told so, and nothing is another than before.
fn refused(host: &Host<'_>, name: &str, said: &str) {
    let places = [
        "machines",
        "nspawn",
        "outside",
        "state/machines",
        "state/previous",
    ];
    let look = || places.map(|place| inside(&host.path(place)));
    let before = look();
    for arguments in [
        host.import("2", true),
        host.remove(),
        host.arguments(&["-q", "rollback", "m"]),
    ] {
        let ran = host.run(&arguments);
        assert!(ran.code.is_some_and(|code| code != 0), "{name}: {ran:?}");
        assert!(ran.stderr.contains(said), "{name}: {ran:?}");
        assert_eq!(look(), before, "{name}: {arguments:?}");
    }
    // Whoever collects garbage leaves it at that, or says what is wrong.
    let ran = host.run(&host.gc(&[]));
    let says = ran.stderr.contains(said) || ran.stdout.contains(said);
    assert!(says, "{name}: {ran:?}");
    assert_eq!(look(), before, "{name}: gc");
}

#[test]
fn a_journal_that_nobody_of_ours_wrote_is_refused() {
    if !require(&NEEDS) {
        return;
    }
    let repository = Repository::new();
    let memory = Pool::tmpfs(256 << 20);
    let host = Host::new(&repository, memory.path(), WISH);
    let outside = host.path("outside");
    for tree in ["m/etc", ".#m.previous-0123456789abcdef/etc"] {
        fs::create_dir_all(outside.join(tree)).unwrap();
    }
    let journal = begun(&host);
    let good = serde_json::to_vec(&journal).unwrap();
    let path = host.path("state/exchange/m.json");
    let plant = |bytes: &[u8]| {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
    };
    for (name, journal, said) in changed(&journal, &outside) {
        plant(&serde_json::to_vec(&journal).unwrap());
        refused(&host, name, said);
    }
    for garbage in [&b""[..], b"{", b"null", b"\xff\xfe", &b"[".repeat(100_000)] {
        plant(garbage);
        refused(&host, "garbage", "cannot be understood");
    }
    plant(b"");
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(HUGE)
        .unwrap();
    refused(&host, "huge", "larger than");
    plant(&good);
    chown(&path, Some(1000), Some(1000)).unwrap();
    refused(&host, "another owner", "belongs to user 1000");
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    refused(&host, "a FIFO", "no regular file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(&host, "a folder", "no regular file");
    fs::remove_dir(&path).unwrap();
    let aside = host.path("aside.json");
    fs::write(&aside, &good).unwrap();
    symlink(&aside, &path).unwrap();
    refused(&host, "a link", "symbolic link");

    // The one that it was is mended.
    plant(&good);
    host.succeed(&host.gc(&[]));
    assert_eq!(host.see().record.unwrap().0, "1");
    assert_eq!(host.leftovers(), [""; 0]);
    // What is said to be kept is only removed if it is called so.
    host.succeed(&host.import("2", true));
    let kept = host.path("state/previous/m.json");
    let previous: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    for (pointer, path) in [("/tree", "machines/m"), ("/record/path", "outside/m")] {
        let mut previous = previous.clone();
        *previous.pointer_mut(pointer).unwrap() = json!(host.path(path));
        fs::write(&kept, serde_json::to_vec(&previous).unwrap()).unwrap();
        refused(&host, pointer, "is not this machine's");
    }
    assert!(host.path("machines/m/etc").exists());
}
