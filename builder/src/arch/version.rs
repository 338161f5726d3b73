//! Versions of packages, compared as pacman does: `vercmp(8)`.
//!
//! `epoch:version-release`. Each part is cut into runs of digits and runs of
//! letters, after the `rpmvercmp` of old that pacman keeps; what lies between
//! them only counts by its length. This was decided after reading pacman
//! 6.0.2's own and is tested against its answers on generated versions.
//!
//! A release is only looked at where both sides have one, so that `1` equals
//! both `1-1` and `1-2`, which differ. That is no order in the sense of
//! [`Ord`]: [`Version`] compares by a method, and `==` is for the text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Longest version that is accepted, in bytes: it becomes a part of names of
/// files and folders. The longest in Arch's core had 27 in 2025.
const VERSION_MAX: usize = 200;

/// The version of a package: not empty, and safe as a part of a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(String);

/// A text that is not the version of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the version of a package")]
pub struct InvalidVersion(String);

impl Version {
    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which is newer; see [`compare`].
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let unsafe_there = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text.len() > VERSION_MAX || text.contains(unsafe_there) {
            return Err(InvalidVersion(text.chars().take(100).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compares two versions, whatever they look like: what a dependency asks for
/// may be any text.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (a, b) = (Parts::of(a.as_bytes()), Parts::of(b.as_bytes()));
    compare_runs(a.epoch, b.epoch)
        .then_with(|| compare_runs(a.version, b.version))
        .then_with(|| match (a.release, b.release) {
            (Some(a), Some(b)) => compare_runs(a, b),
            _ => Ordering::Equal,
        })
}

/// The parts of `epoch:version-release`.
struct Parts<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a [u8]) -> Self {
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        let (epoch, rest) = match text.get(digits) {
            Some(b':') => (&text[..digits], &text[digits + 1..]),
            _ => (&[][..], text),
        };
        let (version, release) = match rest.iter().rposition(|b| *b == b'-') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        Self {
            epoch: if epoch.is_empty() { b"0" } else { epoch },
            version,
            release,
        }
    }
}

fn compare_runs(a: &[u8], b: &[u8]) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (gap_a, gap_b) = (gap(a), gap(b));
        (a, b) = (&a[gap_a..], &b[gap_b..]);
        if a.is_empty() || b.is_empty() {
            break;
        }
        if gap_a != gap_b {
            return gap_a.cmp(&gap_b);
        }
        let numeric = a[0].is_ascii_digit();
        let (run_a, run_b);
        (run_a, a) = run(a, numeric);
        (run_b, b) = run(b, numeric);
        if run_b.is_empty() {
            // Of two kinds: a number is newer than letters.
            return if numeric {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let ordering = match numeric {
            true => compare_numbers(run_a, run_b),
            false => run_a.cmp(run_b),
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    // What has something left is newer, unless what is left are letters.
    let letter = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_alphabetic);
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if !letter(b) => Ordering::Less,
        _ if letter(a) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// How many bytes there are before the next letter or digit.
fn gap(text: &[u8]) -> usize {
    let next = text.iter().position(u8::is_ascii_alphanumeric);
    next.unwrap_or(text.len())
}

/// The digits, or else letters, that a text begins with, and the rest.
fn run(text: &[u8], numeric: bool) -> (&[u8], &[u8]) {
    let belongs = |b: &u8| match numeric {
        true => b.is_ascii_digit(),
        false => b.is_ascii_alphabetic(),
    };
    let end = text.iter().position(|b| !belongs(b));
    text.split_at(end.unwrap_or(text.len()))
}

/// Of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let digits = |text: &'_ [u8]| text.iter().take_while(|b| **b == b'0').count();
    let (a, b) = (&a[digits(a)..], &b[digits(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_with_vercmp() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("1.5.0", "1.5.0", Equal),
            ("1.5.1", "1.5.0", Greater),
            ("1.5.1", "1.5", Greater),
            ("1.5.0-1", "1.5.0-2", Less),
            ("1.5.0-1", "1.5.1-1", Less),
            ("1.5-1", "1.5", Equal),
            ("1.5-2", "1.5", Equal),
            ("1.0a", "1.0", Less),
            ("1.0alpha", "1.0b", Less),
            ("1.0rc", "1.0", Less),
            ("1.5.a", "1.5", Greater),
            ("1.5.b", "1.5.a", Greater),
            ("1.5.b", "1.5.1", Less),
            ("2.0", "2_0", Equal),
            ("2.0", "2__0", Less),
            ("2..0", "2.0", Greater),
            ("1.0.", "1.0", Greater),
            ("1.0.", "1.0..", Equal),
            ("01.002", "1.2", Equal),
            ("0:1.0", "1.0", Equal),
            (":1.0", "1.0", Equal),
            ("1:1.0", "0:1.1", Greater),
            ("1:1.0", "2.0", Greater),
            ("99999999999999999999", "99999999999999999998", Greater),
            ("", "1", Less),
            ("", "a", Greater),
            ("1-", "1-1", Less),
            ("1", "1-", Equal),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_safe_in_a_file_name_is_a_version() {
        for text in ["1-1", "1:2.0_rc1-1.1", "r5.abc+x-1", "20240203-1"] {
            assert_eq!(text.parse::<Version>().unwrap().as_str(), text);
        }
        for text in ["", "1/2", "1 2", "1\n", "1\0"] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }
}
