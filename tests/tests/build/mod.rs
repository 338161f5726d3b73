//! Builds of Debian images that must not become images: each is refused with
//! an error that says what is wrong, and leaves nothing behind.

mod disk;
pub(crate) mod fixture;
mod hostile;
mod mirrors;
mod packages;
mod replaced;
mod scripts;
mod server;
mod trust;
