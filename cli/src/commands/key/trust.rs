//! `hatchery key trust`.

use super::show;
use crate::environment::{self, TRUSTED_KEYS};
use crate::exit::{Code, Failure};
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::{Fingerprint, Keyring};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Compare the fingerprint with one that came by another way than the file: by
telephone, on paper, from a page that you trust. With --fingerprint nothing else
of the file is trusted, and a file without that key is refused.

Examples:
  hatchery key show my-images.pgp
  hatchery key trust my-images.pgp --fingerprint 0123456789ABCDEF…";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A key file, binary or armored
    file: PathBuf,
    /// The fingerprint of the key to trust; may be given several times [default: all of the file]
    #[arg(long, value_name = "HEX")]
    fingerprint: Vec<Fingerprint>,
    /// Where the keys that this host trusts are
    #[arg(long, value_name = "DIR", default_value = TRUSTED_KEYS)]
    keys: PathBuf,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let mut keyring = Keyring::load(&arguments.file)?;
    let found = keyring.fingerprints();
    for fingerprint in &arguments.fingerprint {
        if !found.contains(fingerprint) {
            return Err(other_key(arguments, fingerprint, &found));
        }
    }
    if !arguments.fingerprint.is_empty() {
        keyring = keyring.only(&arguments.fingerprint);
    }
    keyring.save_to_directory(&arguments.keys)?;
    let certificates = keyring.certificates(environment::now());
    let shown = show::show(&arguments.keys, certificates);
    terminal.result(&shown, |shown| shown.iter().map(show::human).collect())
}

fn other_key(
    arguments: &Arguments,
    expected: &Fingerprint,
    found: &[Fingerprint],
) -> anyhow::Error {
    let found: Vec<&str> = found.iter().map(Fingerprint::as_str).collect();
    let message = format!(
        "{} does not hold {expected}, but {}: it is not trusted",
        arguments.file.display(),
        found.join(", ")
    );
    Failure::error(Code::Trust, message)
}
