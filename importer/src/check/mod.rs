//! `hatchery check`: boots a tree headless under systemd-nspawn on a veth and
//! says whether it comes up as a machine of ours should.
//!
//! The tree is not changed, nor is anything of the host: the machine writes to
//! memory, and its network is a namespace with a DHCP and a DNS server of the
//! check's own, so that it needs no networkd, no firewall rule and no systemd
//! on the host. All of it vanishes with the helper process, however the
//! command ends.
//!
//! Looked at before: mkosi's and systemd's own test runs need qemu or machined
//! and the host's networkd; `systemd-nspawn --volatile=overlay` would do for
//! the tree, but gives no read-only host.

mod boot;
mod cgroup;
mod console;
mod dhcp;
mod dns;
mod examine;
mod guest;
mod image;
mod inside;
mod inspect;
mod link;
mod mounts;
mod network;
mod processes;
mod report;

pub use image::ImageTree;
pub use processes::helper_main;
pub use report::{Check, CheckReport, Outcome, What};

use crate::host::{Hierarchy, Host, UNIFIED_SINCE};
use crate::run::{self, RunError, Stdio3};
use boot::{Boot, Side, Word};
use hatchery_image::archive::ArchiveError;
use hatchery_image::durable::DurableError;
use hatchery_image::files::ImageFilesError;
use hatchery_image::place::PlaceError;
use hatchery_image::progress::{Interrupted, Progress, Stage, Unit};
use inspect::{Identity, Tree};
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a check may take unless its caller says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// How long the helper has beyond that, to report and clean up.
const GRACE: Duration = Duration::from_secs(60);

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Longest report that is read, in bytes.
const REPORT_MAX: u64 = 8 << 20;

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// argv of the hidden subcommand that calls [`helper_main`].
    pub helper: Vec<OsString>,
    /// How long the machine has to come up.
    pub timeout: Duration,
    /// Whether the tree is that of a machine, which may have been started
    /// before and then has a machine-id.
    pub is_machine: bool,
}

/// Why a tree could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Only root can.
    #[error("booting a machine needs root")]
    NotRoot,
    /// There is no tree.
    #[error("cannot read {path}")]
    Tree {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing to boot.
    #[error("{path} holds no system: there is no systemd in it")]
    NoInit {
        /// Which tree.
        path: PathBuf,
    },
    /// The folder is no image.
    #[error("the image cannot be checked")]
    Image(#[source] ImageFilesError),
    /// None of the image's archives can be read.
    #[error("{path} has no archive that this program reads")]
    NoArchive {
        /// The image's folder.
        path: PathBuf,
    },
    /// An archive is not what its manifest says.
    #[error("cannot unpack {path}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// There is nowhere to unpack to.
    #[error("cannot make a temporary tree")]
    Scratch(#[source] DurableError),
    /// The temporary tree cannot be written to.
    #[error("cannot open the temporary tree")]
    Root(#[source] PlaceError),
    /// systemd-nspawn is not there.
    #[error("cannot run systemd-nspawn; on Debian it is in the package systemd-container")]
    NoNspawn(#[source] RunError),
    /// The helper process cannot be started.
    #[error("cannot start the check's helper process")]
    Start(#[source] RunError),
    /// The helper process cannot be talked to.
    #[error("cannot talk to the check's helper process")]
    Talk(#[source] io::Error),
    /// The helper could not look.
    #[error("the machine cannot be checked: {0}")]
    Failed(String),
    /// The helper ended without an answer.
    #[error("the check's helper process ended without an answer")]
    Silent,
    /// The user asked to stop.
    #[error("the check was stopped")]
    Interrupted(#[source] Interrupted),
}

/// Boots the tree at `root` and looks. The report also says what is wrong; an
/// error means that nothing could be found out.
///
/// # Errors
/// Not root, no tree, no systemd-nspawn, interrupted.
pub fn check(
    root: &Path,
    options: &CheckOptions,
    progress: &Progress,
) -> Result<CheckReport, CheckError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CheckError::NotRoot);
    }
    run::run(&["systemd-nspawn", "--version"], LOOK * 100).map_err(CheckError::NoNspawn)?;
    let unreadable = |source| CheckError::Tree {
        path: root.to_owned(),
        source,
    };
    let tree = Tree::open(root).map_err(unreadable)?;
    if !tree.has_init() {
        let path = root.to_owned();
        return Err(CheckError::NoInit { path });
    }
    let is_new = tree.systemd().is_some_and(|v| v >= UNIFIED_SINCE);
    let boot = Boot {
        side: Side::Outside,
        helper: options.helper.clone(),
        root: root.canonicalize().map_err(unreadable)?,
        shift: tree.owner().map_err(unreadable)?,
        unified: is_new && Host::current().hierarchy != Hierarchy::Unified,
        seconds: options.timeout.as_secs(),
    };
    let mut report = CheckReport::default();
    look_at_identity(&tree.identity().map_err(unreadable)?, options, &mut report);
    drop(tree);

    let _running = progress.begin(Stage::Boot, None, Unit::Items);
    let booted = Helper::start(&boot)?.answer(options.timeout + GRACE, progress)?;
    report.checks.extend(booted.checks);
    report.boot_milliseconds = booted.boot_milliseconds;
    report.console = booted.console;
    Ok(report)
}

fn look_at_identity(identity: &Identity, options: &CheckOptions, report: &mut CheckReport) {
    match identity {
        Identity::Unset => report.add(What::MachineIdUnset, true, "empty"),
        Identity::Absent => {
            let seen = "there is no /etc/machine-id; it should be there and empty";
            report.add(What::MachineIdUnset, false, seen);
        }
        Identity::Set(id) if options.is_machine => {
            let seen = format!("the machine has been started before: {id}");
            report.put(What::MachineIdUnset, Outcome::Skipped, seen);
        }
        Identity::Set(id) => report.add(What::MachineIdUnset, false, id),
    }
}

/// The helper process; killed, with all that it started, when dropped.
struct Helper {
    child: Child,
    words: Receiver<Word>,
}

impl Helper {
    fn start(boot: &Boot) -> Result<Self, CheckError> {
        let stdio = Stdio3 {
            stdin: Stdio::piped(),
            stdout: Stdio::piped(),
            stderr: Stdio::inherit(),
        };
        let mut child = run::start(&boot.helper, &[], stdio).map_err(CheckError::Start)?;
        let (sender, words) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || listen(stdout, |word| sender.send(word).is_ok()));
        }
        let mut line = serde_json::to_vec(boot).expect("a request has only string keys");
        line.push(b'\n');
        let helper = Self { child, words };
        let mut stdin = helper.child.stdin.as_ref().ok_or(CheckError::Silent)?;
        stdin.write_all(&line).map_err(CheckError::Talk)?;
        Ok(helper)
    }

    fn answer(self, time: Duration, progress: &Progress) -> Result<CheckReport, CheckError> {
        let deadline = Instant::now() + time;
        loop {
            progress.check().map_err(CheckError::Interrupted)?;
            match self.words.recv_timeout(LOOK) {
                Ok(Word::Says(text)) => progress.message(Stage::Boot, text),
                Ok(Word::Report(report)) => return Ok(report),
                Ok(Word::Failed(why)) => return Err(CheckError::Failed(why)),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => (),
                Err(_) => return Err(CheckError::Silent),
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Its sign to kill the machine, clean up and end.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Reads words until the stream ends or nobody wants them.
fn listen(stream: ChildStdout, mut tell: impl FnMut(Word) -> bool) {
    let mut lines = BufReader::new(stream.take(REPORT_MAX));
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
        let told = serde_json::from_str(&line).is_ok_and(&mut tell);
        if !told {
            return;
        }
        line.clear();
    }
}
