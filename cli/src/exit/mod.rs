//! Exit codes: the one table; [`cause`] maps failures to it.

mod cause;

use std::error::Error;
use std::process::ExitCode;

/// What a script can learn from an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// None of the others.
    Failure = 1,
    /// The command line is wrong; what clap finds ends with this code too.
    Usage = 2,
    /// A recipe, a lock or a configuration file is wrong.
    Recipe = 3,
    /// Not to be trusted.
    Trust = 4,
    /// Nothing could be fetched.
    Network = 5,
    /// The host lacks something.
    Host = 6,
    /// A check found faults.
    Check = 7,
    /// Something is there already, or not there, or in use.
    Conflict = 8,
    /// Stopped by Ctrl-C or a signal.
    Interrupted = 130,
}

/// The table, as help and README show it.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  it worked
    1  a failure that none of the others names
    2  the command line is wrong
    3  a recipe, a lock or a configuration file is wrong
    4  not to be trusted: signature, key, digest or expiry
    5  network: no mirror has it or answers
    6  the host lacks space, permission or a program
    7  a check found faults
    8  it exists already, is not there, or is in use
  130  interrupted; what had been begun was removed";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// A failure that this crate itself finds, with what it means for scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    /// A failure to return as an error.
    pub(crate) fn error(code: Code, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self {
            code,
            message: message.into(),
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// The code for a failure: that of the outermost cause that says more than
/// that something failed.
pub(crate) fn code(error: &anyhow::Error) -> Code {
    error.chain().find_map(cause::code).unwrap_or(Code::Failure)
}

/// Nobody reads standard output any more, as when `head` has enough. That is no
/// failure; any other pipe that breaks is one, be it that of a process of ours.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl std::fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads standard output any more")
    }
}

impl Error for OutputClosed {}

/// Whether somebody closed the pipe that the output goes to.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<OutputClosed>())
}

/// Exits without cleaning up, because the user asked twice.
#[expect(clippy::exit, reason = "the user asked twice")]
pub(crate) fn at_once() -> ! {
    std::process::exit(i32::from(Code::Interrupted as u8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use hatchery_image::progress::Interrupted;
    use std::io;

    #[test]
    fn only_our_own_output_may_be_closed() {
        let closed = anyhow::Error::new(OutputClosed).context("showing");
        assert!(is_closed_output(&closed));
        let broken: Result<(), _> = Err(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = broken.context("cannot talk to a process").unwrap_err();
        assert!(!is_closed_output(&error));
        assert_ne!(code(&error) as u8, 0);
    }

    #[test]
    fn the_cause_decides_and_not_what_was_being_done() {
        let full: Result<(), _> = Err(io::Error::from(io::ErrorKind::StorageFull));
        let error = full.context("cannot write x").unwrap_err();
        assert_eq!(code(&error), Code::Host);
        assert_eq!(code(&anyhow::anyhow!("odd")), Code::Failure);
        let interrupted = anyhow::Error::new(Interrupted).context("building");
        assert_eq!(code(&interrupted), Code::Interrupted);
    }

    #[cfg(feature = "build")]
    #[test]
    fn a_cause_in_a_box_or_behind_another_one_is_found() {
        use hatchery_builder::debian::{PlanError, RepositoryError, ResolveError};
        let boxed = PlanError::Repository {
            suite: "trixie".to_owned(),
            source: Box::new(RepositoryError::Suite("..".to_owned())),
        };
        assert_eq!(code(&anyhow::Error::new(boxed)), Code::Recipe);
        let behind = PlanError::Resolve(ResolveError::Syntax("?".to_owned()));
        let error = anyhow::Error::new(behind).context("cannot plan");
        assert_eq!(code(&error), Code::Recipe);
    }

    #[cfg(feature = "serve")]
    #[test]
    fn a_folder_that_is_no_store_is_a_conflict_when_publishing_too() {
        use hatchery_mirror::{PublishError, StoreError};
        let error = PublishError::Store {
            name: "lab".parse().unwrap(),
            version: "1".parse().unwrap(),
            source: Box::new(StoreError::NotAStore { path: "/x".into() }),
        };
        assert_eq!(code(&anyhow::Error::new(error)), Code::Conflict);
    }

    #[test]
    fn the_table_names_every_code() {
        for code in [
            Code::Failure,
            Code::Usage,
            Code::Recipe,
            Code::Trust,
            Code::Network,
            Code::Host,
            Code::Check,
            Code::Conflict,
            Code::Interrupted,
        ] {
            let start = format!("{:>5}  ", code as u8);
            assert!(TABLE.lines().any(|l| l.starts_with(&start)), "{code:?}");
        }
    }
}
