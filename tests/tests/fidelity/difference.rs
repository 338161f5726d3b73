//! In what two trees differ.

use super::allowed::{self, Allowed};
use super::snapshot::{Kind, Node, Snapshot};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Most lines that are shown of a file.
const LINES_MAX: usize = 8;

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Only the judge's tree has the path.
    Missing,
    /// Only our tree has it.
    Surplus,
    Kind,
    Mode,
    Owner,
    Content,
    /// The same lines, in another order.
    Order,
    /// The same accounts, with other numbers.
    Numbers,
    Target,
    /// With which other names it shares a file.
    Names,
    Xattrs,
    Device,
    Time,
}

/// One difference.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) path: PathBuf,
    pub(super) what: What,
    /// How: for contents, the lines that only one of the two has.
    pub(super) detail: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{} {:?}", self.path.display(), self.what)?;
        for line in self.detail.iter().take(LINES_MAX) {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// What decides whether two trees are the same.
pub(super) struct Judgement<'a> {
    /// The paths whose times are compared.
    pub(super) timed: BTreeSet<PathBuf>,
    /// A file's text without what no two trees have in common.
    pub(super) normal: &'a dyn Fn(&Path, Vec<u8>) -> Vec<u8>,
    /// In what they may differ.
    pub(super) allowed: &'a [Allowed],
}

impl Judgement<'_> {
    /// Asserts that our tree is the judge's.
    pub(super) fn same(&self, judge: &str, ours: &Snapshot, theirs: &Snapshot) {
        let mut differences = self.differences(ours, theirs);
        differences.retain(|d| !allowed::is_allowed(self.allowed, d));
        let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
        assert!(
            lines.is_empty(),
            "{judge}'s tree differs in {}:\n{}\nOnly these may:\n{}",
            lines.len(),
            lines.join("\n"),
            allowed::listed(self.allowed)
        );
    }

    /// Compares two trees path by path.
    fn differences(&self, ours: &Snapshot, theirs: &Snapshot) -> Vec<Difference> {
        let paths: BTreeSet<&PathBuf> = ours.nodes.keys().chain(theirs.nodes.keys()).collect();
        let mut found = Vec::new();
        for path in paths {
            let mut differs = |what, detail: Vec<String>| {
                let path = path.clone();
                found.push(Difference { path, what, detail });
            };
            match (ours.nodes.get(path), theirs.nodes.get(path)) {
                (Some(a), Some(b)) => {
                    nodes(a, b, self.timed.contains(path), &mut differs);
                    if a.kind == Kind::File && b.kind == Kind::File {
                        self.contents(path, ours, theirs, &mut differs);
                    }
                }
                (Some(_), None) => differs(What::Surplus, Vec::new()),
                (None, _) => differs(What::Missing, Vec::new()),
            }
        }
        found
    }

    fn contents(
        &self,
        path: &Path,
        ours: &Snapshot,
        theirs: &Snapshot,
        differs: &mut dyn FnMut(What, Vec<String>),
    ) {
        let text = |snapshot: &Snapshot| (self.normal)(path, snapshot.read(path));
        let texts = (text(ours), text(theirs));
        if texts.0 == texts.1 {
            return;
        }
        let (a, b) = (lines(&texts.0), lines(&texts.1));
        if a == b {
            differs(What::Order, Vec::new());
            return;
        }
        let named = |snapshot: &Snapshot, text| snapshot.accounts.without_numbers(path, text);
        let named = (named(ours, &texts.0), named(theirs, &texts.1));
        if let (Some(a), Some(b)) = named
            && lines(&a) == lines(&b)
        {
            differs(What::Numbers, Vec::new());
            return;
        }
        let only = |sign, these: &[&[u8]], those: &[&[u8]]| -> Vec<String> {
            let lines = these.iter().filter(|line| !those.contains(line));
            let lines = lines.map(|line| format!("{sign}{}", String::from_utf8_lossy(line)));
            lines.collect()
        };
        let lines = [only('+', &a, &b), only('-', &b, &a)].concat();
        differs(What::Content, lines);
    }
}

fn nodes(ours: &Node, theirs: &Node, timed: bool, differs: &mut dyn FnMut(What, Vec<String>)) {
    let mut compare = |what, same: bool, ours: &dyn fmt::Debug, theirs: &dyn fmt::Debug| {
        if !same {
            differs(what, vec![format!("{ours:?}, not {theirs:?}")]);
        }
    };
    let (a, b) = (ours, theirs);
    compare(What::Kind, a.kind == b.kind, &a.kind, &b.kind);
    let modes = (format!("{:o}", a.mode), format!("{:o}", b.mode));
    compare(What::Mode, a.mode == b.mode, &modes.0, &modes.1);
    compare(What::Owner, a.owner == b.owner, &a.owner, &b.owner);
    compare(What::Target, a.target == b.target, &a.target, &b.target);
    compare(What::Names, a.names == b.names, &a.names, &b.names);
    compare(What::Xattrs, a.xattrs == b.xattrs, &a.xattrs, &b.xattrs);
    compare(What::Device, a.device == b.device, &a.device, &b.device);
    let times = !timed || a.mtime == b.mtime;
    compare(What::Time, times, &a.mtime, &b.mtime);
}

/// The lines of a text, sorted.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}
