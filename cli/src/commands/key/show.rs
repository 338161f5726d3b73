//! `hatchery key show`.

use super::{day, grouped};
use crate::environment::{self, TRUSTED_KEYS};
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_image::keyring::{Certificate, CertificateState};
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
        trusted(&arguments.keys)?
    } else {
        arguments.files.clone()
    };
    let mut shown = Vec::new();
    for file in &files {
        let (_, keyring) = read(file)?;
        shown.extend(show(file, keyring.certificates(environment::now())));
    }
    terminal.result(&shown, |shown| shown.iter().map(human).collect())
}

/// The bytes of the key file at a path, and the keys in them.
pub(super) fn read(path: &Path) -> anyhow::Result<(Vec<u8>, Keyring)> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the key {}", path.display()))?;
    let keyring =
        Keyring::parse(&bytes).with_context(|| format!("{} is not usable", path.display()))?;
    Ok((bytes, keyring))
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

fn trusted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || {
        format!(
            "cannot read the folder of trusted keys {}",
            folder.display()
        )
    };
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_some_and(|e| e == "pgp") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
