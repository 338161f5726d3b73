//! Trees of Arch's, judged by pacstrap: of the same packages, both must be the
//! same. What no two trees have in common is left out, and what may differ is
//! a table in [`allowed`].

mod allowed;
pub(crate) mod fixture;
mod inside;
mod shipped;
mod small;

use super::difference::Judgement;
use super::snapshot::Snapshot;
use allowed::ALLOWED;
use hatchery_tests::pacstrap::{self, PROGRAMS, Pacstrap};
use hatchery_tests::pocket::Pocket;
use hatchery_tests::{Need, require};
use std::path::Path;

const NEEDS: [Need; 5] = [
    Need::Root,
    Need::Network,
    Need::Program("gpg"),
    Need::Program(PROGRAMS[0]),
    Need::Program(PROGRAMS[1]),
];

/// The judge agrees with itself: what differs between two of its own trees
/// need not be the same in ours.
#[test]
fn pacstrap_makes_the_same_tree_twice() {
    if !require(&NEEDS) {
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pocket = Pocket::repository(&target.join("pocket"));
    let theirs = pacstrap::untouched(&target.join("trees"), &pocket, &Pocket::PACKAGES);
    let folder = super::scratch();
    let ours = folder.path().join("tree");
    Pacstrap::of(&pocket).run(&ours, &Pocket::PACKAGES).unwrap();
    same_tree(&ours, &theirs);
}

/// Ours is the one that pacstrap made.
#[test]
fn the_tree_is_the_one_that_pacstrap_makes() {
    if !require(&NEEDS) {
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pocket = Pocket::repository(&target.join("pocket"));
    let theirs = pacstrap::untouched(&target.join("trees"), &pocket, &Pocket::PACKAGES);
    let request = fixture::request(&Pacstrap::of(&pocket), &Pocket::PACKAGES);
    let ours = fixture::install(&request).unwrap();
    same_tree(&ours.root, &theirs);
}

/// Asserts that a tree is the one that pacstrap made.
fn same_tree(ours: &Path, theirs: &Path) {
    let (ours, theirs) = (Snapshot::take(ours), Snapshot::take(theirs));
    let judgement = Judgement {
        timed: shipped::timed(&theirs),
        normal: &shipped::as_any_pacman,
        allowed: &ALLOWED,
    };
    judgement.same("pacstrap", &ours, &theirs);
}
