//! `SHA256SUMS` in the exact form that systemd's pull reads:
//! `<64 lower-case hex> *<name>\n`.
//!
//! One space and an asterisk, plain file names, a line feed after each line
//! and after the last, at most 1 MiB: what `systemd-pull` 252 to 262 accepts
//! and nothing that it doesn't. A line for `BEST-BEFORE-YYYY-MM-DD` with the
//! digest of nothing says until when the others are good (systemd pull
//! request 40393); older clients see a file that they don't ask for.

use crate::Sha256;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Largest `SHA256SUMS` that is read, in bytes: systemd's own limit.
pub const SUMS_MAX: u64 = 1 << 20;

const DIGEST_LENGTH: usize = 64;
const BEST_BEFORE: &str = "BEST-BEFORE-";

/// The lines of a `SHA256SUMS`, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    entries: BTreeMap<String, Sha256>,
    best_before: Option<Date>,
}

/// A line that is not of this form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of SHA256SUMS is not '<digest> *<name>': {problem}")]
pub struct InvalidSums {
    /// Counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Sums {
    /// Reads the text.
    ///
    /// # Errors
    /// A line of another form, or a name that stands there twice.
    pub fn parse(text: &str) -> Result<Self, InvalidSums> {
        let mut sums = Self::default();
        if text.len() as u64 > SUMS_MAX {
            return Err(InvalidSums {
                line: 1,
                problem: "the file is longer than 1 MiB",
            });
        }
        for (number, line) in text.split_inclusive('\n').enumerate() {
            sums.parse_line(line).map_err(|problem| InvalidSums {
                line: number + 1,
                problem,
            })?;
        }
        Ok(sums)
    }

    fn parse_line(&mut self, line: &str) -> Result<(), &'static str> {
        let line = line
            .strip_suffix('\n')
            .ok_or("the line feed at the end is missing")?;
        let (digest, rest) = line
            .split_at_checked(DIGEST_LENGTH)
            .ok_or("it is too short")?;
        if digest.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err("the digest is not in lower case");
        }
        let digest: Sha256 = digest
            .parse()
            .map_err(|_| "it does not start with a digest")?;
        let name = rest
            .strip_prefix(" *")
            .ok_or("one space and an asterisk do not follow the digest")?;
        check_name(name)?;
        if let Some(date) = name.strip_prefix(BEST_BEFORE) {
            let date = parse_date(date).ok_or("the date is not YYYY-MM-DD")?;
            if digest != Sha256::of(b"") {
                return Err("the digest of a date is not that of nothing");
            }
            if self.best_before.replace(date).is_some() {
                return Err("there are two dates");
            }
        } else if self.entries.insert(name.to_owned(), digest).is_some() {
            return Err("the name stands there twice");
        }
        Ok(())
    }

    /// Adds a file.
    ///
    /// # Panics
    /// If `name` is not a plain file name.
    pub fn insert(&mut self, name: &str, digest: Sha256) {
        if let Err(problem) = check_name(name) {
            panic!("{name:?} cannot stand in SHA256SUMS: {problem}");
        }
        self.entries.insert(name.to_owned(), digest);
    }

    /// The digest of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Sha256> {
        self.entries.get(name).copied()
    }

    /// Names and digests, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Sha256)> {
        self.entries.iter().map(|(n, d)| (n.as_str(), *d))
    }

    /// Until when the files are good, if it says so.
    #[must_use]
    pub fn best_before(&self) -> Option<Date> {
        self.best_before
    }

    /// Sets until when the files are good.
    pub fn set_best_before(&mut self, date: Option<Date>) {
        self.best_before = date;
    }

    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if let Some(date) = self.best_before {
            let nothing = Sha256::of(b"");
            text.push_str(&format!("{nothing} *{BEST_BEFORE}{date}\n"));
        }
        for (name, digest) in self.iter() {
            text.push_str(&format!("{digest} *{name}\n"));
        }
        text
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Err("the name is missing");
    }
    if name.contains('/') {
        return Err("the name holds a '/'");
    }
    if name
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    {
        return Err("the name holds a blank, a backslash or a control character");
    }
    if name.len() > 255 {
        return Err("the name is longer than 255 bytes");
    }
    Ok(())
}

fn parse_date(text: &str) -> Option<Date> {
    let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = shape.then(|| text.parse().ok())??;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_written_is_what_systemd_reads() {
        let mut sums = Sums::default();
        sums.insert("b.tar.xz", Sha256::of(b"b"));
        sums.insert("a.nspawn", Sha256::of(b""));
        sums.set_best_before(Some(Date::constant(2026, 12, 3)));
        let text = sums.to_text();
        let b = Sha256::of(b"b");
        assert_eq!(
            text,
            format!("{EMPTY} *BEST-BEFORE-2026-12-03\n{EMPTY} *a.nspawn\n{b} *b.tar.xz\n")
        );
        assert_eq!(Sums::parse(&text).unwrap(), sums);
    }

    #[test]
    fn other_forms_are_refused_with_their_line() {
        let good = format!("{EMPTY} *first\n");
        for bad in [
            "\n".to_owned(),
            format!("{EMPTY} *a"),
            format!("{EMPTY} *a\r\n"),
            format!("{EMPTY}  a\n"),
            format!("{EMPTY} a\n"),
            format!("{EMPTY}  *a\n"),
            format!("{EMPTY} *./a\n"),
            format!("{EMPTY} */a\n"),
            format!("{EMPTY} *\n"),
            format!("{EMPTY} *..\n"),
            format!("{EMPTY} *a b\n"),
            format!("{EMPTY} *first\n"),
            format!("\\{EMPTY} *a\n"),
            format!("{} *a\n", EMPTY.to_uppercase()),
            format!("{} *a\n", &EMPTY[1..]),
            format!("{EMPTY} *BEST-BEFORE-2026-13-01\n"),
            format!("{EMPTY} *BEST-BEFORE-20261201\n"),
            format!("{} *BEST-BEFORE-2026-12-01\n", Sha256::of(b"x")),
            format!("é{}\n", &EMPTY[1..]),
        ] {
            let error = Sums::parse(&format!("{good}{bad}")).unwrap_err();
            assert_eq!(error.line, 2, "{bad:?}: {error}");
        }
        assert!(Sums::parse(&good.repeat(20_000)).is_err());
        assert_eq!(Sums::parse("").unwrap(), Sums::default());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_written_back_with_the_same_meaning(text in "\\PC{0,200}\n?") {
            if let Ok(sums) = Sums::parse(&text) {
                prop_assert_eq!(Sums::parse(&sums.to_text()).unwrap(), sums);
            }
        }

        #[test]
        fn names_and_digests_survive(
            files in prop::collection::btree_map("[a-z0-9][a-z0-9.-]{0,30}", any::<[u8; 32]>(), 0..20)
        ) {
            let mut sums = Sums::default();
            for (name, digest) in &files {
                sums.insert(name, Sha256::from(*digest));
            }
            prop_assert_eq!(Sums::parse(&sums.to_text()).unwrap(), sums);
        }
    }
}
