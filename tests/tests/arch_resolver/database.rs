//! What is no proper database, against what pacman makes of it.

use super::pacman::Pacman;
use super::scenario::tar;
use hatchery_builder::arch::database::Database;
use hatchery_tests::{Need, require};

/// A good package, so that a database that is refused is told from one that
/// is empty.
const GOOD: (&str, &str) = ("z-1-1/desc", "%FILENAME%\nz.pkg.tar\n\n");

/// A database of these files and the good package, and a pacman that has it.
fn made(files: &[(&str, &str)]) -> (Vec<u8>, Pacman) {
    let all = files.iter().chain([&GOOD]);
    let all = all.map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
    let bytes = tar(&all.collect::<Vec<_>>());
    let pacman = Pacman::new(&[("core", bytes.clone())], &[]);
    (bytes, pacman)
}

/// What pacman and we read in a database, as lines of `name version depends`;
/// none if it is refused.
fn both(files: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let (bytes, pacman) = made(files);
    let listed = pacman.run(&["-Sl", "core"]).unwrap_or_default();
    let theirs = listed.lines().map(|line| {
        let line = line.strip_prefix("core ").unwrap();
        let (name, _) = line.split_once(' ').unwrap();
        let about = pacman.run(&["-Si", &format!("core/{name}")]).unwrap();
        let depends = about.lines().find(|l| l.starts_with("Depends On"));
        let (_, depends) = depends.unwrap().split_once(": ").unwrap();
        let depends = depends.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{line} {}\n", depends.replace("None", ""))
    });
    let theirs: String = theirs.collect();
    let ours = Database::parse(&bytes).ok().map(|database| {
        let lines = database.packages.iter().map(|p| {
            let depends: Vec<_> = p.depends.iter().map(ToString::to_string).collect();
            format!("{} {} {}\n", p.name, p.version, depends.join(" "))
        });
        lines.collect()
    });
    ((!theirs.is_empty()).then_some(theirs), ours)
}

const FILE: &str = "%FILENAME%\nx\n\n";

#[test]
fn odd_databases_are_read_as_pacman_reads_them() {
    if !require(&[Need::Program("pacman")]) {
        return;
    }
    let with = |text: &str| format!("{FILE}{text}");
    for (path, text) in [
        ("a-1-1/desc", with("%NAME%\nother\n\n%VERSION%\n2-1\n\n")),
        ("a-b-1:1-1.2/desc", with("%DEPENDS%\nx\ny>=1\n\n")),
        ("a-1-1/desc", with("%DEPENDS%\nx\ny")),
        ("a-1-1/desc", with("%DEPENDS%\nx\n")),
        ("a-1-1/desc", with("%DEPENDS%\n\nx\n")),
        ("a-1-1/desc", with("%DEPENDS%\nx\n\n%DEPENDS%\ny\n")),
        ("a-1-1/desc", with("%DEPENDS%")),
        ("a-1-1/desc", with("%DESC%")),
        ("a-1-1/desc", with("%DESC%\n")),
        ("a-1-1/desc", with("%NEW%\nx\n\n%DEPENDS%\nx\n\n")),
        (
            "a-1-1/desc",
            with("junk\n%DEPENDS% \nx\n\n\n\n%DEPENDS%\nz\n"),
        ),
        ("a-1-1/desc", with("%BUILDDATE%\nnever\n\n")),
        ("a-1-1/desc", with("%BASE%\n%DEPENDS%\nx\n\n")),
        ("a-1-1/x/desc", with("%DEPENDS%\nx\n\n")),
        ("a-1-1/depends", with("%DEPENDS%\nx\n\n")),
        ("a-1/desc", with("")),
        ("a/desc", with("")),
        ("-1-1/desc", with("")),
        ("./a-1-1/desc", with("")),
        ("/a-1-1/desc", with("")),
        ("desc", with("")),
        ("a-1-1/desc", "%FILENAME%\n.x\n\n".to_owned()),
        ("a-1-1/desc", "%FILENAME%\na/x\n\n".to_owned()),
    ] {
        let (theirs, ours) = both(&[(path, &text)]);
        assert_eq!(theirs, ours, "{path}: {text:?}");
    }
    // Two folders of one name are one package, whichever its version.
    let (theirs, ours) = both(&[
        ("a-1-1/desc", &with("%DEPENDS%\nx\n\n")),
        ("b-1-1/desc", FILE),
        ("a-2-1/desc", &with("%DEPENDS%\ny\n\n")),
    ]);
    assert_eq!(theirs, ours);
}

#[test]
fn what_pacman_lets_pass_and_we_do_not() {
    if !require(&[Need::Program("pacman")]) {
        return;
    }
    let with = |text: &str| format!("{FILE}{text}");
    for (path, text) in [
        ("a-1-1/desc", String::new()),
        ("a-1-1/desc", "%FILENAME%\n\n".to_owned()),
        ("a-1-1/desc", "%FILENAME%\na\tb\n\n".to_owned()),
        (".a-1-1/desc", with("")),
        ("a b-1-1/desc", with("")),
        ("a-1-1/desc", with("%CSIZE%\nmany\n\n")),
        ("a-1-1/desc", with("%SHA256SUM%\nabc\n\n")),
        ("a-1-1/desc", with("%PGPSIG%\n!\n\n")),
    ] {
        let (bytes, pacman) = made(&[(path, &text)]);
        let listed = pacman.run(&["-Sl", "core"]).unwrap_or_default();
        assert_eq!(listed.lines().count(), 2, "{path}: {text:?}: {listed}");
        assert!(Database::parse(&bytes).is_err(), "{path}: {text:?}");
    }
}
