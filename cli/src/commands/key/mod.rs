//! `hatchery key`: the keys that sign, and the keys that are trusted. Private
//! keys stay in GnuPG's homes; these commands only ask GnuPG for them.

#[cfg(feature = "sign")]
mod export;
#[cfg(feature = "sign")]
pub(crate) mod home;
#[cfg(feature = "sign")]
mod list;
#[cfg(feature = "sign")]
mod new;
mod show;
mod trust;

use crate::terminal::Terminal;
use clap::Subcommand;
use jiff::Timestamp;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a key that signs images
    #[cfg(feature = "sign")]
    New(new::Arguments),
    /// Lists the private keys that can sign
    #[cfg(feature = "sign")]
    List(list::Arguments),
    /// Writes a public key, for those who are to trust it
    #[cfg(feature = "sign")]
    Export(export::Arguments),
    /// Trusts a public key on this host
    Trust(trust::Arguments),
    /// Shows what a key file holds, or what this host trusts
    Show(show::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "sign")]
            Self::New(arguments) => new::run(arguments, terminal),
            #[cfg(feature = "sign")]
            Self::List(arguments) => list::run(arguments, terminal),
            #[cfg(feature = "sign")]
            Self::Export(arguments) => export::run(arguments, terminal),
            Self::Trust(arguments) => trust::run(arguments, terminal),
            Self::Show(arguments) => show::run(arguments, terminal),
        }
    }
}

/// A fingerprint as people compare it: in groups of four.
pub(crate) fn grouped(fingerprint: &str) -> String {
    let groups: Vec<&str> = fingerprint
        .as_bytes()
        .chunks(4)
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(" ")
}

/// The day of a moment, in UTC.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn fingerprints_are_shown_in_groups() {
        assert_eq!(super::grouped("0123456789ABCDEF"), "0123 4567 89AB CDEF");
    }
}
