//! Debian and its family.

mod beneath;
pub mod configure;
pub mod control;
mod database;
pub mod deb;
pub mod diversions;
mod preinst;
pub mod relation;
pub mod unpack;
