//! Builds from small repositories of Arch's kind: what must not become an
//! image is refused with an error that says what is wrong, and what pacman
//! only complains about is told.

mod contents;
mod database;
mod escape;
mod files;
pub(crate) mod fixture;
mod mirrors;
mod plan;
mod programs;
mod trust;
