//! The vocabulary that every other crate of hatchery shares: names and
//! versions, digests, the manifest, `SHA256SUMS`, the signed catalog, the
//! keyring, the archive profile, settings texts, and the one executor that
//! places files beneath a root.
//!
//! This crate never touches the network or the terminal, never enters a
//! namespace and knows no package manager. Only `signer` (feature `sign`)
//! talks to another program, GnuPG. Nothing here reads the clock or the
//! environment: time is a value that the caller passes in.

pub mod architecture;
pub mod archive;
pub mod catalog;
pub mod digest;
pub mod durable;
pub mod envelope;
pub mod files;
pub mod keyring;
pub mod layout;
pub mod manifest;
pub mod name;
pub mod path;
pub mod place;
pub mod progress;
#[cfg(feature = "sign")]
pub mod run;
pub mod settings;
pub mod shelf;
pub mod shown;
#[cfg(feature = "sign")]
pub mod signer;
pub mod succession;
pub mod sums;

pub use architecture::Architecture;
pub use catalog::Catalog;
pub use digest::Sha256;
pub use keyring::{Fingerprint, Keyring, Verified};
pub use manifest::Manifest;
pub use name::{Channel, ImageName, MachineName, Version};
pub use path::RelativePath;
pub use progress::Progress;
