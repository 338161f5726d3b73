//! What an import is asked for, and what it answers.

use crate::{NetworkRequest, Places, Reference, Repository};
use hatchery_image::settings::{Host0, Nspawn};
use hatchery_image::{Architecture, Fingerprint, MachineName, Version};
use jiff::Timestamp;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;

/// What to import, and how.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// The image and version.
    pub reference: Reference,
    /// The name that the machine gets.
    pub machine: MachineName,
    /// The architecture that it is for.
    pub architecture: Architecture,
    /// Where it comes from and whom to believe.
    pub repository: Repository,
    /// The host's folders.
    pub places: Places,
    /// Disk limit.
    pub limit: DiskLimit,
    /// Install the settings that are published beside the image.
    pub accept_settings: bool,
    /// Settings of the administrator's own, such as ports and binds, that are
    /// installed with or without those of the image.
    pub own_settings: Nspawn,
    /// The machine's network inside, and whether it is enabled and started.
    pub network: NetworkRequest,
    /// Replace a machine of this name.
    pub force: bool,
    /// Import an image that this host cannot boot.
    pub accept_unsuitable: bool,
    /// Threads that unpack.
    pub threads: usize,
    /// argv of the hidden subcommand that calls [`crate::unpack::helper_main`].
    pub helper: Vec<OsString>,
    /// The time.
    pub now: Timestamp,
}

/// Disk limit of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskLimit {
    /// What the image suggests, where it costs nothing: where quota is on.
    #[default]
    Suggested,
    /// None.
    Infinity,
    /// So many bytes.
    Bytes(u64),
}

/// What was imported.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// The machine.
    pub machine: MachineName,
    /// Its tree.
    pub path: PathBuf,
    /// The image's version.
    pub version: Version,
    /// Primary fingerprint of the key that signed the catalog.
    pub signer: Fingerprint,
    /// Disk limit in bytes, if one was set.
    pub limit: Option<u64>,
    /// Its settings.
    pub settings: Option<Settings>,
    /// Whether a machine was replaced.
    pub replaced: bool,
    /// Its network, if one was written into it.
    pub network: Option<Host0>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it was started.
    pub started: bool,
}

/// Asks whether the settings that an image suggests, of this text, are to be
/// installed.
pub type Consent<'a> = &'a dyn Fn(&str) -> bool;

/// Settings of a machine: those that were installed, or else those that are
/// published beside the image and were not.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The text of the `.nspawn` file.
    pub text: String,
    /// Where it was installed, if it was.
    pub installed: Option<PathBuf>,
}
