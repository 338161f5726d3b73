//! Drives the binary as a user or a script does.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

#[cfg(feature = "serve")]
mod alone;
#[cfg(feature = "build")]
mod build_failures;
#[cfg(feature = "import")]
mod chrooted;
mod crowd;
#[cfg(feature = "serve")]
mod derive;
mod faults;
mod hatchery;
#[cfg(feature = "import")]
mod host;
mod inherited;
mod key;
#[cfg(feature = "import")]
mod machined;
mod memory;
#[cfg(all(feature = "import", feature = "serve"))]
mod network;
mod old_kernel;
#[cfg(all(feature = "serve", feature = "import"))]
mod pool;
#[cfg(all(feature = "serve", feature = "import"))]
mod quota_guest;
#[cfg(feature = "build")]
mod real;
#[cfg(feature = "serve")]
mod serve;
#[cfg(all(feature = "import", feature = "serve"))]
mod stopped;
mod street;
#[cfg(all(feature = "import", feature = "serve"))]
mod trust;
mod usage;
#[cfg(feature = "import")]
mod verify;
