//! Drives the binary as a user or a script does.

mod hatchery;
mod key;
mod usage;
