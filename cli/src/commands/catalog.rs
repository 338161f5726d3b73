//! `hatchery catalog`.

use super::key::day;
use super::key::home::{GnupgHome, SigningKey};
use super::signing::CatalogSigning;
use crate::terminal::Terminal;
use clap::{Args, Subcommand};
use hatchery_image::Fingerprint;
use hatchery_mirror::{Store, refresh, succeed};
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
    /// Hands over from the key that signs the catalog to a new one
    Succeed(Succeed),
}

const SUCCEED_EXAMPLES: &str = "\
Both keys sign a statement that the old one hands over to the new one, and the
new one signs the catalog from then on. Importers that trust the old key follow
the statement, say so, and trust the new key from then on. It cannot be taken
back: the old key's signature counts no more for this repository.

Do not let the old key expire, and do not revoke it as compromised, before the
hosts that trust it have imported once more: such a key hands over to nobody.
To revoke it as superseded does no harm.

Examples:
  hatchery catalog succeed --store /srv/images --key images@example.org --new 0123456789ABCDEF…
  hatchery catalog succeed --store /srv/images --new new@example.org --new-gnupg-home /srv/new";

/// What handing over takes.
#[derive(Args, Debug)]
#[command(after_help = SUCCEED_EXAMPLES)]
pub(crate) struct Succeed {
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The key that takes over: fingerprint, mail address or name
    #[arg(long, value_name = "KEY")]
    new: String,
    /// The GnuPG home with the new key, if it is another
    #[arg(long, value_name = "DIR")]
    new_gnupg_home: Option<PathBuf>,
    #[command(flatten)]
    key: SigningKey,
    #[command(flatten)]
    signing: CatalogSigning,
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

#[derive(Serialize)]
struct ShownSuccession {
    from: Fingerprint,
    to: Fingerprint,
    number: u64,
    version: u64,
    expires: jiff::Timestamp,
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            Self::Refresh(arguments) => run_refresh(arguments, terminal),
            Self::Succeed(arguments) => run_succeed(arguments, terminal),
        }
    }
}

fn run_refresh(arguments: &Refresh, terminal: &Terminal) -> anyhow::Result<()> {
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

fn run_succeed(arguments: &Succeed, terminal: &Terminal) -> anyhow::Result<()> {
    let home = match &arguments.new_gnupg_home {
        Some(home) => GnupgHome {
            gnupg_home: Some(home.clone()),
        },
        None => arguments.key.home().clone(),
    };
    let new = home.signer(Some(&arguments.new))?;
    let old = arguments.key.signer()?;
    let signing = arguments.signing.signing()?;
    let done = succeed(&Store::open(&arguments.store)?, &old, &new, &signing)?;
    let shown = ShownSuccession {
        from: done.succession.from,
        to: done.succession.to,
        number: done.succession.number,
        version: done.catalog.version,
        expires: done.catalog.expires,
    };
    terminal.result(&shown, |shown| {
        format!(
            "{} has handed over to {}\ncatalog version {}, good until {}\n",
            shown.from,
            shown.to,
            shown.version,
            day(shown.expires)
        )
    })
}
