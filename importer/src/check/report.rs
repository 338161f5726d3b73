//! What a check found: one line for each thing that was looked at, with what
//! was seen. `cli/` prints it and turns it into an exit code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The answer of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Each thing that was looked at, in the order of looking.
    pub checks: Vec<Check>,
    /// Milliseconds from the start until the machine was up, if it came up.
    pub boot_milliseconds: Option<u64>,
    /// Last lines of the machine's console, for when it did not.
    pub console: Vec<String>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub what: What,
    /// How it is.
    pub outcome: Outcome,
    /// What was seen, in one line or a few.
    pub seen: String,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The image has no identity of its own.
    MachineIdUnset,
    /// It boots to multi-user.target.
    Boot,
    /// No unit failed.
    Units,
    /// It gave itself an identity.
    MachineIdSet,
    /// host0 has an address and a way out.
    Address,
    /// systemd-resolved runs.
    Resolved,
    /// /etc/resolv.conf points at it.
    ResolvConf,
    /// A name resolves.
    Name,
}

impl What {
    /// A few words for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::MachineIdUnset => "machine-id was unset",
            Self::Boot => "reaches multi-user.target",
            Self::Units => "no failed units",
            Self::MachineIdSet => "machine-id is set after the boot",
            Self::Address => "host0 has its address",
            Self::Resolved => "systemd-resolved runs",
            Self::ResolvConf => "/etc/resolv.conf points at systemd-resolved",
            Self::Name => "a name resolves",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// Not looked at, for the reason given.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

impl CheckReport {
    /// Whether nothing failed, and the machine came up at all.
    #[must_use]
    pub fn passed(&self) -> bool {
        let up = |c: &Check| c.what == What::Boot && c.outcome == Outcome::Passed;
        self.checks.iter().any(up) && self.checks.iter().all(|c| c.outcome != Outcome::Failed)
    }

    /// How one thing is, if it was looked at.
    #[must_use]
    pub fn outcome(&self, what: What) -> Option<Outcome> {
        self.checks
            .iter()
            .find(|c| c.what == what)
            .map(|c| c.outcome)
    }

    pub(super) fn add(&mut self, what: What, passed: bool, seen: impl Into<String>) {
        let outcome = if passed {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        self.put(what, outcome, seen);
    }

    pub(super) fn put(&mut self, what: What, outcome: Outcome, seen: impl Into<String>) {
        self.checks.push(Check {
            what,
            outcome,
            seen: seen.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_looked_at_is_no_pass() {
        let mut report = CheckReport::default();
        assert!(!report.passed());
        report.put(What::MachineIdUnset, Outcome::Skipped, "");
        assert!(!report.passed());
        report.add(What::Boot, true, "running");
        assert!(report.passed());
        report.add(What::Units, false, "x.service");
        assert!(!report.passed());
        assert_eq!(report.outcome(What::Units), Some(Outcome::Failed));
        assert_eq!(report.outcome(What::Name), None);
    }
}
