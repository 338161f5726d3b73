//! Texts of settings files that builder and importer share: `.nspawn`
//! (systemd.nspawn(5)), networkd's host0 (systemd.network(5)) and resolved
//! (resolved.conf(5)), and the bridge of a host.
//!
//! Each is a value that can be read from a recipe or a configuration file,
//! whose parts can only be made valid, and that renders to text. Because no
//! part can hold a newline or a character that systemd's syntax interprets,
//! rendering needs no quoting rules beyond those written here. Nothing here
//! touches a disk.

pub mod bridge;
pub mod host0;
pub mod nspawn;
pub mod resolved;
pub mod text;

pub use bridge::Bridge;
pub use host0::{Host0, IpPrefix, OneOrMany};
pub use nspawn::Nspawn;
pub use resolved::Resolved;
pub use text::{AbsolutePath, Domain, HostName, InvalidText};
