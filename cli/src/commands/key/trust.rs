//! `hatchery key trust`.

use super::show;
use crate::environment::{self, TRUSTED_KEYS};
use crate::exit::{Code, Failure};
use crate::terminal::Terminal;
use anyhow::Context as _;
use clap::Args;
use hatchery_image::{Fingerprint, durable};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Compare the fingerprint with one that came by another way than the file: by
telephone, on paper, from a page that you trust. With --fingerprint a file that
holds another key, or more than that one, is refused.

Examples:
  hatchery key show my-images.pgp
  hatchery key trust my-images.pgp --fingerprint 0123456789ABCDEF…";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A key file, binary or armored
    file: PathBuf,
    /// The fingerprint that the key must have
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<Fingerprint>,
    /// Where the keys that this host trusts are
    #[arg(long, value_name = "DIR", default_value = TRUSTED_KEYS)]
    keys: PathBuf,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let (bytes, keyring) = show::read(&arguments.file)?;
    let found = keyring.fingerprints();
    if let Some(expected) = &arguments.fingerprint
        && found != std::slice::from_ref(expected)
    {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        return Err(Failure::error(
            Code::Trust,
            format!(
                "{} holds {}, not just {expected}: it is not trusted",
                arguments.file.display(),
                found.join(" and ")
            ),
        ));
    }
    let first = found.first().expect("a key file holds a certificate");
    let target = arguments.keys.join(format!("{first}.pgp"));
    std::fs::create_dir_all(&arguments.keys)
        .with_context(|| format!("cannot make {}", arguments.keys.display()))?;
    durable::write(&target, &bytes, 0o644)?;
    let shown = show::show(&target, keyring.certificates(environment::now()));
    terminal.result(&shown, |shown| shown.iter().map(show::human).collect())
}
