//! The two processes that a check runs in.
//!
//! The outer one is a child of the command, on the host. It has a control
//! group of its own, starts the inner one as process 1 of a new PID namespace,
//! and waits: for the inner one to end, or for its stdin to close, which is
//! how it learns that the command was interrupted or killed. Then it kills the
//! inner one, with which the kernel kills everything in that namespace and
//! drops the mounts and interfaces of the other namespaces, and removes the
//! control group. If the outer one is killed itself, the inner one dies too
//! (PR_SET_PDEATHSIG) and only an empty control group is left for the next
//! check to remove.

use super::boot::{Boot, Side, Word};
use super::cgroup::Groups;
use super::inside;
use crate::run::{self, Stdio3};
use nix::sched::{CloneFlags, unshare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::process::{Child, ExitCode, Stdio};

/// Longest request that is read, in bytes.
const REQUEST_MAX: u64 = 64 << 10;

/// How often the inner process is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// What the hidden subcommand does that a check names as its helper: reads a
/// request from stdin and answers on stdout. It must be called before the
/// process starts any thread.
#[must_use]
pub fn helper_main() -> ExitCode {
    let mut line = String::new();
    let read = io::stdin().lock().take(REQUEST_MAX).read_line(&mut line);
    let boot: Boot = match read.map(|_| serde_json::from_str(&line)) {
        Ok(Ok(boot)) => boot,
        _ => return ExitCode::FAILURE,
    };
    let result = match boot.side {
        Side::Outside => outside(boot),
        Side::Inside => inside::inside(&boot),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&Word::Failed(why));
            ExitCode::FAILURE
        }
    }
}

/// Says a word to whoever reads this process's stdout.
pub(super) fn say(word: &Word) {
    let mut line = serde_json::to_vec(word).expect("a word has only string keys");
    line.push(b'\n');
    // Nobody listens any more: this process is about to be killed.
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

/// A step of a helper that failed, with what the system said.
pub(super) fn failed(doing: &str) -> impl Fn(io::Error) -> String {
    let doing = doing.to_owned();
    move |error| format!("cannot {doing}: {error}")
}

fn outside(mut boot: Boot) -> Result<(), String> {
    // Ctrl-C is the command's to notice; it then closes our stdin.
    let _ = rustix::process::setsid();
    let groups = Groups::enter().map_err(failed("make a control group for the check"))?;
    let result = (|| {
        unshare(CloneFlags::CLONE_NEWPID).map_err(|e| failed("make a PID namespace")(e.into()))?;
        boot.side = Side::Inside;
        let mut child = start(&boot)?;
        wait(&mut child).map_err(failed("wait for the machine"))
    })();
    groups.leave();
    result
}

fn start(boot: &Boot) -> Result<Child, String> {
    let stdio = Stdio3 {
        stdin: Stdio::piped(),
        stdout: Stdio::inherit(),
        stderr: Stdio::inherit(),
    };
    let mut child = run::start(&boot.helper, &[], stdio).map_err(|e| e.to_string())?;
    let mut line = serde_json::to_vec(boot).expect("a request has only string keys");
    line.push(b'\n');
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(&line));
    if !matches!(written, Some(Ok(()))) {
        let _ = child.kill();
        let _ = child.wait();
        return Err("the check's helper did not start".to_owned());
    }
    Ok(child)
}

/// Waits for the inner process; kills it once nobody waits for us any more.
fn wait(child: &mut Child) -> io::Result<()> {
    loop {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        let stdin = io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        // Nothing more is ever written there, so readable means closed.
        if poll(&mut fds, Some(&LOOK)).unwrap_or(0) > 0 {
            child.kill()?;
            child.wait()?;
            return Ok(());
        }
    }
}
