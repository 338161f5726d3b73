//! Our bootstrap, judged by mmdebstrap: of the same packages, both must make
//! the same tree.
//!
//! Trees are compared before any setting of a recipe is applied, path by path:
//! kind, mode, owner, content, links, extended attributes, devices, and the
//! times of what packages ship. What may differ is a table in [`allowed`].

mod allowed;
mod fixture;
mod shipped;

use super::difference::Judgement;
use super::snapshot::Snapshot;
use allowed::ALLOWED;
use fixture::{NEEDS, Pair, confinement, pair};
use hatchery_image::Progress;
use hatchery_tests::require;
use std::collections::BTreeSet;
use std::path::Path;

/// What a machine needs to boot with its network up.
const BOOTABLE: [&str; 6] = [
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "dbus",
    "iproute2",
    "libnss-resolve",
];

/// Each does something else in its scripts.
const SCRIPTED: [&str; 14] = [
    "systemd-sysv",
    "dbus",
    // Late preinst, debconf, keys made by its script.
    "openssh-server",
    "sudo",
    // Conffiles made by its script.
    "locales",
    // Bytecode.
    "python3",
    // Alternatives.
    "vim-tiny",
    // Diverts.
    "perl",
    // A trigger on many packages, a user of its own.
    "man-db",
    // Triggers itself.
    "ca-certificates",
    "cron",
    "rsyslog",
    // Users, groups, files that belong to them.
    "exim4-daemon-light",
    // Files with capabilities.
    "iputils-ping",
];

#[test]
fn a_bootable_tree_is_the_one_that_mmdebstrap_makes() {
    judge("trixie", "bootable", &BOOTABLE);
}

#[test]
fn scripts_diversions_alternatives_and_triggers_do_what_they_do_for_mmdebstrap() {
    judge("trixie", "scripted", &SCRIPTED);
}

#[test]
fn an_older_release_is_the_one_that_mmdebstrap_makes() {
    judge("bookworm", "older", &BOOTABLE[1..4]);
}

#[test]
fn the_next_release_is_the_one_that_mmdebstrap_makes() {
    judge("forky", "next", &BOOTABLE);
}

fn judge(release: &str, label: &str, packages: &[&str]) {
    if !require(&NEEDS) {
        return;
    }
    let pair = pair(release, label, packages);
    same_packages(&pair);
    same_tree(&pair);
}

/// The plan is what apt chose, package by package.
fn same_packages(pair: &Pair) {
    let format = "${Package} ${Version} ${Architecture} ${db:Status-Abbrev}\n";
    let ask = |root: &Path| -> BTreeSet<String> {
        let argv = ["dpkg-query", "--show", "--showformat", format];
        let confinement = confinement(root, pair.plan.source_date_epoch);
        let output = confinement.run(&argv, None, &[], &Progress::silent());
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let planned = pair.plan.packages.iter();
    let planned: BTreeSet<String> = planned
        .map(|p| format!("{} {} {} ii ", p.name, p.version, p.architecture))
        .collect();
    let theirs = ask(&pair.theirs);
    let differ: Vec<_> = planned.symmetric_difference(&theirs).collect();
    assert!(differ.is_empty(), "not in both: {differ:#?}");
    assert_eq!(ask(&pair.ours), theirs);
}

fn same_tree(pair: &Pair) {
    let (ours, theirs) = (Snapshot::take(&pair.ours), Snapshot::take(&pair.theirs));
    let judgement = Judgement {
        timed: shipped::timed(&theirs),
        normal: &|_, text| text,
        allowed: &ALLOWED,
    };
    judgement.same("mmdebstrap", &ours, &theirs);
}
