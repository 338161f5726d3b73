//! What is said about a machine that was verified.

use super::first_boot;
use super::written::Written;
use crate::record::Record;
use hatchery_image::archive::compare::{Aspect, Change, Compared, Type};
use hatchery_image::place::shown;
use hatchery_image::{ImageName, MachineName, Version};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The machine.
    pub machine: MachineName,
    /// Its tree.
    pub path: PathBuf,
    /// The image that it is compared with.
    pub image: ImageName,
    /// And its version.
    pub version: Version,
    /// Entries of the image.
    pub entries: u64,
    /// First user id of the namespace that systemd-nspawn gave the tree to.
    pub shift: Option<u32>,
    /// What was changed, by path.
    pub differences: Vec<Difference>,
    /// What the first boot of every machine changes.
    pub first_boot: Vec<Difference>,
    /// Further differences, which are too many to remember.
    pub beyond: u64,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it comes to.
    pub change: Kind,
    /// Where, beneath the tree; the tree itself is `.`.
    pub path: String,
    /// What it is, or what of it is another.
    pub details: Vec<String>,
}

/// What a difference comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is not there.
    Missing,
    /// It is not in the image.
    Added,
    /// It differs.
    Changed,
    /// It could not be looked at.
    Unseen,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missing => "missing",
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Unseen => "unseen",
        })
    }
}

impl VerifyReport {
    /// Whether nothing was changed but by the first boot.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty() && self.beyond == 0
    }
}

pub(super) fn report(record: &Record, compared: &Compared, written: &Written) -> VerifyReport {
    let mut report = VerifyReport {
        machine: record.machine.clone(),
        path: record.path.clone(),
        image: record.image.clone(),
        version: record.version.clone(),
        entries: compared.entries,
        shift: compared.shift,
        differences: Vec::new(),
        first_boot: Vec::new(),
        beyond: compared.differences.beyond,
    };
    for (path, change) in compared.differences.iter() {
        let is_own = match change {
            Change::Added {
                kind: Type::Directory,
                beneath: 0,
            } => written.is_own_folder(path),
            _ => written.is_own_file(path),
        };
        if is_own {
            continue;
        }
        let place = if first_boot::writes(path) {
            &mut report.first_boot
        } else {
            &mut report.differences
        };
        place.push(difference(path, change));
    }
    report
}

fn difference(path: &[u8], change: &Change) -> Difference {
    let (kind, details) = match change {
        Change::Missing { kind, beneath } => (Kind::Missing, vec![whole(*kind, *beneath)]),
        Change::Added { kind, beneath } => (Kind::Added, vec![whole(*kind, *beneath)]),
        Change::Changed(aspects) => (Kind::Changed, aspects.iter().map(detail).collect()),
        Change::Unseen(what) => (Kind::Unseen, vec![(*what).to_owned()]),
    };
    let path = match path {
        b"" => ".".to_owned(),
        path => shown(path),
    };
    Difference {
        change: kind,
        path,
        details,
    }
}

fn name(kind: Type) -> &'static str {
    match kind {
        Type::File => "file",
        Type::Directory => "directory",
        Type::Symlink => "symbolic link",
        Type::Character => "character device",
        Type::Block => "block device",
        Type::Fifo => "FIFO",
        Type::Socket => "socket",
    }
}

fn whole(kind: Type, beneath: u64) -> String {
    match beneath {
        0 => name(kind).to_owned(),
        n => format!("{} with {n} beneath it", name(kind)),
    }
}

fn detail(aspect: &Aspect) -> String {
    match aspect {
        Aspect::Type(was, is) => format!("type: {}, was {}", name(*is), name(*was)),
        Aspect::Contents => "contents".to_owned(),
        Aspect::Size(was, is) => format!("contents: {is} bytes, were {was}"),
        Aspect::Mode(was, is) => format!("mode: {is:04o}, was {was:04o}"),
        Aspect::Owner(was, is) => {
            format!("owner: {}:{}, was {}:{}", is.0, is.1, was.0, was.1)
        }
        Aspect::Xattr(name) => format!("attribute {}", shown(name)),
        Aspect::Target(was, is) => format!("target: {}, was {}", shown(is), shown(was)),
        Aspect::Device(was, is) => {
            format!("device: {}:{}, was {}:{}", is.0, is.1, was.0, was.1)
        }
        Aspect::Link(to) => format!("no hard link to {} any more", shown(to)),
        Aspect::Time(was, is) => format!("time: {is}, was {was}"),
    }
}
