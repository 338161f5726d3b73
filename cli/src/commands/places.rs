//! The folders of this host that imports read and write, from flags and the
//! host's configuration.

use clap::Args;
use hatchery_importer::config::{CONFIG, Config};
use hatchery_importer::places::Places;
use std::path::{Path, PathBuf};

/// Where things are on this host.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Places")]
pub(crate) struct HostPlaces {
    /// The folder of machines [default: what the configuration says, or /var/lib/machines]
    #[arg(long, value_name = "DIR")]
    machines: Option<PathBuf>,
    /// Where it is remembered what was imported and which catalogs were seen
    #[arg(long, value_name = "DIR", default_value = hatchery_importer::record::STATE)]
    state: PathBuf,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub(crate) config: PathBuf,
    /// Where systemd-nspawn finds settings; for tests
    #[arg(long, value_name = "DIR", hide = true)]
    nspawn: Option<PathBuf>,
}

impl HostPlaces {
    /// The folders; the cache is the usual one.
    pub(crate) fn places(&self) -> anyhow::Result<Places> {
        let machines = match &self.machines {
            Some(machines) => Some(std::path::absolute(machines)?),
            None => self.config()?.machines,
        };
        let usual = Places::default();
        Ok(Places {
            machines: machines.unwrap_or(usual.machines),
            state: std::path::absolute(&self.state)?,
            settings: self.nspawn.clone().unwrap_or(usual.settings),
            cache: usual.cache,
        })
    }

    /// The configuration; an absent one is empty.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(Path::new(&self.config))?)
    }
}
