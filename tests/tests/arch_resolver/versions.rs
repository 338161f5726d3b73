//! Versions against libalpm's `vercmp`. Debian ships no program of that name,
//! but `pacman -T` answers for as many pairs as fit on a command line: what is
//! provided by an installed package satisfies a dependency or does not.

use super::pacman::Pacman;
use super::scenario::Dice;
use hatchery_builder::arch::version::compare;
use hatchery_tests::{Need, require};
use std::collections::HashSet;
use std::fs;

const SEED: u64 = 0x7e57;

/// How many pairs are compared.
const PAIRS: usize = 6_000;

/// What versions are made of.
const PIECES: [&str; 30] = [
    "0",
    "1",
    "2",
    "9",
    "10",
    "00",
    "01",
    "100",
    "18446744073709551616",
    "a",
    "b",
    "rc",
    "rc1",
    "alpha",
    "A",
    "Z",
    ".",
    ".",
    "..",
    "_",
    "+",
    "-",
    "-",
    ":",
    "1:",
    "0:",
    "~",
    "^",
    "é",
    "git",
];

#[test]
fn versions_compare_as_with_pacman() {
    if !require(&[Need::Program("pacman")]) {
        return;
    }
    let mut dice = Dice::new(SEED);
    let mut pairs = Vec::new();
    let mut provides = String::new();
    for number in 0..PAIRS {
        let a = version(&mut dice);
        // Mostly the same but for a little: differences are where they matter.
        let b = match dice.below(3) {
            0 => version(&mut dice),
            _ => changed(&mut dice, &a),
        };
        provides.push_str(&format!("v{number}={a}\n"));
        pairs.push((a, b));
    }
    let pacman = Pacman::new(&[], &[]);
    let installed = pacman.folder().join("db/local/p-1-1");
    fs::create_dir(&installed).unwrap();
    let desc = format!("%NAME%\np\n\n%VERSION%\n1-1\n\n%PROVIDES%\n{provides}\n");
    fs::write(installed.join("desc"), desc).unwrap();
    fs::write(installed.join("files"), "").unwrap();

    for (first, chunk) in pairs.chunks(500).enumerate() {
        let asked = chunk.iter().enumerate().flat_map(|(n, (_, b))| {
            let number = first * 500 + n;
            ["<", "=", ">"].map(|comparison| format!("v{number}{comparison}{b}"))
        });
        let asked: Vec<String> = asked.collect();
        let mut arguments = vec!["-T", "--"];
        arguments.extend(asked.iter().map(String::as_str));
        // It fails as not everything is satisfied, and prints what is not.
        let out = pacman.run(&arguments).unwrap_err();
        let missing: HashSet<&str> = out.lines().collect();
        for ((a, b), asked) in chunk.iter().zip(asked.chunks(3)) {
            let holds: Vec<_> = asked
                .iter()
                .map(|d| !missing.contains(d.as_str()))
                .collect();
            let ordering = compare(a, b);
            let ours = [ordering.is_lt(), ordering.is_eq(), ordering.is_gt()];
            assert_eq!(ours.as_slice(), holds, "seed {SEED:#x}: {a:?} and {b:?}");
            assert_eq!(compare(b, a), ordering.reverse(), "{a:?} and {b:?}");
        }
    }
}

fn version(dice: &mut Dice) -> String {
    let count = dice.below(6) + 1;
    (0..count).map(|_| dice.pick(&PIECES)).collect()
}

/// With a piece put in somewhere, or a character taken out.
fn changed(dice: &mut Dice, version: &str) -> String {
    let mut characters: Vec<char> = version.chars().collect();
    let at = dice.below(characters.len() + 1);
    if dice.percent(40) && at < characters.len() {
        characters.remove(at);
    } else {
        let piece: Vec<char> = dice.pick(&PIECES).chars().collect();
        characters.splice(at..at, piece);
    }
    characters.into_iter().collect()
}
