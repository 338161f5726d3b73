//! Recipe to rootfs to packed, signed image.

pub mod base;
pub mod layer;
