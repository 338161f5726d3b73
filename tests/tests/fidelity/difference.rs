//! In what two trees differ.

use super::snapshot::{Kind, Node, Snapshot};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Only mmdebstrap's tree has the path.
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
    detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{} {:?}", self.path.display(), self.what)?;
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        Ok(())
    }
}

/// Compares two trees path by path.
pub(super) fn differences(ours: &Snapshot, theirs: &Snapshot) -> Vec<Difference> {
    let timed = theirs.timed();
    let paths: BTreeSet<&PathBuf> = ours.nodes.keys().chain(theirs.nodes.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let mut differs = |what, detail: String| {
            let path = path.clone();
            found.push(Difference { path, what, detail });
        };
        match (ours.nodes.get(path), theirs.nodes.get(path)) {
            (Some(a), Some(b)) => {
                nodes(a, b, timed.contains(path), &mut differs);
                if a.kind == Kind::File && b.kind == Kind::File {
                    contents(path, ours, theirs, &mut differs);
                }
            }
            (Some(_), None) => differs(What::Surplus, String::new()),
            (None, _) => differs(What::Missing, String::new()),
        }
    }
    found
}

fn nodes(ours: &Node, theirs: &Node, timed: bool, differs: &mut dyn FnMut(What, String)) {
    let mut compare = |what, same: bool, ours: &dyn fmt::Debug, theirs: &dyn fmt::Debug| {
        if !same {
            differs(what, format!("{ours:?}, not {theirs:?}"));
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

fn contents(
    path: &Path,
    ours: &Snapshot,
    theirs: &Snapshot,
    differs: &mut dyn FnMut(What, String),
) {
    let texts = (ours.read(path), theirs.read(path));
    if texts.0 == texts.1 {
        return;
    }
    let (a, b) = (lines(&texts.0), lines(&texts.1));
    if a == b {
        differs(What::Order, String::new());
        return;
    }
    let named = |snapshot: &Snapshot, text| snapshot.accounts.without_numbers(path, text);
    let named = (named(ours, &texts.0), named(theirs, &texts.1));
    if let (Some(a), Some(b)) = named
        && lines(&a) == lines(&b)
    {
        differs(What::Numbers, String::new());
        return;
    }
    let only = |these: &[&[u8]], those: &[&[u8]]| {
        let line = these.iter().find(|line| !those.contains(line));
        line.map(|line| String::from_utf8_lossy(line).into_owned())
    };
    let (ours, theirs) = (only(&a, &b), only(&b, &a));
    differs(What::Content, format!("such as {ours:?}, not {theirs:?}"));
}

/// The lines of a text, sorted.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}
