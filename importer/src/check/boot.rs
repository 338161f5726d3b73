//! What the check and its helper processes say to one another: a line of
//! JSON in, lines of JSON out.

use super::report::CheckReport;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;

/// What to boot, and which process this is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Boot {
    /// Which process this is.
    pub(super) side: Side,
    /// argv that starts another of these.
    pub(super) helper: Vec<OsString>,
    /// The tree; it is not changed.
    pub(super) root: PathBuf,
    /// First user id of the tree, when a user namespace was used with it.
    pub(super) shift: u32,
    /// Whether the guest has to be given the unified hierarchy.
    pub(super) unified: bool,
    /// How long all of it may take.
    pub(super) seconds: u64,
}

/// Which process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// On the host: it starts the other one and cleans up after it.
    Outside,
    /// Process 1 of namespaces of its own: it boots the machine and looks.
    Inside,
}

/// What a helper says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// A line about what it does.
    Says(String),
    /// What it found.
    Report(CheckReport),
    /// Why it could not look.
    Failed(String),
}
