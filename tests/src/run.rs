//! The one place of this crate that spawns processes.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use std::process::Command;

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
