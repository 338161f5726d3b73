//! Arch Linux and its family: from a recipe to a plan, and from that to a
//! tree.
//!
//! No pacman or gpg is needed.

pub mod keyring;
