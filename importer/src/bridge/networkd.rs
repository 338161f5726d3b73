//! The host's systemd-networkd: its version, whether it runs, and how it is
//! told that files have changed.

use crate::run::{self, RunError};
use std::path::Path;
use std::time::Duration;

/// How long systemd may take for an answer.
const ANSWER: Duration = Duration::from_secs(60);

/// First version with `networkctl reload`.
const RELOAD: u32 = 244;

const UNIT: &str = "systemd-networkd.service";

/// The version of this host's systemd, from `systemctl --version`.
pub(super) fn version() -> Option<u32> {
    let text = run::run(&["systemctl", "--version"], ANSWER).ok()?;
    parse(&text)
}

fn parse(text: &str) -> Option<u32> {
    let word = text.strip_prefix("systemd ")?.split_whitespace().next()?;
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether systemd is process 1 here.
pub(super) fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

pub(super) fn runs() -> bool {
    has_systemd() && run::run(&["systemctl", "--quiet", "is-active", UNIT], ANSWER).is_ok()
}

/// Has it read its files again.
pub(super) fn reload(version: u32) -> Result<(), RunError> {
    let argv: &[&str] = match version >= RELOAD {
        true => &["networkctl", "reload"],
        false => &["systemctl", "restart", UNIT],
    };
    run::run(argv, ANSWER).map(drop)
}

/// Starts it, now and at each boot.
pub(super) fn enable() -> Result<(), RunError> {
    run::run(&["systemctl", "enable", "--now", UNIT], ANSWER).map(drop)
}

/// Takes a link away.
pub(super) fn delete(link: &str) -> Result<(), RunError> {
    match run::run(&["ip", "link", "delete", "dev", link], ANSWER) {
        Err(RunError::Spawn { .. }) => run::run(&["networkctl", "delete", link], ANSWER).map(drop),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        assert_eq!(parse("systemd 252 (252.39-1~deb12u2)\n+PAM"), Some(252));
        assert_eq!(parse("systemd 262~rc1-1 (x)\n"), Some(262));
        assert_eq!(parse("systemd 229\n+PAM"), Some(229));
        assert_eq!(parse("runit"), None);
    }
}
