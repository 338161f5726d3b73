//! The protocols of others, over the same store: each module reads its own
//! targets, and finds what they ask for in the inventory and the version
//! folders. None keeps a byte of an image of its own, but for the layers of gzip
//! that somebody asked for.

pub(crate) mod hub;
pub(crate) mod oci;
pub(crate) mod releases;
pub(crate) mod streams;
