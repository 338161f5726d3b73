//! The one place of this crate that spawns processes: argv in; output, or a
//! failure with argv, exit status and the last lines of stderr, out.
//!
//! Programs get a clean environment and no stdin. What they print is bounded,
//! and so is the time that they may take, because some of them are those of a
//! machine that is being looked at.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Most bytes that are kept of what a program prints.
const OUTPUT_MAX: usize = 256 << 10;

/// How long to wait before a program is looked at again that says nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Lines of stderr that a failure shows.
const STDERR_LINES: usize = 8;

/// A program that could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not there or cannot be executed.
    #[error("cannot run {program}")]
    Spawn {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("{argv} failed ({status}){}", last_lines(.stderr))]
    Failed {
        /// What was run.
        argv: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed there.
        stderr: String,
    },
    /// It took too long and was killed.
    #[error("{argv} did not end within {} seconds", .after.as_secs())]
    Slow {
        /// What was run.
        argv: String,
        /// How long it had.
        after: Duration,
    },
    /// Its output cannot be read.
    #[error("cannot read what {argv} prints")]
    Read {
        /// What was run.
        argv: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn last_lines(stderr: &str) -> String {
    let lines: Vec<_> = stderr.lines().filter(|l| !l.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(STDERR_LINES);
    lines[from..].iter().map(|l| format!("\n  {l}")).collect()
}

/// What a program printed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command<S: AsRef<OsStr>>(argv: &[S]) -> Command {
    let (program, arguments) = argv.split_first().expect("every argv names a program");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

fn shown<S: AsRef<OsStr>>(argv: &[S]) -> String {
    let words: Vec<_> = argv.iter().map(|w| w.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

/// Runs a program to its end, whatever its exit status, but for at most `time`.
///
/// # Errors
/// It cannot be run, or did not end in time.
pub(crate) fn output<S: AsRef<OsStr>>(argv: &[S], time: Duration) -> Result<Output, RunError> {
    let mut child = command(argv)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| RunError::Spawn {
            program: argv[0].as_ref().to_string_lossy().into_owned(),
            source,
        })?;
    let result = collect(&mut child, time);
    if !matches!(result, Ok(Some(_))) {
        let _ = child.kill();
        let _ = child.wait();
    }
    match result {
        Ok(Some(output)) => Ok(output),
        Ok(None) => Err(RunError::Slow {
            argv: shown(argv),
            after: time,
        }),
        Err(source) => Err(RunError::Read {
            argv: shown(argv),
            source,
        }),
    }
}

/// Runs a program to its end; its stdout.
///
/// # Errors
/// It cannot be run, did not end in time, or failed.
pub(crate) fn run<S: AsRef<OsStr>>(argv: &[S], time: Duration) -> Result<String, RunError> {
    let output = output(argv, time)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(RunError::Failed {
        argv: shown(argv),
        status: output.status,
        stderr: output.stderr,
    })
}

/// A program that goes on running, with its stdout (and stderr, if `merged`)
/// in a pipe.
///
/// # Errors
/// It cannot be run.
pub(crate) fn start(
    argv: &[OsString],
    environment: &[(&str, &str)],
    stdio: Stdio3,
) -> Result<Child, RunError> {
    command(argv)
        .envs(environment.iter().copied())
        .stdin(stdio.stdin)
        .stdout(stdio.stdout)
        .stderr(stdio.stderr)
        .spawn()
        .map_err(|source| RunError::Spawn {
            program: argv[0].to_string_lossy().into_owned(),
            source,
        })
}

/// Where the three streams of a program go.
pub(crate) struct Stdio3 {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
}

/// Reads both streams until the program ends; `None` when time is up.
fn collect(child: &mut Child, time: Duration) -> io::Result<Option<Output>> {
    let deadline = Instant::now() + time;
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let mut texts = [Vec::new(), Vec::new()];
    loop {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        // A grandchild may hold the pipes for ever: the program's own end counts.
        if let Some(status) = child.try_wait()? {
            drain(&mut stdout, &mut texts[0])?;
            drain(&mut stderr, &mut texts[1])?;
            let [stdout, stderr] = texts.map(|t| String::from_utf8_lossy(&t).into_owned());
            return Ok(Some(Output {
                status,
                stdout,
                stderr,
            }));
        }
        drain(&mut stdout, &mut texts[0])?;
        drain(&mut stderr, &mut texts[1])?;
        await_news(&stdout, &stderr);
    }
}

/// Waits until a stream has something or was closed, or for a moment: the end
/// of a program whose streams others hold is seen by looking again.
fn await_news(stdout: &Option<impl rustix::fd::AsFd>, stderr: &Option<impl rustix::fd::AsFd>) {
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: LOOK_AGAIN.subsec_nanos().into(),
    };
    let mut fds = Vec::new();
    fds.extend(stdout.as_ref().map(|open| PollFd::new(open, PollFlags::IN)));
    fds.extend(stderr.as_ref().map(|open| PollFd::new(open, PollFlags::IN)));
    // Interrupted, it is looked at again at once.
    let _ = poll(&mut fds, Some(&moment));
}

/// Reads what is there without waiting; closes at the end.
fn drain(stream: &mut Option<impl Read + rustix::fd::AsFd>, text: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    while let Some(open) = stream {
        let mut fds = [PollFd::new(open, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if poll(&mut fds, Some(&now))? == 0 {
            return Ok(());
        }
        let n = open.read(&mut buffer)?;
        if n == 0 {
            *stream = None;
        } else {
            let room = OUTPUT_MAX.saturating_sub(text.len());
            text.extend_from_slice(&buffer[..n.min(room)]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[test]
    fn output_and_failure_are_told_apart() {
        assert_eq!(run(&["echo", "a b"], TIME).unwrap(), "a b\n");
        let error = run(&["sh", "-c", "echo why >&2; exit 3"], TIME).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("\n  why"),
            "{text}"
        );
        let error = run(&["no-such-program"], TIME).unwrap_err().to_string();
        assert_eq!(error, "cannot run no-such-program");
    }

    #[test]
    fn the_environment_is_clean() {
        let text = run(&["env"], TIME).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn what_hangs_is_killed_and_what_floods_is_cut() {
        let error = output(&["sleep", "100"], Duration::from_millis(100)).unwrap_err();
        assert!(matches!(error, RunError::Slow { .. }), "{error}");
        let flood = output(&["head", "-c", "2000000", "/dev/zero"], TIME).unwrap();
        assert_eq!(flood.stdout.len(), OUTPUT_MAX);
        // A daemon that keeps the pipe open does not keep us.
        output(&["sh", "-c", "sleep 30 & echo x"], TIME).unwrap();
    }
}
