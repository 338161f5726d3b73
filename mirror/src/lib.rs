//! The store of published images, and the server for it.
//!
//! `publish` puts an image into a [`Store`] and signs the catalog after it;
//! the [`Server`] answers for the store and needs no key. This crate never
//! builds or unpacks anything.
//!
//! A request goes `connection` → `respond` → `answers` (what was found a moment
//! ago) or `target` (what is asked for) and `holdings` (where it lies, what its
//! digest is) → `conditional` and `ranges` (which part of it, if any) → `reply`
//! → `body`, spoken by `http1` or hyper over a `transport`. What other
//! protocols show is made in `protocols`, what people see in `page`.

mod access;
mod activity;
mod answers;
mod body;
mod catalog;
mod certificates;
mod clients;
mod conditional;
pub mod config;
mod connection;
mod content;
mod derive;
mod expiry;
mod faults;
mod holdings;
mod http1;
mod inventory;
mod log;
mod metrics;
mod operation;
mod page;
mod page_cache;
mod protocols;
mod publish;
mod ranges;
mod refusal;
mod reply;
mod respond;
mod server;
mod stagger;
mod store;
mod succession;
mod target;
mod transport;

pub use access::{Access, AccessLog};
pub use activity::Patience;
pub use catalog::{CatalogError, Signing, refresh};
pub use clients::{PerClient, Rate};
pub use connection::{HEAD_LIMIT, HEAD_MAX};
pub use derive::{DeriveError, Derived, Outcome, Removal, Selection, derive_gzip, remove_gzip};
pub use log::{LINES_MAX, LogError, LogFormat, LogOutput, LogWriter};
pub use page::{InvalidPublicUrl, PublicUrl};
pub use publish::{PublishError, Published, publish};
pub use ranges::RANGES_MAX;
pub use server::{
    Address, CONNECTIONS, Control, DRAIN, HANDSHAKE, InvalidAddress, ListenError, Listener,
    Options, ReloadError, Remote, Running, Server, ServerError, Stop, TlsError, TlsFiles,
};
pub use store::{CATALOG, IMAGES, REPOSITORY, Store, StoreError};
pub use succession::{SucceedError, Succeeded, succeed};

#[cfg(test)]
mod tests;
