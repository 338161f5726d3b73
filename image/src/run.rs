//! The only place of this crate that spawns a process: argv in, output or a
//! failure that names argv, exit status and the last lines of stderr out.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// Most of the end of stderr that a failure repeats, in bytes.
const STDERR_MAX: usize = 2000;

/// A program that could not be run or that failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be started.
    #[error("cannot run {}", shown(.argv))]
    Start {
        /// Program and arguments.
        argv: Vec<OsString>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("{} failed ({status}): {stderr}", shown(.argv))]
    Failed {
        /// Program and arguments.
        argv: Vec<OsString>,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        stderr: String,
    },
}

fn shown(argv: &[OsString]) -> String {
    let words = argv.iter().map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

/// Runs a program that asks nothing and ends by itself, and returns its stdout.
#[expect(clippy::disallowed_methods, reason = "this is the run module")]
pub(crate) fn run<S: AsRef<OsStr>>(argv: &[S]) -> Result<Vec<u8>, RunError> {
    let words = || argv.iter().map(|word| word.as_ref().to_owned()).collect();
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RunError::Start {
            argv: words(),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let end = output.stderr.len().saturating_sub(STDERR_MAX);
    Err(RunError::Failed {
        argv: words(),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr[end..])
            .trim()
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_ran_and_what_it_said() {
        assert_eq!(run(&["echo", "out"]).unwrap(), b"out\n");
        let error = run(&["sh", "-c", "echo why >&2; exit 3"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit status: 3") && text.ends_with("why"),
            "{text}"
        );
        assert!(matches!(
            run(&["/does/not/exist"]),
            Err(RunError::Start { .. })
        ));
    }
}
