//! Which machines: the folder, from a flag or the host's configuration.

use clap::Args;
use hatchery_importer::config::{CONFIG, Config};
use std::path::{Path, PathBuf};

/// Where systemd keeps machines.
const MACHINES: &str = "/var/lib/machines";

/// Where machines are.
#[derive(Args, Clone, Debug)]
pub(crate) struct MachinesFolder {
    /// The folder of machines [default: as /etc/hatchery/config.toml says, or /var/lib/machines]
    #[arg(long, value_name = "DIR")]
    machines: Option<PathBuf>,
}

impl MachinesFolder {
    /// The folder.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(machines) = &self.machines {
            return Ok(machines.clone());
        }
        let config = Config::load(Path::new(CONFIG))?;
        Ok(config.machines.unwrap_or_else(|| PathBuf::from(MACHINES)))
    }
}
