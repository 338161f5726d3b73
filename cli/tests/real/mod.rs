//! Whole builds of real packages, by the program itself: the same bytes
//! wherever and by whomever they are built, and nothing left by a build that
//! was killed.

mod arch;
mod desk;
#[cfg(all(feature = "import", feature = "serve"))]
mod host;
mod identity;
mod inside;
mod killed;
mod locked;
mod reproducible;
mod rootless;
