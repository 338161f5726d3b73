//! Puts an image on a host as a machine: catalog, download, verified archive,
//! unpacked tree, disk limit, settings; and takes it away again.
//!
//! [`import()`](import::import) reads from top to bottom as the steps of it.
//! Everything here runs as root on somebody else's host, so nothing becomes
//! visible before it is verified and whole, and nothing of the host is changed
//! that is not named in a request. This crate never serves and never builds.

mod btrfs;
pub mod check;
pub mod config;
pub mod host;
mod image;
pub mod import;
mod leftovers;
pub mod limit;
pub mod list;
pub mod lock;
pub mod machines;
mod pending;
pub mod places;
pub mod pool;
mod qgroup;
pub mod record;
pub mod reference;
pub mod remove;
pub mod repository;
mod run;
pub mod seen;
pub mod settings;
mod space;
pub mod tree;

pub use config::Config;
pub use image::ImageError;
pub use import::{DiskLimit, ImportError, ImportRequest, Imported, import};
pub use list::{Listed, list};
pub use machines::Machines;
pub use places::Places;
pub use pool::Pool;
pub use reference::Reference;
pub use remove::{RemoveError, Removed, remove};
pub use repository::Repository;
pub use space::SpaceError;
