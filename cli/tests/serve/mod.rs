//! `hatchery serve` as an administrator runs it, asked by curl.

mod config;
mod curl;
mod idle;
mod limits;
mod log;
mod metrics;
mod openmetrics;
mod process;
mod reload;
mod store;
mod systemd;
mod tls;
mod units;
