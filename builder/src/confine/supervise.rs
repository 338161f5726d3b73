//! Starts the programs inside one after another, and passes on what they
//! write.

use super::STATUS_FD;
use super::spec::{Kind, SpecProgram, write_frame};
use crate::run::{self, Streams};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{MemfdFlags, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions};
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::process::Stdio;

/// One read from a pipe.
const READ: usize = super::spec::FRAME_MAX;

/// Runs the programs until one fails; `stdins` are theirs. Frames go to `to`.
pub(super) fn supervise(
    programs: &[SpecProgram],
    stdins: Vec<Option<File>>,
    to: &mut File,
) -> io::Result<()> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    for (program, stdin) in programs.iter().zip(stdins) {
        let status = match Running::start(program, stdin) {
            Ok(mut running) => running.wait(&signals, to)?,
            Err(e) if is_of_program(&e) => {
                return write_frame(to, Kind::Unstarted, e.to_string().as_bytes());
            }
            Err(e) => {
                let text = format!("cannot start {}: {e}", run::quote(&program.argv));
                return write_frame(to, Kind::Failed, text.as_bytes());
            }
        };
        write_frame(to, Kind::Exited, &status.to_le_bytes())?;
        if status != 0 {
            break;
        }
    }
    Ok(())
}

/// Whether a program could not be started because of what it is.
fn is_of_program(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|e| {
        matches!(
            e,
            Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::NOEXEC
        )
    }) || error.kind() == io::ErrorKind::InvalidInput
}

/// A memory file that holds a program's standard input.
pub(super) fn stdin_file(from: &mut impl Read, length: u64) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(c"stdin", MemfdFlags::CLOEXEC)?);
    if io::copy(&mut from.take(length), &mut file)? != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.rewind()?;
    Ok(file)
}

struct Running {
    pid: Pid,
    /// Read ends; gone when everybody closed the other end.
    pipes: Vec<(Kind, File)>,
}

impl Running {
    fn start(program: &SpecProgram, stdin: Option<File>) -> io::Result<Self> {
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let mut pipes = vec![(Kind::Stdout, stdout), (Kind::Stderr, stderr)];
        let mut status_end = None;
        if program.status {
            let (status, end) = pipe()?;
            pipes.push((Kind::Status, status));
            status_end = Some(inherited(&end)?);
        }
        let env: Vec<(&str, &str)> = program
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let streams = Streams {
            stdin: stdin.map_or_else(Stdio::null, Into::into),
            stdout: stdout_end.into(),
            stderr: stderr_end.into(),
        };
        let child = run::spawn(&program.argv, &env, streams)?;
        drop(status_end);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
        Ok(Self { pid, pipes })
    }

    /// Passes on what is written until the program itself is gone; what it
    /// left running keeps running until the namespace ends. Returns the raw
    /// wait status.
    fn wait(&mut self, signals: &SignalFd, to: &mut File) -> io::Result<i32> {
        loop {
            let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
            fds.extend(
                self.pipes
                    .iter()
                    .map(|(_, file)| PollFd::new(file, PollFlags::IN)),
            );
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            let signalled = !fds[0].revents().is_empty();
            drop(fds);
            self.pass_on(to)?;
            if signalled {
                while signals.read_signal()?.is_some() {}
                if let Some(status) = self.reap()? {
                    self.pass_on(to)?;
                    return Ok(status);
                }
            }
        }
    }

    /// Reaps everything that ended; the raw status of the program once it did.
    fn reap(&self) -> io::Result<Option<i32>> {
        let mut ended = None;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => ended = Some(status.as_raw()),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) | Err(Errno::CHILD) => return Ok(ended),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Reads every pipe empty.
    fn pass_on(&mut self, to: &mut File) -> io::Result<()> {
        let mut buffer = [0; READ];
        let mut failure = None;
        self.pipes.retain_mut(|(kind, file)| {
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return false,
                    Ok(n) => {
                        if let Err(e) = write_frame(to, *kind, &buffer[..n]) {
                            failure = Some(e);
                            return true;
                        }
                        if n < READ {
                            return true;
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => {
                        failure = Some(e);
                        return true;
                    }
                }
            }
        });
        failure.map_or(Ok(()), Err)
    }
}

/// A pipe whose read end does not block.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let flags = rustix::fs::fcntl_getfl(&read)?;
    rustix::fs::fcntl_setfl(&read, flags | OFlags::NONBLOCK)?;
    Ok((read.into(), write))
}

/// The same file as descriptor [`STATUS_FD`], which the next program inherits.
fn inherited(end: &OwnedFd) -> io::Result<OwnedFd> {
    let fd = rustix::io::fcntl_dupfd_cloexec(end, STATUS_FD)?;
    if fd.as_raw_fd() != STATUS_FD {
        return Err(io::Error::other("the status descriptor is taken"));
    }
    rustix::io::fcntl_setfd(fd.as_fd(), FdFlags::empty())?;
    Ok(fd)
}
