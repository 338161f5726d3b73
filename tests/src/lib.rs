//! What tests need of the machine that they run on, asked for in one place.
//!
//! A test begins with `if !hatchery_tests::require(&[Need::Root]) { return; }`.
//! What is missing is said on stderr and added to the file that
//! `HATCHERY_SKIPPED` names, which `make test` prints at its end. With
//! `CI=true` a skip is a failure, unless `HATCHERY_MAY_SKIP` lists the need
//! (`HATCHERY_MAY_SKIP=network,btrfs`).

pub mod debs;
pub mod host;
pub mod inside;
pub mod lab;
pub mod need;
pub mod old_kernel;
pub mod pacstrap;
pub mod pocket;
pub mod pool;
pub mod repository;
pub mod run;
pub mod tree;
pub mod trickster;
pub mod warnings;

pub use need::{Need, require};
pub use pool::Pool;
