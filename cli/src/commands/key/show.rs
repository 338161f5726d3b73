//! `hatchery key show`.

use super::{day, grouped};
use crate::environment::{self, TRUSTED_KEYS};
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::keyring::{Certificate, CertificateState, key_files};
use hatchery_image::{Fingerprint, Keyring};
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  hatchery key show                     what this host trusts
  hatchery key show my-images.pgp       what a file holds, before you trust it";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Key files, binary or armored [default: those that this host trusts]
    files: Vec<PathBuf>,
    /// Where the keys that this host trusts are
    #[arg(long, value_name = "DIR", default_value = TRUSTED_KEYS)]
    keys: PathBuf,
}

/// A key as it is shown.
#[derive(Serialize)]
pub(super) struct Shown {
    file: PathBuf,
    fingerprint: Fingerprint,
    user_ids: Vec<String>,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    state: String,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let files = if arguments.files.is_empty() {
        key_files(&arguments.keys)?
    } else {
        arguments.files.clone()
    };
    let mut shown = Vec::new();
    for file in &files {
        let keyring = Keyring::load(file)?;
        shown.extend(show(file, keyring.certificates(environment::now())));
    }
    terminal.result(&shown, |shown| shown.iter().map(human).collect())
}

/// The certificates of a file as they are shown.
pub(super) fn show(file: &Path, certificates: Vec<Certificate>) -> Vec<Shown> {
    certificates
        .into_iter()
        .map(|certificate| Shown {
            file: file.to_owned(),
            fingerprint: certificate.fingerprint,
            user_ids: certificate.user_ids,
            created: certificate.created,
            expires: certificate.expires,
            state: match certificate.state {
                CertificateState::Good => "good".to_owned(),
                CertificateState::Expired => "expired".to_owned(),
                CertificateState::Revoked => "revoked".to_owned(),
                CertificateState::Refused(why) => format!("not acceptable: {why}"),
            },
        })
        .collect()
}

/// A key for people.
pub(super) fn human(key: &Shown) -> String {
    let mut text = format!("{}\n", grouped(key.fingerprint.as_str()));
    for user_id in &key.user_ids {
        text.push_str(&format!("    {user_id}\n"));
    }
    let made = key.created.map_or("?".to_owned(), day);
    let expires = key.expires.map_or("never expires".to_owned(), |t| {
        format!("expires {}", day(t))
    });
    text.push_str(&format!("    made {made}, {expires}, {}\n", key.state));
    text.push_str(&format!("    in {}\n", key.file.display()));
    text
}
