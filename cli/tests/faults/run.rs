//! Runs the program under strace, which kills it or has a call fail, and
//! beside others.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use crate::hatchery::command;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What came of a run.
#[derive(Debug)]
pub(super) struct Ran {
    /// Its exit code; none if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    pub(super) fn is_killed(&self) -> bool {
        self.signal == Some(9)
    }
}

fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the program to its end.
pub(super) fn plain(home: &Path, arguments: &[String]) -> Ran {
    ran(&command(home).args(arguments).output().unwrap())
}

/// Runs it under strace with these options before the program's own.
pub(super) fn traced(home: &Path, options: &[String], arguments: &[String]) -> Ran {
    // Not --seccomp-bpf: with it, calls of the first thread are not disturbed.
    ran(&strace(home, &["-f"], options, arguments).output().unwrap())
}

fn strace(home: &Path, follow: &[&str], options: &[String], arguments: &[String]) -> Command {
    let program = command(home);
    let mut strace = Command::new("strace");
    strace
        .args(follow)
        .arg("-qq")
        .args(options)
        .arg("--")
        .arg(program.get_program())
        .args(arguments)
        .env_clear()
        .current_dir(home);
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            strace.env(name, value);
        }
    }
    strace
}

/// The same, but only the program's own first thread is traced: what it starts
/// runs on by itself.
pub(super) fn traced_alone(home: &Path, options: &[String], arguments: &[String]) -> Ran {
    ran(&strace(home, &[], options, arguments).output().unwrap())
}

/// Starts it; what it says goes to `log`.
pub(super) fn start(home: &Path, arguments: &[String], log: &Path) -> Child {
    let log = File::create(log).unwrap();
    command(home)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Runs another program to its end; its stdout.
pub(super) fn program(argv: &[&str]) -> String {
    hatchery_tests::run::run(argv).unwrap()
}
