//! Why there is no limit, and what to do about it.

use super::Kind;
use crate::exchange::ExchangeError;
use crate::hold::HoldError;
use crate::machines::MachinesError;
use crate::record::RecordError;
use hatchery_image::MachineName;
use hatchery_image::progress::Interrupted;
use std::io;
use std::path::PathBuf;

/// Why there is no limit.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The file system cannot limit a directory.
    #[error(
        "the file system of {path} cannot limit a directory: btrfs can, and so can ext4 and xfs \
         that are mounted with prjquota; make a pool that can with \
         `hatchery pool create --size SIZE`, or do without a limit"
    )]
    Unlimited {
        /// The machines directory.
        path: PathBuf,
    },
    /// It counts and does not enforce.
    #[error(
        "the file system of {path} counts what projects take, but enforces no limit: \
         mount it with prjquota (on xfs not with pqnoenforce)"
    )]
    NotEnforced {
        /// The machines directory.
        path: PathBuf,
    },
    /// The machines directory is itself limited, and all in it with it.
    #[error(
        "all of {path} is in project {project}, so that no machine in it can be in one of its own; \
         take the project from the directory with `chattr -P -p 0 {path}`, \
         or use another machines directory"
    )]
    Nested {
        /// The machines directory.
        path: PathBuf,
        /// Its project.
        project: u32,
    },
    /// The tree is part of something larger.
    #[error(
        "{path} {}; import the machine again with --force to have it limited",
        match .kind {
            Kind::Btrfs => "is an ordinary directory and no subvolume, so btrfs cannot limit it",
            Kind::Project => "is in no project of its own, so its files are not counted",
        }
    )]
    NotCounted {
        /// The tree.
        path: PathBuf,
        /// What its file system could limit.
        kind: Kind,
    },
    /// All machines together can be limited on btrfs only.
    #[error(
        "all machines in {path} together cannot be limited, because it is no subvolume of a btrfs; \
         limit single machines, or make a pool with `hatchery pool create --size SIZE`"
    )]
    NoPool {
        /// The machines directory.
        path: PathBuf,
    },
    /// The image alone is larger.
    #[error("a disk limit of {limit} bytes is too small: the image alone takes {needed}")]
    TooSmall {
        /// The limit.
        limit: u64,
        /// Bytes of the image's files.
        needed: u64,
    },
    /// More is in use already.
    #[error(
        "{what} takes {used} bytes already, which is more than {limit}; \
         remove something in it, take a larger limit, or say --force: \
         then nothing more can be written until it is below"
    )]
    BelowUse {
        /// The machine, or the machines directory.
        what: String,
        /// What it takes.
        used: u64,
        /// The limit that was asked for.
        limit: u64,
    },
    /// All machines together take more than they may.
    #[error(
        "the machines in {path} take more than they may together, so that btrfs does not even \
         change a limit; remove something in them first"
    )]
    Full {
        /// The machines directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such machine.
    #[error("there is no machine {name} in {root}")]
    NotFound {
        /// The name.
        name: MachineName,
        /// Where it was looked for.
        root: PathBuf,
    },
    /// All project ids that we take are taken.
    #[error("no project id from {first} to {last} is free on the file system of {path}")]
    NoProject {
        /// The machines directory.
        path: PathBuf,
        /// The first that was tried.
        first: u32,
        /// The last that was tried.
        last: u32,
    },
    /// A step failed.
    #[error("cannot {doing} {path}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The machines directory cannot be examined.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The state folder cannot be locked.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// What a killed process began cannot be read.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The user asked to stop.
    #[error("it was stopped")]
    Interrupted(#[source] Interrupted),
}
