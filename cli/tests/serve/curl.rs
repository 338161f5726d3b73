//! curl, the client that everybody has.

use crate::hatchery::{Ran, ran, shell};

/// Runs curl.
pub(super) fn curl(arguments: &[&str]) -> Ran {
    let mut curl = shell("exec curl --silent --show-error --max-time 60 \"$@\"");
    ran(&curl.arg("curl").args(arguments).output().unwrap())
}

/// What curl says of the answer with this `--write-out` text.
pub(super) fn tells(told: &str, arguments: &[&str]) -> String {
    let rest = ["--output", "/dev/null", "--write-out", told];
    let ran = curl(&[&rest, arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

/// The body of an answer of 200.
pub(super) fn body(arguments: &[&str]) -> String {
    let ran = curl(&[&["--fail"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}
