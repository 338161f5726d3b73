//! Tests that cross crates, a module a theme. What a test needs of the
//! machine it asks for with [`hatchery_tests::require`].
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod arch;
mod arch_keys;
mod arch_resolver;
mod boot;
mod build;
mod catalog;
mod confinement;
mod debian_keys;
mod disk;
mod fidelity;
mod gnupg;
mod hostile;
mod import;
mod layer;
mod limit;
mod ordinary;
mod pocket;
mod requirements;
mod settings;
mod units;
mod unpacking;
mod wire;
