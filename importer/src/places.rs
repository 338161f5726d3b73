//! The folders of a host that an import reads and writes, handed in together
//! so that a test hands in temporary ones.

use crate::machines::MACHINES;
use crate::record::{Records, STATE};
use crate::tables::Tables;
use hatchery_image::MachineName;
use std::path::PathBuf;

/// Where downloads are kept by default.
pub const CACHE: &str = "/var/cache/hatchery";

/// Where systemd-nspawn looks for the settings that an administrator installed.
pub const SETTINGS: &str = "/etc/systemd/nspawn";

/// The folders of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Machines: `/var/lib/machines`.
    pub machines: PathBuf,
    /// What is remembered: `/var/lib/hatchery`.
    pub state: PathBuf,
    /// Downloads: `/var/cache/hatchery`.
    pub cache: PathBuf,
    /// Settings of machines: `/etc/systemd/nspawn`.
    pub settings: PathBuf,
}

impl Default for Places {
    /// Where systemd and the file system hierarchy put them.
    fn default() -> Self {
        Self {
            machines: MACHINES.into(),
            state: STATE.into(),
            cache: CACHE.into(),
            settings: SETTINGS.into(),
        }
    }
}

impl Places {
    /// The records of machines.
    #[must_use]
    pub fn records(&self) -> Records {
        Records::beneath(&self.state)
    }

    /// What is remembered of images.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables::beneath(&self.state)
    }

    /// The settings file of a machine.
    #[must_use]
    pub fn settings_of(&self, name: &MachineName) -> PathBuf {
        self.settings.join(format!("{name}.nspawn"))
    }
}
