//! Nothing is lost: imports and removals that are killed, that the system
//! refuses something in the middle, that lose power, and that come many at
//! once. After each, what is visible is whole and as it was or as it was to
//! be, and the next run leaves nothing behind.

mod apart;
mod calls;
mod errors;
mod host;
mod kept;
mod killed;
mod mended;
mod planted;
mod portrait;
mod power;
mod repository;
mod resume;
mod run;
mod together;

use hatchery_tests::Need;

/// What killing at system calls needs.
const NEEDS: [Need; 4] = [
    Need::Root,
    Need::Btrfs,
    Need::Program("gpg"),
    Need::Program("strace"),
];
