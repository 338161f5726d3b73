//! `hatchery key export`.

use super::home::GnupgHome;
use crate::terminal::Terminal;
use clap::Args;
use hatchery_image::durable;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Binary is what systemd's /etc/systemd/import-pubring.gpg wants; hatchery reads
both.

Examples:
  hatchery key export --output my-images.pgp
  hatchery key export --armor images@example.org > my-images.asc";

/// What it takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Fingerprint, mail address or name; the only key when there is one
    key: Option<String>,
    /// As text
    #[arg(long)]
    armor: bool,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    home: GnupgHome,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments, terminal: &Terminal) -> anyhow::Result<()> {
    let signer = arguments.home.signer(arguments.key.as_deref())?;
    let bytes = if arguments.armor {
        signer.public_key_armored()?
    } else {
        signer.public_key()?
    };
    match &arguments.output {
        Some(path) => Ok(durable::write(path, &bytes, 0o644)?),
        None => terminal.raw(&bytes),
    }
}
