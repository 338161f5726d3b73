//! What a test needs, how to find out whether it is here, and skipping aloud.

use crate::{host, run};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::ToSocketAddrs as _;
use std::path::Path;
use std::time::Duration;

/// How long the host's mirror has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// User id 0 with the right to mount.
    Root,
    /// systemd-nspawn, as root.
    Nspawn,
    /// mkfs.btrfs, loop devices and a kernel with btrfs, as root.
    Btrfs,
    /// The host's own Debian mirror answers.
    Network,
    /// A program on PATH.
    Program(&'static str),
}

impl Need {
    /// What [`require`] calls it in `HATCHERY_MAY_SKIP`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Nspawn => "nspawn",
            Self::Btrfs => "btrfs",
            Self::Network => "network",
            Self::Program(program) => program,
        }
    }

    /// Whether it is here.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn check(self) -> Result<(), String> {
        match self {
            Self::Root => root(),
            Self::Nspawn => root().and_then(|()| program("systemd-nspawn")),
            Self::Btrfs => btrfs(),
            Self::Network => network(),
            Self::Program(name) => program(name),
        }
    }
}

fn root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err("not root".to_owned())
    }
}

fn program(name: &str) -> Result<(), String> {
    run::run(&["sh", "-c", "command -v \"$0\"", name])
        .map(drop)
        .map_err(|_| format!("{name} is not installed"))
}

fn btrfs() -> Result<(), String> {
    root()?;
    program("mkfs.btrfs")?;
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices".to_owned());
    }
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known.contains("\tbtrfs\n") {
        return Ok(());
    }
    run::run(&["modprobe", "btrfs"])
        .map(drop)
        .map_err(|e| format!("the kernel has no btrfs ({e})"))
}

fn network() -> Result<(), String> {
    let mirror = host::mirror().ok_or("the host's apt sources name no Debian mirror")?;
    let (scheme, rest) = mirror.split_once("://").unwrap_or(("file", ""));
    if scheme == "file" {
        return Ok(());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let address = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:{}", if scheme == "https" { 443 } else { 80 })
    };
    address
        .to_socket_addrs()
        .map_err(|e| format!("the host's mirror {authority} has no address: {e}"))?
        .find_map(|a| std::net::TcpStream::connect_timeout(&a, ANSWER).ok())
        .map(drop)
        .ok_or_else(|| format!("the host's mirror {authority} does not answer"))
}

/// Whether everything is here. If not, says so, and the test returns.
///
/// # Panics
/// With `CI=true`, when something is missing that `HATCHERY_MAY_SKIP` does not
/// list.
#[must_use]
pub fn require(needs: &[Need]) -> bool {
    let missing = needs.iter().find_map(|n| Some((n, n.check().err()?)));
    let Some((need, why)) = missing else {
        return true;
    };
    let reason = format!("needs {}: {why}", need.name());
    assert!(!must_run(need.name()), "{reason} (and CI=true)");
    skip(&reason);
    false
}

/// Says that a test does not run, and why. By itself for what no machine has
/// to have, so that it is no failure with `CI=true`.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {reason}");
    // Not eprintln: what a test prints is captured.
    let _ = writeln!(std::io::stderr(), "{line}");
    if let Some(path) = variable("HATCHERY_SKIPPED") {
        // One write to a file opened for appending: tests run side by side.
        let file = OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut f| f.write_all(format!("{line}\n").as_bytes()));
    }
}

fn must_run(need: &str) -> bool {
    let allowed = variable("HATCHERY_MAY_SKIP").unwrap_or_default();
    variable("CI").is_some_and(|ci| ci == "true") && !allowed.split(',').any(|a| a == need)
}

#[expect(clippy::disallowed_methods, reason = "a test run is configured so")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
