//! The helper process: `hatchery __confine`.
//!
//! Three processes. The outer one, in the host's pid namespace, dies with the
//! builder (`PR_SET_PDEATHSIG`). The first one of a new pid namespace dies
//! with the outer one, and the kernel kills all others in the namespace when
//! it does. The third one enters the tree and starts the programs.

use super::enclosure;
use super::filter;
use super::spec::{Kind, Spec, read_spec, write_frame};
use super::supervise::{stdin_file, supervise};
use super::{EXIT_PROTOCOL, EXIT_SETUP};
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::ForkResult;
use rustix::process::{Pid, WaitOptions, kill_process};
use rustix::thread::UnshareFlags;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

/// See [`super::helper_main`].
pub(super) fn main() -> ExitCode {
    match outer() {
        Ok(code) => code,
        // Standard output carries frames; nobody would read a text elsewhere.
        Err(e) => fail(&e.to_string()),
    }
}

fn fail(text: &str) -> ExitCode {
    if let Ok(mut to) = answers() {
        let _ = write_frame(&mut to, Kind::Failed, text.as_bytes());
    }
    ExitCode::from(EXIT_SETUP)
}

fn answers() -> io::Result<File> {
    Ok(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?.into())
}

fn outer() -> io::Result<ExitCode> {
    let die = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(die)?;
    close_on_exec()?;
    let mut from = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let Ok(spec) = read_spec(&mut from) else {
        return Ok(ExitCode::from(EXIT_PROTOCOL));
    };
    if rustix::process::getppid().map(|p| p.as_raw_nonzero().get()) != Some(spec.parent) {
        // It died before the death signal was asked for.
        return Ok(ExitCode::from(EXIT_PROTOCOL));
    }
    let mut stdins = Vec::new();
    for program in &spec.programs {
        let stdin = program
            .stdin
            .map(|n| stdin_file(&mut from, n))
            .transpose()?;
        stdins.push(stdin);
    }
    drop(from);
    let signals = block_signals()?;
    enclosure::unshare(UnshareFlags::NEWPID)
        .map_err(|e| io::Error::other(format!("cannot make a pid namespace: {e}")))?;
    let (alive, outer_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    match fork()? {
        ForkResult::Parent { child } => {
            drop(alive);
            let code = wait(child.as_raw(), &signals)?;
            drop(outer_end);
            Ok(code)
        }
        ForkResult::Child => {
            drop(outer_end);
            rustix::process::set_parent_process_death_signal(die)?;
            if outer_is_gone(&alive)? {
                return Ok(ExitCode::from(EXIT_PROTOCOL));
            }
            first(&spec, stdins, &signals)
        }
    }
}

fn fork() -> io::Result<ForkResult> {
    #[expect(
        unsafe_code,
        reason = "the process has one thread, so nothing is half done in the child"
    )]
    let fork = unsafe { nix::unistd::fork() }?;
    Ok(fork)
}

/// Descriptors that the parent's parent left open stay out of the tree.
fn close_on_exec() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|n| n.parse::<i32>().ok()) else {
            continue;
        };
        if fd > 2 {
            #[expect(
                unsafe_code,
                reason = "the number was just read; a closed one answers EBADF"
            )]
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
        }
    }
    Ok(())
}

fn block_signals() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

fn outer_is_gone(alive: &OwnedFd) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(alive, PollFlags::empty())];
    poll(&mut fds, Some(&Timespec::default()))?;
    Ok(fds[0].revents().contains(PollFlags::HUP))
}

/// Waits for a child, and reaps all others. Asked to end, it kills the child:
/// when that was the first process of a pid namespace, the kernel has ended
/// everything in it by the time it is reaped.
fn wait(child: libc::pid_t, signals: &SigSet) -> io::Result<ExitCode> {
    let child = Pid::from_raw(child).ok_or_else(|| io::Error::other("no process"))?;
    loop {
        if signals.wait()? != Signal::SIGCHLD {
            kill_process(child, rustix::process::Signal::KILL)?;
        }
        while let Some((pid, status)) = rustix::process::wait(WaitOptions::NOHANG)? {
            if pid == child {
                let code = status.exit_status().and_then(|c| u8::try_from(c).ok());
                return Ok(ExitCode::from(code.unwrap_or(EXIT_SETUP)));
            }
        }
    }
}

/// Process 1 of the pid namespace: it outlives the programs and reaps what
/// they leave behind.
fn first(spec: &Spec, stdins: Vec<Option<File>>, signals: &SigSet) -> io::Result<ExitCode> {
    // No controlling terminal.
    rustix::process::setsid()?;
    let root = Path::new(OsStr::from_bytes(&spec.root));
    let prepared = match enclosure::prepare(root, spec.network) {
        Ok(prepared) => prepared,
        Err(e) => return Ok(fail(&e.to_string())),
    };
    match fork()? {
        ForkResult::Parent { child } => {
            if let Err(e) = enclosure::retreat(prepared) {
                return Ok(fail(&e.to_string()));
            }
            wait(child.as_raw(), signals)
        }
        ForkResult::Child => {
            if let Err(e) = prepared.enter() {
                return Ok(fail(&e.to_string()));
            }
            seccompiler::apply_filter(&filter::program()).map_err(io::Error::other)?;
            supervise(&spec.programs, stdins, &mut answers()?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
