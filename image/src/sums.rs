//! `SHA256SUMS` in the exact form that systemd's pull reads:
//! `<64 lower-case hex> *<name>\n`. (Skeleton; see the owner of this module.)

use crate::Sha256;

/// Largest `SHA256SUMS` that is read: systemd's own limit.
pub const SUMS_MAX: u64 = 1 << 20;

/// The lines of a `SHA256SUMS`, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    entries: std::collections::BTreeMap<String, Sha256>,
}

/// A line that is not of this form.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of SHA256SUMS is not '<digest> *<name>'")]
pub struct InvalidSums {
    /// Counted from one.
    pub line: usize,
}

impl Sums {
    /// Reads the text.
    ///
    /// # Errors
    /// A line of another form.
    pub fn parse(_text: &str) -> Result<Self, InvalidSums> {
        todo!()
    }
    /// Adds a file.
    pub fn insert(&mut self, name: &str, digest: Sha256) {
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
    /// The text.
    #[must_use]
    pub fn to_text(&self) -> String {
        todo!()
    }
}
