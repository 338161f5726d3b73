//! Exit codes: the one table, and the one mapping of failures to it.

use hatchery_image::files::ImageFilesError;
use hatchery_image::keyring::KeyringError;
use hatchery_image::progress::Interrupted;
#[cfg(feature = "sign")]
use hatchery_image::signer::SignerError;
use hatchery_transfer::TransferError;
use std::error::Error;
use std::io;
use std::process::ExitCode;

/// What a script can learn from an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// None of the others.
    Failure = 1,
    /// The command line is wrong.
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
    error.chain().find_map(of_one).unwrap_or(Code::Failure)
}

fn of_one(cause: &(dyn Error + 'static)) -> Option<Code> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.code);
    }
    if cause.is::<Interrupted>() {
        return Some(Code::Interrupted);
    }
    #[cfg(feature = "sign")]
    if let Some(error) = cause.downcast_ref::<SignerError>() {
        return of_signer(error);
    }
    None.or_else(|| cause.downcast_ref().and_then(of_keyring))
        .or_else(|| cause.downcast_ref().and_then(of_transfer))
        .or_else(|| cause.downcast_ref().and_then(of_image))
        .or_else(|| of_mirror(cause))
        .or_else(|| cause.downcast_ref().and_then(of_io))
}

fn of_keyring(error: &KeyringError) -> Option<Code> {
    match error {
        KeyringError::Read { .. }
        | KeyringError::Data(_)
        | KeyringError::Make { .. }
        | KeyringError::Write(_) => None,
        _ => Some(Code::Trust),
    }
}

fn of_image(error: &ImageFilesError) -> Option<Code> {
    use ImageFilesError as E;
    match error {
        E::Listing { .. } | E::Size { .. } | E::Digest { .. } => Some(Code::Trust),
        _ => None,
    }
}

#[cfg(feature = "serve")]
fn of_mirror(cause: &(dyn Error + 'static)) -> Option<Code> {
    use hatchery_mirror::{CatalogError as C, PublishError as P, StoreError as S};
    let store = |error: &S| match error {
        S::NotAStore { .. } | S::NotEmpty { .. } => Some(Code::Conflict),
        _ => None,
    };
    let publish = |error: &P| match error {
        P::Taken { .. } | P::Ambiguous { .. } => Some(Code::Conflict),
        P::Damaged { .. } | P::Changed { .. } => Some(Code::Trust),
        _ => None,
    };
    let catalog = |error: &C| match error {
        C::None { .. } => Some(Code::Conflict),
        C::NotListed { .. } | C::Clock { .. } | C::Repository { .. } => Some(Code::Trust),
        C::Envelope { .. } | C::Payload { .. } => Some(Code::Trust),
        _ => None,
    };
    None.or_else(|| cause.downcast_ref().and_then(store))
        .or_else(|| cause.downcast_ref().and_then(publish))
        .or_else(|| cause.downcast_ref().and_then(catalog))
}

#[cfg(not(feature = "serve"))]
fn of_mirror(_: &(dyn Error + 'static)) -> Option<Code> {
    None
}

#[cfg(feature = "sign")]
fn of_signer(error: &SignerError) -> Option<Code> {
    match error {
        SignerError::NoGpg(_) => Some(Code::Host),
        SignerError::Text(_) => Some(Code::Usage),
        SignerError::NoKey { .. } => Some(Code::Conflict),
        _ => None,
    }
}

fn of_transfer(error: &TransferError) -> Option<Code> {
    match error {
        TransferError::Everywhere { .. } | TransferError::NoLocation { .. } => Some(Code::Network),
        TransferError::OverLimit { .. } => Some(Code::Trust),
        _ => None,
    }
}

fn of_io(error: &io::Error) -> Option<Code> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::PermissionDenied
        | Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::FileTooLarge
        | Kind::ReadOnlyFilesystem => Some(Code::Host),
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::TimedOut => Some(Code::Network),
        Kind::AddrInUse => Some(Code::Conflict),
        _ => None,
    }
}

/// Whether somebody closed the pipe that the output goes to, as `head` does.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
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

    #[test]
    fn the_cause_decides_and_not_what_was_being_done() {
        let full: Result<(), _> = Err(io::Error::from(io::ErrorKind::StorageFull));
        let error = full.context("cannot write x").unwrap_err();
        assert_eq!(code(&error), Code::Host);
        assert_eq!(code(&anyhow::anyhow!("odd")), Code::Failure);
        let interrupted = anyhow::Error::new(Interrupted).context("building");
        assert_eq!(code(&interrupted), Code::Interrupted);
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
