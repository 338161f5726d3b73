//! The one place of this crate that spawns processes.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs a program to its end; its stdout, or what went wrong.
///
/// # Errors
/// It cannot be run or failed: its argv, status and stderr.
pub fn run(argv: &[&str]) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("no program to run")?;
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{} failed ({}): {}{}",
        argv.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// Starts a program, whose stdout and stderr go to a file and whose stdin is
/// empty.
///
/// # Errors
/// It cannot be started, or the file cannot be made.
pub fn start(argv: &[&str], log: &Path) -> Result<Child, String> {
    let (program, arguments) = argv.split_first().ok_or("no program to run")?;
    let failed = |e| format!("cannot start {program}: {e}");
    let log = File::create(log).map_err(failed)?;
    let errors = log.try_clone().map_err(failed)?;
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(failed)
}
