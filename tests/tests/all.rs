//! Tests that cross crates, a module a theme. What a test needs of the
//! machine it asks for with [`hatchery_tests::require`].

mod disk;
mod requirements;
