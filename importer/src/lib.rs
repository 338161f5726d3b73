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
pub mod limit;
pub mod lock;
pub mod machines;
mod qgroup;
pub mod record;
pub mod reference;
mod run;
pub mod tree;

pub use machines::Machines;
pub use reference::Reference;
