//! Runs programs inside a tree, confined: what a maintainer script or a
//! post-install script needs, and nothing else.
//!
//! The work is done by a helper process, a hidden subcommand of `hatchery`
//! whose entry is [`helper_main`]. It has its own mount, pid, ipc, uts and
//! (unless asked otherwise) network namespaces, dies with the builder, and
//! takes everything inside with it: mounts, processes, and what they hold.
//! Programs see a clean environment, a small `/dev`, empty `/run` and `/tmp`,
//! no terminal, no `/sys`, and flushing that costs nothing.
//!
//! mmdebstrap starts each script in the host's namespaces with every
//! capability; systemd-nspawn is a good jail, but registers machines, wants
//! `/sys`, and takes 100 ms a start; bubblewrap is one more program to
//! install. One helper process here runs many programs one after another.

mod enclosure;
mod executable;
mod filter;
mod loopback;
mod processes;
mod session;
mod spec;
mod supervise;

use hatchery_image::Progress;
use hatchery_image::progress::Interrupted;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Descriptor on which [`Program::status`] is open: `dpkg --status-fd 100`.
pub const STATUS_FD: i32 = 100;

/// Most bytes of standard output that are kept.
pub const OUTPUT_MAX: usize = 1 << 20;

/// The helper was not asked by its own kind.
const EXIT_PROTOCOL: u8 = 64;

/// The helper could not set up the confinement; it said why.
const EXIT_SETUP: u8 = 65;

/// What every program inside finds in its environment, besides
/// `SOURCE_DATE_EPOCH`.
const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("SHELL", "/bin/sh"),
];

/// How programs are run inside a tree.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// Program and first arguments of the helper: `/proc/self/exe __confine`.
    /// (The path of the running program is no longer known once
    /// [`crate::userns::enter`] has moved it to another mount namespace.)
    pub helper: Vec<OsString>,
    /// The tree.
    pub root: PathBuf,
    /// Whether the host's network can be used.
    pub network: bool,
    /// `SOURCE_DATE_EPOCH` for what runs inside, seconds since 1970.
    pub source_date_epoch: i64,
}

/// A program to run inside.
#[derive(Clone, Debug, Default)]
pub struct Program<'a> {
    /// Its path inside the tree, or a name that is found in `PATH`, and its
    /// arguments.
    pub argv: Vec<&'a str>,
    /// Bytes on its standard input; none: `/dev/null`.
    pub stdin: Option<&'a [u8]>,
    /// More environment.
    pub env: Vec<(&'a str, &'a str)>,
    /// Whether it gets [`STATUS_FD`], whose lines are [`Said::Status`].
    pub status: bool,
}

/// Something that a program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// A line on the status descriptor, without its end.
    Status(&'a str),
    /// The program of this index ended well.
    Done(usize),
}

/// What a program that succeeded wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output, at most [`OUTPUT_MAX`] bytes of it (the first ones).
    pub stdout: Vec<u8>,
    /// The last lines of standard output and error together.
    pub tail: String,
}

/// Why a program did not run to success.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The helper could not be started or spoken to.
    #[error("cannot {doing} the process that confines programs to {}", .root.display())]
    Helper {
        /// Such as `start`.
        doing: &'static str,
        /// The tree.
        root: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The helper said what it could not do.
    #[error("cannot run programs inside {}: {text}", .root.display())]
    Setup {
        /// The tree.
        root: PathBuf,
        /// What failed.
        text: String,
    },
    /// A program could not be started.
    #[error("cannot start {argv} inside the tree: {text}")]
    Unstarted {
        /// Index in what was to be run.
        index: usize,
        /// Program and arguments, quoted where needed.
        argv: String,
        /// What the system said.
        text: String,
    },
    /// A program ran and failed.
    #[error("{argv} failed inside the tree with {status}{}", tail_of(.tail))]
    Failed {
        /// Index in what was to be run.
        index: usize,
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
    /// `PATH`) with these bytes on its standard input (none: `/dev/null`), in
    /// a clean environment plus `env`.
    ///
    /// # Errors
    /// It could not be started, it failed, or the user asked to stop.
    pub fn run(
        &self,
        argv: &[&str],
        stdin: Option<&[u8]>,
        env: &[(&str, &str)],
        progress: &Progress,
    ) -> Result<Output, ConfineError> {
        let program = Program {
            argv: argv.to_vec(),
            stdin,
            env: env.to_vec(),
            status: false,
        };
        self.run_all(&[program], &mut |_| (), progress)
    }

    /// Runs programs one after another in one confinement (what one leaves in
    /// `/tmp`, `/run` or running, the next one sees), and stops at the first
    /// that fails. Returns the output of the last one.
    ///
    /// # Errors
    /// One could not be started or failed, or the user asked to stop.
    pub fn run_all(
        &self,
        programs: &[Program<'_>],
        said: &mut dyn FnMut(Said<'_>),
        progress: &Progress,
    ) -> Result<Output, ConfineError> {
        progress.check()?;
        session::run(self, programs, said, progress)
    }
}

/// Entry of the helper process: `hatchery __confine` does nothing but call
/// this first thing in `main`, before any thread exists, and return its code.
#[must_use]
pub fn helper_main() -> ExitCode {
    processes::main()
}
