//! The signed index of a suite: `InRelease` (Debian's wiki, RepositoryFormat).
//!
//! Only text that was inside a good signature comes here. Only SHA-256 is
//! read; MD5 and SHA-1 are as if they were not there. Looked at apt's own
//! cases: a text around the signature (CVE-2013-1051) is the keyring's to
//! refuse; an unsigned `Release` (CVE-2018-0501) is never asked for.

use deb822_fast::borrowed::{BorrowedParagraph, BorrowedParser};
use hatchery_image::Sha256;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Longest `InRelease` that is read, in bytes. That of sid has 250 KB.
pub(crate) const RELEASE_MAX: u64 = 16 << 20;

/// Most files that one may list. That of sid lists 2,000.
const FILES_MAX: usize = 200_000;

/// How far a release may be dated in the future, as for signatures.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// What is read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) suite: Option<String>,
    pub(crate) codename: Option<String>,
    pub(crate) date: Timestamp,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) architectures: Vec<String>,
    pub(crate) components: Vec<String>,
    /// Whether files are also found by their digests.
    pub(crate) by_hash: bool,
    /// Whether packages for all architectures have an index of their own.
    pub(crate) all_apart: bool,
    /// How readily its versions are taken.
    pub(crate) priority: Priority,
    /// Digest and length by path.
    pub(crate) files: BTreeMap<String, (Sha256, u64)>,
}

/// How readily a suite's versions are taken, as apt_preferences(5) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// `NotAutomatic`, such as experimental: only if nothing else has it.
    Never,
    /// `ButAutomaticUpgrades`, such as backports: the same for new images.
    Reluctant,
    /// All others.
    Normal,
}

/// Why a release is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It is not such a text.
    #[error("the release file cannot be read: {0}")]
    Syntax(String),
    /// A field is missing.
    #[error("the release file has no field {0}")]
    Missing(&'static str),
    /// A field is there twice.
    #[error("the release file has the field {0} twice")]
    Twice(&'static str),
    /// A field makes no sense.
    #[error("the release file says {field}: {text:?}, which makes no sense")]
    Field {
        /// Which.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// It is that of another suite.
    #[error("the release file is that of {found}, not of {wanted}")]
    OtherSuite {
        /// Suite or code name that was asked for.
        wanted: String,
        /// What was found.
        found: String,
    },
    /// It is dated in the future.
    #[error(
        "the release file is dated {date}, but the clock of this host says {now}; set the clock"
    )]
    NotYet {
        /// Its date.
        date: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// Its time is over.
    #[error(
        "the release file expired at {until} and now it is {now}: the mirror is out of date, or \
         somebody replays an old state; `accept_expired = true` in the recipe accepts it"
    )]
    Expired {
        /// `Valid-Until`.
        until: Timestamp,
        /// The clock.
        now: Timestamp,
    },
}

impl Release {
    /// Reads the signed text.
    pub(crate) fn parse(text: &str) -> Result<Self, ReleaseError> {
        let syntax = |what: String| ReleaseError::Syntax(what);
        let mut paragraphs = BorrowedParser::new(text)
            .parse_all()
            .map_err(|e| syntax(e.to_string()))?;
        if paragraphs.len() > 1 {
            return Err(syntax("it has more than one paragraph".to_owned()));
        }
        let stanza = paragraphs
            .pop()
            .ok_or_else(|| syntax("it is empty".to_owned()))?;
        let word = |field| Ok(value(&stanza, field)?.map(str::to_owned));
        let words = |field| {
            let found = value(&stanza, field)?.unwrap_or("");
            Ok(found.split_whitespace().map(str::to_owned).collect())
        };
        let yes = |field| Ok(value(&stanza, field)? == Some("yes"));
        let architectures: Vec<String> = words("Architectures")?;
        let listed_all = architectures.iter().any(|a| a == "all");
        let inside = value(&stanza, "No-Support-for-Architecture-all")? == Some("Packages");
        Ok(Self {
            suite: word("Suite")?,
            codename: word("Codename")?,
            date: date(&stanza, "Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: date(&stanza, "Valid-Until")?,
            architectures,
            components: words("Components")?,
            by_hash: yes("Acquire-By-Hash")?,
            all_apart: listed_all && !inside,
            priority: match (yes("NotAutomatic")?, yes("ButAutomaticUpgrades")?) {
                (false, _) => Priority::Normal,
                (true, true) => Priority::Reluctant,
                (true, false) => Priority::Never,
            },
            files: files(&stanza)?,
        })
    }

    /// Whether it is the suite that was asked for, and of today.
    pub(crate) fn check(
        &self,
        suite: &str,
        accept_expired: bool,
        now: Timestamp,
    ) -> Result<(), ReleaseError> {
        let names = [self.suite.as_deref(), self.codename.as_deref()];
        let known: Vec<&str> = names.into_iter().flatten().collect();
        // A flat repository (its suite ends in `/`) has a path, not a name.
        if !suite.ends_with('/') && !known.contains(&suite) {
            return Err(ReleaseError::OtherSuite {
                wanted: suite.to_owned(),
                found: if known.is_empty() {
                    "no suite".to_owned()
                } else {
                    known.join(" or ")
                },
            });
        }
        if self.date > now.saturating_add(CLOCK_TOLERANCE).unwrap_or(now) {
            return Err(ReleaseError::NotYet {
                date: self.date,
                now,
            });
        }
        match self.valid_until {
            Some(until) if until < now && !accept_expired => {
                Err(ReleaseError::Expired { until, now })
            }
            _ => Ok(()),
        }
    }
}

/// A field's value if it is there, once.
fn value<'a>(
    stanza: &BorrowedParagraph<'a>,
    field: &'static str,
) -> Result<Option<&'a str>, ReleaseError> {
    let mut found = stanza
        .iter()
        .filter(|f| f.name().eq_ignore_ascii_case(field));
    let first = found.next();
    if found.next().is_some() {
        return Err(ReleaseError::Twice(field));
    }
    Ok(first
        .and_then(|f| f.as_single_line())
        .map(str::trim)
        .filter(|v| !v.is_empty()))
}

/// Dates are those of mail, but with `UTC`, which RFC 2822 does not know.
fn date(
    stanza: &BorrowedParagraph<'_>,
    field: &'static str,
) -> Result<Option<Timestamp>, ReleaseError> {
    let Some(text) = value(stanza, field)? else {
        return Ok(None);
    };
    let standard = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(rest) => format!("{}+0000", rest),
        None => text.to_owned(),
    };
    rfc2822::DateTimeParser::new()
        .parse_timestamp(&standard)
        .map(Some)
        .map_err(|_| ReleaseError::Field {
            field,
            text: text.chars().take(100).collect(),
        })
}

fn files(stanza: &BorrowedParagraph<'_>) -> Result<BTreeMap<String, (Sha256, u64)>, ReleaseError> {
    let field = "SHA256";
    let mut found = stanza
        .iter()
        .filter(|f| f.name().eq_ignore_ascii_case(field));
    let list = found.next().ok_or(ReleaseError::Missing(field))?;
    if found.next().is_some() {
        return Err(ReleaseError::Twice(field));
    }
    let mut files = BTreeMap::new();
    for line in list.lines().iter().filter(|l| !l.trim().is_empty()) {
        let bad = || ReleaseError::Field {
            field,
            text: line.chars().take(200).collect(),
        };
        let mut words = line.split_whitespace();
        let (Some(digest), Some(size), Some(path), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad());
        };
        let digest = digest.parse().map_err(|_| bad())?;
        let size = size.parse().map_err(|_| bad())?;
        let before = files.insert(path.to_owned(), (digest, size));
        // The same path with two digests would let the mirror choose.
        if before.is_some_and(|b| b != (digest, size)) || files.len() > FILES_MAX {
            return Err(bad());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nCodename: trixie\n\
        Date: Sat, 21 Nov 2026 09:15:44 UTC\nValid-Until: Sat, 28 Nov 2026 09:15:44 UTC\n\
        Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
        Architectures: all amd64\nComponents: main contrib\nMD5Sum:\n x 1 main/x\nSHA256:\n \
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_is_read() {
        let release = Release::parse(TEXT).unwrap();
        assert_eq!(release.codename.as_deref(), Some("trixie"));
        assert_eq!(release.date, at("2026-11-21T09:15:44Z"));
        assert!(release.by_hash && !release.all_apart);
        assert_eq!(release.priority, Priority::Normal);
        assert_eq!(release.files.len(), 1);
        for suite in ["stable", "trixie"] {
            release
                .check(suite, false, at("2026-11-22T00:00:00Z"))
                .unwrap();
        }
    }

    #[test]
    fn another_suite_or_time_is_refused() {
        let release = Release::parse(TEXT).unwrap();
        let today = at("2026-11-22T00:00:00Z");
        let error = release.check("bookworm", false, today).unwrap_err();
        assert!(matches!(error, ReleaseError::OtherSuite { .. }));
        let later = at("2026-12-24T00:00:00Z");
        let error = release.check("trixie", false, later).unwrap_err();
        assert!(error.to_string().contains("accept_expired"), "{error}");
        release.check("trixie", true, later).unwrap();
        // The switch is for old releases only, not for a wrong clock.
        let before = at("2026-11-01T00:00:00Z");
        let error = release.check("trixie", true, before).unwrap_err();
        assert!(matches!(error, ReleaseError::NotYet { .. }));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let other = "f3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (from, to) in [
            ("Suite: stable\n", "Suite: stable\n\nSuite: x\n"),
            ("Suite: stable\n", "Suite: stable\nsuite: unstable\n"),
            ("Date: Sat, 21 Nov 2026", "Date: Sat, 99 Nov 2026"),
            ("Date: Sat, 21 Nov 2026 09:15:44 UTC\n", ""),
            ("SHA256:", "SHA512:"),
            ("b855 0 main", "b855 -1 main"),
            ("b855 0 main", "b85 0 main"),
            ("b855 0 main", "b855 0 x main"),
        ] {
            assert!(TEXT.contains(from), "{from}");
            assert!(Release::parse(&TEXT.replacen(from, to, 1)).is_err(), "{to}");
        }
        let twice = format!("{TEXT} {other} 0 main/binary-amd64/Packages\n");
        assert!(Release::parse(&twice).is_err());
        let same = format!("{TEXT} {digest} 0 main/binary-amd64/Packages\n");
        assert!(Release::parse(&same).is_ok());
        assert!(Release::parse("").is_err());
    }

    #[test]
    fn backports_and_experimental_are_taken_reluctantly() {
        let never = format!("NotAutomatic: yes\n{TEXT}");
        assert_eq!(Release::parse(&never).unwrap().priority, Priority::Never);
        let reluctant = format!("ButAutomaticUpgrades: yes\n{never}");
        assert_eq!(
            Release::parse(&reluctant).unwrap().priority,
            Priority::Reluctant
        );
    }
}
