//! Archives that want more than to be unpacked: each is named after its
//! trick, says what must come of it, and leaves everything around the target
//! as it was. A file a kind of trick.
//!
//! What is accepted must make the tree that GNU tar makes of it.

mod bombs;
mod canaries;
mod compression;
mod headers;
mod imported;
mod links;
mod paths;
mod pax;
mod sizes;
mod sparse;
mod toc;
mod types;

use crate::import::fixture::chain;
use crate::unpacking::{Packed, Walk, bytes, tree, unpack_to};
use canaries::Yard;
use hatchery_image::manifest::Unpacked;
use hatchery_tests::{Need, require, run::run};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const NEEDS: [Need; 3] = [Need::Root, Need::Program("tar"), Need::Program("zstd")];

/// How long an archive may hold an import up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a manifest declares of them, unless a case says otherwise.
const LIMITS: Unpacked = Unpacked {
    bytes: 64 << 20,
    entries: 20_000,
};

/// What must come of an archive.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// Refused, and the error says this: the entry's name, where it has one.
    Refused(&'static str),
    /// The tree that GNU tar makes of it.
    AsTar,
    /// Accepted; GNU tar does something else, for the reason given.
    Accepted(&'static str),
}

/// An archive.
struct Case {
    name: String,
    packed: Packed,
    limits: Unpacked,
    verdict: Verdict,
    /// The tar, to be refused in a frame with a table of contents as well.
    tar: Option<Vec<u8>>,
}

impl Case {
    /// A file of any bytes.
    fn packed(name: impl Into<String>, packed: Packed, verdict: Verdict) -> Self {
        Self {
            name: name.into(),
            packed,
            limits: LIMITS,
            verdict,
            tar: None,
        }
    }

    /// A tar of any bytes.
    fn raw(name: impl Into<String>, tar: Vec<u8>, verdict: Verdict) -> Self {
        Self {
            tar: Some(tar.clone()),
            ..Self::packed(name, Packed::tar(&tar), verdict)
        }
    }

    /// Entries that are refused; the error says `what`.
    fn refused(name: impl Into<String>, parts: &[Vec<u8>], what: &'static str) -> Self {
        Self::raw(name, bytes::tar(parts), Verdict::Refused(what))
    }

    /// Entries of which tar makes the same.
    fn as_tar(name: impl Into<String>, parts: &[Vec<u8>]) -> Self {
        Self::raw(name, bytes::tar(parts), Verdict::AsTar)
    }

    /// Refused only because of the order of its entries, which frames with a
    /// table do not have.
    fn in_order(mut self) -> Self {
        self.tar = None;
        self
    }

    fn limited(mut self, bytes: u64, entries: u64) -> Self {
        self.limits = Unpacked { bytes, entries };
        self
    }
}

/// Unpacks all cases in each way, and asserts their verdicts.
#[expect(clippy::print_stdout, reason = "it is a figure of the test")]
fn judge(cases: impl FnOnce(&Path) -> Vec<Case>) {
    if !require(&NEEDS) {
        return;
    }
    let yard = Yard::new();
    let cases = cases(&yard.outside());
    let mut wrong = Vec::new();
    let mut slowest = (Duration::ZERO, String::new());
    let count = cases.len();
    for case in cases {
        for walk in [Walk::Kernel, Walk::Steps] {
            let (failed, took) = unpacked(&case, &yard, walk);
            wrong.extend(failed.map(|what| format!("{} ({walk:?}): {what}", case.name)));
            if took > slowest.0 {
                slowest = (took, case.name.clone());
            }
            if took > PATIENCE {
                wrong.push(format!("{} ({walk:?}): took {took:?}", case.name));
            }
        }
        let around = yard.changed();
        wrong.extend(around.into_iter().map(|c| format!("{}: {c}", case.name)));
    }
    println!(
        "{count} archives, the slowest in {:?}: {}",
        slowest.0, slowest.1
    );
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is wrong with how a case came out, and how long it took.
fn unpacked(case: &Case, yard: &Yard, walk: Walk) -> (Option<String>, Duration) {
    let target = yard.target();
    let begun = Instant::now();
    let result = unpack_to(&case.packed, &target, &case.limits, walk);
    let took = begun.elapsed();
    let said = match (&result, case.verdict) {
        (Err(error), Verdict::Refused(what)) => {
            let text = chain(error);
            (!text.contains(what)).then(|| format!("said {text:?} and not {what:?}"))
        }
        (Err(error), _) => Some(format!("was refused: {}", chain(error))),
        (Ok(()), Verdict::Refused(_)) => Some("was accepted".to_owned()),
        (Ok(()), Verdict::Accepted(why)) => why
            .is_empty()
            .then(|| "is accepted for no reason".to_owned()),
        (Ok(()), Verdict::AsTar) => as_tar(case, &target),
    };
    let in_frames = || {
        // What is refused one entry after another is so in frames, too.
        let framed = toc::framed(&[case.tar.clone()?], &[]);
        let result = unpack_to(&framed, &yard.target(), &case.limits, walk);
        result
            .is_ok()
            .then(|| "was accepted with a table of contents".to_owned())
    };
    let said = if said.is_none() && result.is_err() {
        in_frames()
    } else {
        said
    };
    (said, took)
}

/// In what the tree differs from that of GNU tar.
fn as_tar(case: &Case, ours: &Path) -> Option<String> {
    let folder = canaries::scratch();
    let archive = folder.path().join("archive");
    let theirs = folder.path().join("tree");
    fs::create_dir(&theirs).unwrap();
    fs::write(&archive, &case.packed.bytes).unwrap();
    let (archive, target) = (archive.to_str().unwrap(), theirs.to_str().unwrap());
    let program = match case.packed.format {
        hatchery_image::manifest::ArchiveFormat::TarZst => "zstd",
        hatchery_image::manifest::ArchiveFormat::TarXz => "xz",
    };
    let options = [
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "-p",
        "-x",
    ];
    let argv = [
        &["tar", "-I", program],
        &options[..],
        &["-f", archive, "-C", target],
    ]
    .concat();
    if let Err(error) = run(&argv) {
        return Some(format!("GNU tar refuses it: {error}"));
    }
    let (ours, theirs) = (tree::look(ours), tree::look(&theirs));
    let differences = tree::differences(&ours, &theirs);
    canaries::remove(Path::new(target));
    (!differences.is_empty()).then(|| differences.join("\n"))
}

#[test]
fn paths_that_lead_elsewhere() {
    judge(paths::cases);
}

#[test]
fn links_that_lead_elsewhere() {
    judge(links::cases);
}

#[test]
fn types_that_are_odd_or_stand_against_each_other() {
    judge(|_| types::cases());
}

#[test]
fn headers_that_are_damaged_or_lie() {
    judge(|_| headers::cases());
}

#[test]
fn pax_records_that_lie() {
    judge(|_| pax::cases());
}

#[test]
fn maps_of_holes_that_lie() {
    judge(|_| sparse::cases());
}

#[test]
fn sizes_and_counts_beyond_what_is_declared() {
    judge(|_| sizes::cases());
}

#[test]
fn compression_that_is_damaged_or_wants_memory() {
    judge(|_| compression::cases());
}

#[test]
fn tables_of_contents_that_lie() {
    judge(|_| toc::cases());
}

#[test]
fn bombs_of_little_bytes() {
    judge(|_| bombs::cases());
}

/// Asserts that there are enough, and that each has a name of its own.
fn assert_many(all: &[Case]) {
    let mut names: Vec<&str> = all.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|w| w[0] == w[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(names.len() >= 150, "{}", names.len());
}
