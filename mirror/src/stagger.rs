//! Answers to old systemd, spread over time.
//!
//! `systemd-pull` before 257 takes one finished transfer off curl's queue an
//! event, so a pull of a small image hangs for ever when several of its four
//! transfers finish in the same moment and nothing else wakes it: without any
//! of this 13 of 40 pulls of a 256 KiB image from this server hung, with it
//! none. The archive begins last, well after the others, since whatever still
//! waits in the queue by then is taken off it by the archive's own progress.

use crate::holdings::{SIGNATURE, SUMS};
use hyper::http::{HeaderMap, header};
use std::time::Duration;

/// The first version that is not affected.
const FIXED_IN: u32 = 257;
/// The distance between two answers.
const STEP: Duration = Duration::from_millis(20);

/// How long an answer about what lies at `path` waits for the sake of this
/// client.
pub(crate) fn delay(headers: &HeaderMap, path: &str) -> Duration {
    match systemd_pull(headers) {
        Some(version) if version < FIXED_IN => {
            STEP * place(path.rsplit('/').next().unwrap_or(path))
        }
        _ => Duration::ZERO,
    }
}

/// The place of a file in the row. A digest of one file is asked for before
/// SHA256SUMS, so what is counted from there is late enough.
fn place(file: &str) -> u32 {
    if file.ends_with(".nspawn") {
        1
    } else if file == SIGNATURE {
        2
    } else if file == SUMS || file.contains(".sha256") {
        3
    } else {
        12
    }
}

/// The version of a `systemd-pull/<version>` client.
fn systemd_pull(headers: &HeaderMap) -> Option<u32> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let rest = agent.strip_prefix("systemd-pull/")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay_of(agent: &str, file: &str) -> u128 {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        delay(&headers, file).as_millis()
    }

    #[test]
    fn only_old_systemd_waits() {
        for agent in [
            "systemd-pull/252 (252.39-1~deb12u1)",
            "systemd-pull/252",
            "systemd-pull/249.11",
            "systemd-pull/256",
        ] {
            assert_eq!(delay_of(agent, SIGNATURE), 40, "{agent}");
        }
        for agent in [
            "systemd-pull/257",
            "systemd-pull/262.1",
            "systemd-pull/",
            "systemd-pull/x",
            "systemd-pull/99999999999999",
            "curl/8",
            "",
        ] {
            assert_eq!(delay_of(agent, SIGNATURE), 0, "{agent}");
        }
        assert_eq!(delay(&HeaderMap::new(), SIGNATURE), Duration::ZERO);
    }

    #[test]
    fn no_two_answers_finish_together() {
        let at = |file| delay_of("systemd-pull/252", file);
        let sums = at("debian.tar.xz.sha256") + at(SUMS);
        let mut ends = [
            at("debian.nspawn"),
            at(SIGNATURE),
            at("debian.tar.xz.sha256"),
            sums,
            at("debian.tar.xz"),
        ];
        ends.sort_unstable();
        for pair in ends.windows(2) {
            assert!(pair[1] - pair[0] >= 20, "{ends:?}");
        }
        assert_eq!(ends.last(), Some(&at("debian.tar.xz")));
    }
}
