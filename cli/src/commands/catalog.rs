//! `hatchery catalog`.

use super::key::home::SigningKey;
use super::signing::CatalogSigning;
use crate::terminal::Terminal;
use clap::{Args, Subcommand};
use hatchery_mirror::{Store, refresh};
use serde::Serialize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Importers refuse a catalog that has expired, so that nobody can serve them an
old one for ever. Run this more often than the catalog expires, from a timer on
the machine that holds the key.

Examples:
  hatchery catalog refresh --store /srv/images
  hatchery catalog refresh --store /srv/images --expires-after 7d";

/// What can be done with a catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signs the catalog again, with a new expiry
    Refresh(Refresh),
}

/// What refreshing takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Refresh {
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    key: SigningKey,
    #[command(flatten)]
    signing: CatalogSigning,
}

#[derive(Serialize)]
struct Shown {
    version: u64,
    expires: jiff::Timestamp,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        let Self::Refresh(arguments) = self;
        let signer = arguments.key.signer()?;
        let signing = arguments.signing.signing()?;
        let catalog = refresh(&Store::open(&arguments.store)?, &signer, &signing)?;
        let shown = Shown {
            version: catalog.version,
            expires: catalog.expires,
        };
        terminal.result(&shown, |shown| {
            let until = shown.expires.strftime("%Y-%m-%d");
            format!("catalog version {}, good until {until}\n", shown.version)
        })
    }
}
