//! Puts an image on a host as a machine: catalog, download, verified archive,
//! unpacked tree, disk limit, settings; and takes it away again.
//!
//! [`import()`](import::import) reads from top to bottom as the steps of it.
//! Everything here runs as root on somebody else's host, so nothing becomes
//! visible before it is verified and whole, and nothing of the host is changed
//! that is not named in a request. This crate never serves and never builds.

pub mod bridge;
mod btrfs;
pub mod check;
pub mod config;
mod contact;
pub mod exchange;
pub mod gc;
mod hidden;
mod hold;
pub mod host;
mod image;
pub mod import;
mod leftovers;
pub mod limit;
pub mod list;
mod listing;
pub mod lock;
mod machined;
pub mod machines;
pub mod network;
mod own_file;
pub mod places;
pub mod pool;
mod quota;
pub mod record;
pub mod reference;
pub mod remote;
pub mod remove;
pub mod repository;
pub mod rollback;
mod run;
pub mod seen;
pub mod settings;
mod space;
pub mod status;
pub mod tables;
pub mod tree;
mod trust;
pub mod unit;
pub mod unpack;
mod usage;
pub mod verify;

pub use config::Config;
pub use gc::{Collected, GcError, GcRequest, gc};
pub use image::ImageError;
pub use import::{DiskLimit, ImportError, ImportRequest, Imported, import, import_asking};
pub use list::{Listed, list};
pub use machines::Machines;
pub use network::{HostNetwork, NetworkRequest};
pub use places::Places;
pub use pool::Pool;
pub use reference::Reference;
pub use remote::{Remote, RemoteError, remote};
pub use remove::{RemoveError, Removed, remove};
pub use repository::Repository;
pub use rollback::{RollbackError, RolledBack, rollback};
pub use space::SpaceError;
pub use status::{Status, status};
pub use verify::{VerifyError, VerifyReport, verify};
