//! Debian and its family.

mod beneath;
pub mod control;
mod database;
pub mod deb;
pub mod diversions;
pub mod install;
pub mod relation;
pub mod unpack;
