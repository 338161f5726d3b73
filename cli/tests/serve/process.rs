//! A server process and what it says.

use crate::hatchery::command;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// Waits until something holds.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server process, killed when dropped.
pub(super) struct Served {
    child: Child,
    stderr: PathBuf,
    /// Where it listens, in its own words.
    pub(super) addresses: Vec<String>,
}

impl Served {
    /// Runs `hatchery serve` with these arguments, and waits until it has said
    /// so many addresses.
    pub(super) fn start(home: &Path, arguments: &[&str], listeners: usize) -> Self {
        let mut serve = command(home);
        serve.arg("serve").args(arguments);
        Self::run(home, serve, listeners)
    }

    pub(super) fn run(home: &Path, mut command: Command, listeners: usize) -> Self {
        let stderr = home.join("stderr");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let addresses: Vec<String> = lines
            .take(listeners)
            .map(|line| {
                let line = line.unwrap();
                let (_, address) = line.split_once(" at ").expect(&line);
                address.trim_end_matches('/').to_owned()
            })
            .collect();
        let served = Self {
            child,
            stderr,
            addresses,
        };
        assert_eq!(served.addresses.len(), listeners, "{}", served.stderr());
        served
    }

    /// The first address, as curl takes it.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.addresses[0])
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said on stderr so far.
    pub(super) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until it has said something.
    pub(super) fn says(&self, text: &str) {
        until(&format!("saying {text:?}"), || {
            self.stderr().contains(text).then_some(())
        });
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(super) fn ends(&mut self) -> ExitStatus {
        until("its end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.stderr();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        }
    }
}
