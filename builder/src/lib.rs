//! Recipe to rootfs to packed, signed image.
//!
//! [`build()`] reads from top to bottom as the steps of a build. What belongs
//! to one family of distributions lies in a module of its name ([`arch`],
//! [`debian`]), and [`family`] is where they part; what all of them share
//! lives once.

pub mod arch;
pub mod base;
mod beneath;
pub mod build;
pub mod confine;
pub mod debian;
pub mod family;
pub mod foreign;
mod handover;
pub mod host;
pub mod identity;
pub mod layer;
pub mod lint;
mod nearest;
pub mod pack;
mod parallel;
pub mod plan;
pub mod recipe;
pub mod requires;
pub mod rootfs;
pub mod run;
pub mod sbom;
pub mod settings;
pub mod userns;

pub use build::{BuildError, BuildRequest, Built, build, planned};
