//! Recipe to rootfs to packed, signed image.

pub mod base;
pub mod confine;
pub mod debian;
pub mod host;
pub mod identity;
pub mod layer;
pub mod plan;
pub mod recipe;
pub mod requires;
pub mod rootfs;
pub mod run;
pub mod settings;
pub mod sbom;
pub mod userns;
