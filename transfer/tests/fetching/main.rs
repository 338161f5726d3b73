//! Fetching from a real HTTP server that misbehaves on request.

#![allow(clippy::unwrap_used, reason = "tests")]

mod one;
mod redirects;
mod resume;
mod server;
mod several;
