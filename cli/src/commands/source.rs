//! Where images come from and whom to believe about them, from flags and the
//! host's configuration: what every subcommand that reads a catalog takes.

use super::places::HostPlaces;
use crate::environment::TRUSTED_KEYS;
use clap::Args;
use hatchery_image::Keyring;
use hatchery_image::catalog::Stale;
use hatchery_importer::repository::Repository;
use hatchery_transfer::Location;
use std::path::PathBuf;

/// Which repository, and whom to believe.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Source")]
pub(crate) struct Source {
    /// A mirror: a URL or a folder; may be given several times, instead of the configured ones
    #[arg(long, value_name = "URL", value_parser = Location::parse)]
    mirror: Vec<Location>,
    /// A file with keys to trust, one or several, binary or armored; may be given several
    /// times, instead of the trusted keys
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Where the keys that this host trusts are
    #[arg(long, value_name = "DIR", default_value = TRUSTED_KEYS)]
    keys: PathBuf,
    /// Take a catalog that has expired, as an air-gapped mirror has it
    #[arg(long)]
    allow_stale: bool,
}

impl Source {
    /// The repository in the library's terms.
    pub(crate) fn repository(&self, places: &HostPlaces) -> anyhow::Result<Repository> {
        let config = places.config()?;
        let mut keyring = Keyring::default();
        for file in &self.key {
            keyring.extend(Keyring::load(file)?);
        }
        if self.key.is_empty() {
            keyring = Keyring::load_directory(&self.keys)?;
        }
        let configured = self.mirror.is_empty();
        Ok(Repository {
            locations: if configured {
                config.locations(&places.config)?
            } else {
                self.mirror.clone()
            },
            keyring,
            // An id is that of the configured mirrors.
            id: config.repository.id.filter(|_| configured),
            stale: if self.allow_stale {
                Stale::Accept
            } else {
                Stale::Refuse
            },
        })
    }
}
