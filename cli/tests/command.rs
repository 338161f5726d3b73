//! Drives the binary as a user or a script does.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[cfg(feature = "build")]
mod build_failures;
mod crowd;
mod faults;
mod hatchery;
mod key;
#[cfg(feature = "build")]
mod real;
mod usage;
