//! The only place that reads the environment, the home directory and the clock.
//! Libraries are handed what is found here.

use anyhow::Context as _;
use jiff::Timestamp;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Where the keys that this host trusts are.
pub(crate) const TRUSTED_KEYS: &str = "/etc/hatchery/keys";

/// Now, by this host's clock.
#[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Whether root called. A build that an ordinary user starts becomes root in
/// a namespace of its own, so the answer is that of the first question, which
/// `main` asks.
pub(crate) fn is_root() -> bool {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| rustix::process::geteuid().is_root())
}

/// Where this program's own file is, to run it again as a helper. The kernel's
/// link to it is in `/proc`, which an empty chroot has not: there it is the
/// path by which the program was run, made absolute. That path is only as
/// good as the working directory, so ask before changing it.
///
/// # Errors
/// There is no `/proc`, and no file at the path by which the program was run.
#[cfg(any(feature = "build", feature = "import"))]
pub(crate) fn program() -> io::Result<PathBuf> {
    env::current_exe().or_else(|_| program_as_run())
}

/// The path that was handed to `execve`, which the kernel keeps beside the
/// arguments. Unlike `argv[0]` it is not the caller's to choose freely.
#[cfg(any(feature = "build", feature = "import"))]
fn program_as_run() -> io::Result<PathBuf> {
    let path = rustix::param::linux_execfn().to_bytes();
    let path = std::path::absolute(OsStr::from_bytes(path))?;
    // A program run by file descriptor has no such path.
    std::fs::metadata(&path)?;
    Ok(path)
}

/// This host's name, up to its first dot.
#[cfg(feature = "build")]
pub(crate) fn hostname() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?;
    Some(name.split('.').next()?.to_owned())
}

/// The GnuPG home that `GNUPGHOME` names; GnuPG finds the usual one itself.
#[cfg(feature = "sign")]
pub(crate) fn gnupg_home() -> Option<PathBuf> {
    path("GNUPGHOME")
}

/// Where downloads are kept: `$XDG_CACHE_HOME/hatchery`, `~/.cache/hatchery`,
/// and `/var/cache/hatchery` for root.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = path("XDG_CACHE_HOME") {
        return Ok(cache.join("hatchery"));
    }
    if is_root() {
        return Ok(PathBuf::from("/var/cache/hatchery"));
    }
    let home = path("HOME").context("HOME is not set; say --cache-dir DIR")?;
    Ok(home.join(".cache/hatchery"))
}

/// `SOURCE_DATE_EPOCH`, in seconds since 1970.
#[cfg(feature = "build")]
pub(crate) fn source_date_epoch() -> anyhow::Result<Option<i64>> {
    let Some(text) = variable("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    match text.to_str().and_then(|t| t.parse().ok()) {
        Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => anyhow::bail!(
            "SOURCE_DATE_EPOCH is {text:?}, which is not a number of seconds since 1970"
        ),
    }
}

/// Sockets that were handed to this process: how many, and their names.
#[cfg(feature = "serve")]
pub(crate) struct ListenFds {
    pub(crate) count: i32,
    pub(crate) names: Vec<String>,
}

/// What `LISTEN_FDS` and `LISTEN_FDNAMES` say, if `LISTEN_PID` says that it is
/// meant for this process and not for one that started it.
#[cfg(feature = "serve")]
pub(crate) fn listen_fds() -> Option<ListenFds> {
    let number = |name| variable(name)?.to_str()?.parse::<i32>().ok();
    if number("LISTEN_PID")? != rustix::process::getpid().as_raw_nonzero().get() {
        return None;
    }
    let count = number("LISTEN_FDS").filter(|count| *count > 0)?;
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.to_string_lossy();
    let names = names.split(':').filter(|name| !name.is_empty());
    Some(ListenFds {
        count,
        names: names.map(str::to_owned).collect(),
    })
}

/// Where the service manager listens: `NOTIFY_SOCKET`.
#[cfg(feature = "serve")]
pub(crate) fn notify_socket() -> Option<OsString> {
    variable("NOTIFY_SOCKET")
}

/// How long the service manager waits for a sign of life: `WATCHDOG_USEC`,
/// unless `WATCHDOG_PID` means another process.
#[cfg(feature = "serve")]
pub(crate) fn watchdog() -> Option<std::time::Duration> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    let own = u64::from(std::process::id());
    if number("WATCHDOG_PID").is_some_and(|pid| pid != own) {
        return None;
    }
    let microseconds = number("WATCHDOG_USEC").filter(|usec| *usec > 0)?;
    Some(std::time::Duration::from_micros(microseconds))
}

/// Whether colours are unwelcome (<https://no-color.org>).
pub(crate) fn no_color() -> bool {
    variable("NO_COLOR").is_some()
}

/// Where recipes are looked for when they are named and not given by path.
#[cfg(feature = "build")]
pub(crate) fn recipe_folders() -> Vec<PathBuf> {
    let mut folders = vec![
        PathBuf::from("recipes"),
        PathBuf::from("/etc/hatchery/recipes"),
    ];
    // The tree that `make install PREFIX=…` laid out holds bin/ and share/.
    if let Some(prefix) = program()
        .ok()
        .and_then(|program| Some(program.parent()?.parent()?.to_owned()))
    {
        folders.push(prefix.join("share/hatchery/recipes"));
    }
    folders.push(PathBuf::from("/usr/local/share/hatchery/recipes"));
    folders.push(PathBuf::from("/usr/share/hatchery/recipes"));
    folders.dedup();
    folders
}

fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_without_proc() {
        let found = program_as_run().unwrap().canonicalize().unwrap();
        assert_eq!(found, env::current_exe().unwrap());
    }
}
