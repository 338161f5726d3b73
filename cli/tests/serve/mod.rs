//! `hatchery serve` as an administrator runs it, asked by curl.

mod curl;
mod process;
mod store;
mod tls;
