//! Runs the program under test with an environment of its own.
#![expect(clippy::disallowed_methods, reason = "this is the module that may")]

use std::path::Path;
use std::process::{Command, Output};

/// The program, ready to be given arguments; nothing of the caller's
/// environment but PATH reaches it, and its home is `home`.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchery"));
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home);
    command.env("GNUPGHOME", home.join("gnupg"));
    command.env("XDG_CACHE_HOME", home.join("cache"));
    command.current_dir(home);
    command
}

/// A line of `sh`, ready to be given arguments, with nothing of the caller's
/// environment but PATH.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["-ec", script]);
    command
}

/// A home with a GnuPG home in it, whose agent ends with it.
#[derive(Debug)]
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let gnupg = self.path().join("gnupg");
        let mut stop = Command::new("gpgconf");
        let _ = stop
            .arg("--homedir")
            .arg(gnupg)
            .args(["--kill", "all"])
            .status();
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it to its end.
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Ran {
    ran(&command(home)
        .args(arguments)
        .output()
        .expect("the program runs"))
}

/// What came of a run that is over.
pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
