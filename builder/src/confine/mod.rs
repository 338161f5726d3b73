//! Runs programs inside a tree, confined: what a maintainer script or a
//! post-install script needs, and nothing else.
//!
//! The work is done by a helper process, a hidden subcommand of `hatchery`
//! whose entry is [`helper_main`]. It has its own mount, pid, ipc, uts and
//! (unless asked otherwise) network namespaces, dies with its parent, and
//! takes everything inside with it.
//! (Skeleton.)

use hatchery_image::Progress;
use hatchery_image::progress::Interrupted;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// How programs are run inside a tree.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// Program and first arguments of the helper: `hatchery __confine`.
    pub helper: Vec<OsString>,
    /// The tree.
    pub root: PathBuf,
    /// Whether the host's network can be used.
    pub network: bool,
    /// `SOURCE_DATE_EPOCH` for what runs inside, seconds since 1970.
    pub source_date_epoch: i64,
}

/// What a program that succeeded wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output, at most [`OUTPUT_MAX`] bytes of it (the first ones).
    pub stdout: Vec<u8>,
    /// The last lines of standard output and error together.
    pub tail: String,
}

/// Most bytes of standard output that are kept.
pub const OUTPUT_MAX: usize = 1 << 20;

/// Why a program did not run to success.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The helper could not be started or spoken to.
    #[error("cannot {doing} the process that confines programs to {root}")]
    Helper {
        /// Such as `start`.
        doing: &'static str,
        /// The tree.
        root: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program ran and failed.
    #[error("{argv} failed inside the tree with {status}{}", tail_of(.tail))]
    Failed {
        /// Program and arguments, quoted where needed.
        argv: String,
        /// Such as `exit status 1` or `signal 9`.
        status: String,
        /// Its last lines.
        tail: String,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn tail_of(tail: &str) -> String {
    if tail.is_empty() {
        ", saying nothing".to_owned()
    } else {
        format!("; its last lines:\n{tail}")
    }
}

impl Confinement {
    /// Runs a program (its path inside the tree, or a name that is found in
    /// `/usr/sbin:/usr/bin:/sbin:/bin`) with these bytes on its standard
    /// input (none: `/dev/null`), in a clean environment plus `env`.
    ///
    /// # Errors
    /// It could not be started, it failed, or the user asked to stop.
    pub fn run(
        &self,
        _argv: &[&str],
        _stdin: Option<&[u8]>,
        _env: &[(&str, &str)],
        _progress: &Progress,
    ) -> Result<Output, ConfineError> {
        todo!("lands soon")
    }
}

/// Entry of the helper process: `hatchery __confine` does nothing but call
/// this first thing in `main`, before any thread exists, and return its code.
#[must_use]
pub fn helper_main() -> ExitCode {
    todo!("lands soon")
}
