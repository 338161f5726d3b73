//! What can go wrong, and how it is told: what each location answered, or
//! which path on this host refused.

use hatchery_image::Sha256;
use hatchery_image::path::InvalidPath;
use hatchery_image::progress::Interrupted;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why something did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// TLS or the runtime could not be set up.
    #[error("cannot set up the network client: {what}")]
    Setup {
        /// Which part of it.
        what: &'static str,
        /// What was said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The requested path is not a plain relative one.
    #[error("cannot fetch such a path")]
    Path {
        /// Why.
        #[source]
        source: InvalidPath,
    },
    /// Nowhere to look.
    #[error("no mirror is known for {path}")]
    NoLocation {
        /// What was wanted.
        path: String,
    },
    /// Declared larger than the caller takes.
    #[error("{path} is said to be {size} bytes long; at most {limit} are accepted")]
    OverLimit {
        /// What was wanted.
        path: String,
        /// Declared length.
        size: u64,
        /// Most that is accepted.
        limit: u64,
    },
    /// A download into the cache without a digest or length to expect.
    #[error("cannot download {path} into the cache without its digest and size")]
    Unpinned {
        /// What was wanted.
        path: String,
    },
    /// A path on this host refused: disk full, permissions.
    #[error("cannot {doing} {path}")]
    Host {
        /// What was being done, such as `write`.
        doing: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Every location failed.
    #[error("cannot fetch {path}{}", listed(.attempts))]
    Everywhere {
        /// What was wanted.
        path: String,
        /// What each location answered, in the order of trying.
        attempts: Vec<Attempt>,
    },
}

impl TransferError {
    /// Whether every location answered that it has no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Everywhere { attempts, .. } => {
                !attempts.is_empty() && attempts.iter().all(|a| a.failure.is_missing())
            }
            _ => false,
        }
    }

    /// Whether some location has something else than what is to be trusted,
    /// and no location has that.
    #[must_use]
    pub fn is_distrusted(&self) -> bool {
        match self {
            Self::Everywhere { attempts, .. } => attempts.iter().any(|a| a.failure.is_wrong()),
            _ => false,
        }
    }
}

/// What one location answered.
#[derive(Debug)]
pub struct Attempt {
    /// The address, without a password.
    pub address: String,
    /// What went wrong there.
    pub failure: Failure,
}

/// What went wrong at one location.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection.
    #[error("cannot connect: {}", chain(.0))]
    Connect(#[source] reqwest::Error),
    /// A connection that broke, or an answer that is not HTTP.
    #[error("the connection failed: {}", chain(.0))]
    Broken(#[source] reqwest::Error),
    /// An `https` location, and nobody to trust for it.
    #[error(
        "this host has no certificates of authorities to verify it with: install ca-certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots,
    /// Too few bytes for too long.
    #[error("nothing arrived for {} seconds", .0.as_secs_f32())]
    Stalled(Duration),
    /// An HTTP status that is not a success.
    #[error("the server answered {0}")]
    Status(reqwest::StatusCode),
    /// A redirect that is not followed.
    #[error("it redirects to {to}, {why}")]
    Redirect {
        /// Where to.
        to: String,
        /// Why not.
        why: &'static str,
    },
    /// Fewer bytes than announced.
    #[error("it ended after {got} of {expected} bytes")]
    Truncated {
        /// How many arrived in all.
        got: u64,
        /// How many should have.
        expected: u64,
    },
    /// More bytes than asked for.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// Another length than expected.
    #[error("it is {found} bytes long instead of {expected}")]
    Length {
        /// Announced or found length.
        found: u64,
        /// Expected length.
        expected: u64,
    },
    /// Another content than expected.
    #[error("its SHA-256 is {found} instead of {expected}")]
    Digest {
        /// What was found.
        found: Sha256,
        /// What was expected.
        expected: Sha256,
    },
    /// A span of bytes that was not asked for.
    #[error("the server sent another range than it was asked for")]
    Range,
    /// A whole file where its end was asked for.
    #[error("the server hands out whole files only")]
    NoRanges,
    /// Content that is compressed for transport, unasked.
    #[error("the server encoded it as {0:?}, which was not asked for")]
    Encoded(String),
    /// A file in a folder that cannot be read.
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    /// Something in a folder that is no regular file.
    #[error("it is not a regular file")]
    NotAFile,
    /// An HTTP location while working offline.
    #[error("not asked: working offline")]
    Offline,
    /// The caller's check did not accept it.
    #[error("{}", chain(.0.as_ref()))]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// Whether the location says that it has no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 404 | 410),
            Self::Read(source) => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether the location has something else than what is to be trusted.
    fn is_wrong(&self) -> bool {
        matches!(
            self,
            Self::Digest { .. } | Self::Length { .. } | Self::TooLong(_) | Self::Refused(_)
        )
    }

    /// Whether asking the same location again may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Broken(_)
            | Self::Stalled(_)
            | Self::Truncated { .. }
            | Self::Range => true,
            Self::Status(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            _ => false,
        }
    }
}

/// How the transfer of one request stops: for good, or at one location.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nothing else should be tried.
    Fatal(TransferError),
    /// Another try or location may do.
    Here(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

impl From<TransferError> for Stop {
    fn from(error: TransferError) -> Self {
        Self::Fatal(error)
    }
}

impl From<Interrupted> for Stop {
    fn from(interrupted: Interrupted) -> Self {
        Self::Fatal(interrupted.into())
    }
}

/// A step on this host that failed.
pub(crate) fn host(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |source| TransferError::Host {
        doing,
        path,
        source,
    }
}

/// An error with all its causes on one line; reqwest's own text leaves out
/// the one that matters, and names the address (with its password) again.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(_) => String::new(),
            None => error.to_string(),
        };
        if !text.is_empty() && causes.last() != Some(&text) {
            causes.push(text);
        }
        next = error.source();
    }
    if causes.is_empty() {
        causes.push("no reason was given".to_owned());
    }
    causes.join(": ")
}

fn listed(attempts: &[Attempt]) -> impl fmt::Display {
    let mut text = String::new();
    for Attempt { address, failure } in attempts {
        text.push_str("\n  ");
        text.push_str(address);
        text.push_str(": ");
        text.push_str(&failure.to_string());
    }
    text
}
