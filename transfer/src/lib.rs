//! How bytes arrive: from HTTP(S), `file://` or a folder, several mirrors in
//! turn, resumed, digested and limited while streaming.
//!
//! This crate decides nothing about trust: it is told what digest to expect,
//! or hands what it got to the caller's check. Its verbs are synchronous; the
//! runtime inside is its own business. Nothing here reads the clock for more
//! than measuring how long a wait has lasted.

mod cache;
mod client;
mod document;
mod download;
mod error;
mod folder;
mod location;
mod names;
mod part;
mod queue;
mod request;
mod watch;
mod web;

pub use cache::Cache;
pub use client::{Client, Driver, Settings};
pub use download::Arrival;
pub use error::{Attempt, Failure, TransferError};
pub use location::{InvalidLocation, Location};
pub use request::Request;
